#include "auth/token/stored_tokens.h"

#include "auth/digest.h"
#include "auth/json_object.h"
#include "auth/token/renewal.h"
#include "plugin/contract/fault.h"
#include "plugin/contract/loop.h"

#include <algorithm>
#include <utility>

namespace auth {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;
using std::chrono::milliseconds;

namespace {

constexpr std::chrono::seconds lockPatience{45};  // the longest request, and what it takes to store what came
constexpr milliseconds firstPause{10}, longestPause{250};

/// Tells one configured refresh token from the next without keeping it: they have 128 bits of chance and more (RFC 6749 10.10).
std::string fingerprintOf(const Secret& token) {
    const auto named = SecretBuilder(64 + token.reveal().size()).add("postern-refresh-token-1").add(token.reveal()).finish();
    return sha256Text(named.reveal());
}

StoredGrant copyOf(const StoredGrant& grant) {
    StoredGrant copy;
    copy.credential = grant.credential;
    copy.version = grant.version;
    copy.fingerprint = grant.fingerprint;
    copy.by = grant.by;
    copy.refreshToken = auth::copyOf(grant.refreshToken);
    copy.accessToken = auth::copyOf(grant.accessToken);
    copy.tokenType = grant.tokenType;
    copy.askedScopes = grant.askedScopes;
    copy.grantedScopes = grant.grantedScopes;
    copy.obtainedAt = grant.obtainedAt;
    copy.expiresAt = grant.expiresAt;
    copy.account = grant.account;
    return copy;
}

/// Whether the stored access token was asked with these scopes.
bool fits(const StoredGrant& grant, const StoredWish& wish) {
    return !grant.accessToken.empty() && (grant.askedScopes == wish.scopes || (grant.askedScopes.empty() && wish.ownScopes));
}

/// The refresh token is of no use any more (RFC 6749 5.2), or a person has to do something first (Entra).
bool consentHasEnded(const TokenExchange& exchange) {
    if (exchange.outcome || exchange.outcome.error().code != Code::tokenRequestRefused) return false;
    const auto object = JsonObject::parse(exchange.answer.reveal());
    const auto name = object ? object->string("error") : std::nullopt;
    return name && (*name == "invalid_grant" || *name == "interaction_required");
}

Error signIn(std::string what) { return Error{Reaction::askOperator, Code::tokenSignInNeeded, std::move(what)}; }

Error deadError(const Credential& credential, const std::string& cause) {
    if (credential.grant == Grant::refreshToken)
        return Error{
            Reaction::askOperator, Code::tokenRequestRefused,
            "the refresh token is not taken any more" + cause + "; put another one where credential." + credential.name + ".refresh_token reads it"};
    return signIn("the consent has ended" + cause + "; it is not asked for again until somebody has signed in");
}

}  // namespace

/// What store and configuration hold at one moment.
struct StoredTokens::Seen {
    std::optional<StoredGrant> grant{};            ///< of use to this credential
    bool foreign = false;                          ///< something is stored that is not
    std::int64_t version = 0;                      ///< what keep() expects
    std::int64_t known = 0;                        ///< of the row, though all in it was forgotten
    std::string fingerprint{};                     ///< what is to be kept
    std::shared_ptr<const Secret> refreshToken{};  ///< stored, else configured; null: none
};

StoredAnswer StoredTokens::failed(Error error) const {
    return {TokenExchange{parts_.clock.steady(), parts_.clock.wall(), {}, false, {}, std::move(error)}};
}

/// As if it had just come, with the part of its life that is over.
TokenExchange StoredTokens::fromStore(const StoredGrant& grant) const {
    const auto wall = parts_.clock.wall();
    const auto age = std::chrono::duration_cast<plugin::Steady::duration>(wall - std::min(wall, grant.obtainedAt));
    TokenGrant token;
    token.accessToken = auth::copyOf(grant.accessToken);
    token.type = grant.tokenType;
    token.scopes = grant.grantedScopes;
    token.refreshToken = auth::copyOf(grant.refreshToken);
    if (grant.expiresAt) token.expiresIn = std::chrono::duration_cast<std::chrono::seconds>(*grant.expiresAt - grant.obtainedAt);
    return TokenExchange{parts_.clock.steady() - age, std::min(wall, grant.obtainedAt), {}, false, {}, std::move(token)};
}

/// While it exists nobody else saves this one, which stays where whoever ends the process sees it.
class StoredTokens::Saving {
public:
    Saving(StoredTokens& tokens, std::string credential) : tokens_(tokens), credential_(std::move(credential)) {}
    Saving(const Saving&) = delete;
    Saving& operator=(const Saving&) = delete;
    ~Saving() { end(false); }
    void end(bool saved) {
        if (std::exchange(ended_, true)) return;
        std::map<std::string, Unsaved>::node_type gone;  // lets the lock go behind ours
        const std::lock_guard guard(tokens_.mutex_);
        tokens_.unsaved_.at(credential_).busy = false;
        if (saved) gone = tokens_.unsaved_.extract(credential_);
    }

private:
    StoredTokens& tokens_;
    std::string credential_;
    bool ended_ = false;
};

/// Nothing: it is not there, or somebody is saving it, which `busy` says.
std::optional<std::pair<StoredGrant, std::int64_t>> StoredTokens::beginSaving(const std::string& credential, bool& busy) {
    const std::lock_guard guard(mutex_);
    const auto found = unsaved_.find(credential);
    busy = found != unsaved_.end() && found->second.busy;
    if (found == unsaved_.end() || busy) return std::nullopt;
    found->second.busy = true;
    return std::pair{copyOf(found->second.grant), found->second.expected};
}

bool StoredTokens::isSaving() {
    const std::lock_guard guard(mutex_);
    return std::any_of(unsaved_.begin(), unsaved_.end(), [](const auto& each) { return each.second.busy; });
}

Task<Result<void>> StoredTokens::saveUnsaved(std::string credential) {
    bool busy = false;
    auto grant = beginSaving(credential, busy);
    while (busy) {
        auto& loop = co_await plugin::thisLoop();
        auto waiting = plugin::sleepUntil(loop.clock().steady() + firstPause, {});
        co_await waiting;
        grant = beginSaving(credential, busy);
    }
    if (!grant) co_return Result<void>{};
    Saving saving(*this, credential);
    auto keeping = parts_.store.keep(std::move(grant->first), grant->second);
    auto kept = co_await keeping;
    const bool over = kept || kept.error().code == Code::storeChanged;
    saving.end(over);
    if (over) co_return Result<void>{};
    co_return kept.error();
}

Task<std::vector<Error>> StoredTokens::keepRest() {
    std::vector<std::pair<std::string, std::string>> unsaved;  // the credential, and its grant
    {
        const std::lock_guard guard(mutex_);
        for (const auto& [name, each] : unsaved_) unsaved.emplace_back(name, each.grant.by);
    }
    std::vector<Error> lost;
    for (const auto& [name, by] : unsaved) {
        auto saving = saveUnsaved(name);
        const auto saved = co_await saving;
        if (saved) continue;
        auto error = saved.error();
        error.what = "credential " + name +
                     ": the refresh token that came in place of the one before cannot be stored, and is lost with this process: " + error.what +
                     ". Afterwards " +
                     (by == grantName(Grant::refreshToken) ? "put another one where credential." + name + ".refresh_token reads it"
                                                           : "sign in again: `postern login " + name + "`");
        lost.push_back(std::move(error));
    }
    co_return lost;
}

Task<Result<StoredTokens::Seen>> StoredTokens::look(std::shared_ptr<const Credential> credential) {
    auto finding = parts_.store.find(credential->name);
    auto found = co_await finding;
    if (!found) co_return found.error();
    auto& grant = *found;

    Seen seen;
    const auto base = grantFingerprint(*credential);
    std::shared_ptr<const Secret> first;
    if (credential->refreshToken) {
        auto& loop = co_await plugin::thisLoop();
        auto reading = plugin::offload(loop, [&secrets = parts_.secrets, credential] { return readSecret(*credential->refreshToken, secrets); });
        auto read = co_await reading;
        if (read)
            first = std::make_shared<const Secret>(std::move(*read));
        else if (!grant || !grant->fingerprint.starts_with(base))  // once it has been used, the first one may go
            co_return read.error();
    }
    seen.fingerprint = first ? base + ":" + fingerprintOf(*first) : grant ? grant->fingerprint : base;
    if (grant) {
        seen.version = seen.known = grant->version;
    } else {
        auto asking = parts_.store.version(credential->name);
        const auto version = co_await asking;
        if (version) seen.known = *version;
    }
    if (grant && (first ? grant->fingerprint == seen.fingerprint : grant->fingerprint.starts_with(base)))
        seen.grant = std::move(*grant);
    else
        seen.foreign = grant.has_value();
    if (!first && !seen.grant) seen.fingerprint = base;
    seen.refreshToken = first;
    if (seen.grant && !seen.grant->refreshToken.empty()) seen.refreshToken = std::make_shared<const Secret>(auth::copyOf(seen.grant->refreshToken));
    co_return seen;
}

bool StoredTokens::isDead(const Seen& seen, const std::string& credential) {
    const std::lock_guard guard(mutex_);
    const auto found = dead_.find(credential);
    return found != dead_.end() && found->second == std::to_string(seen.version) + " " + seen.fingerprint;
}

/// What can be answered without asking the endpoint. Nothing: it has to be asked.
std::optional<StoredAnswer> StoredTokens::decide(const Seen& seen, const StoredWish& wish, std::optional<TokenExchange>& spare) {
    const auto now = parts_.clock.steady();
    const auto answer = [&](TokenExchange exchange) {
        StoredAnswer made{std::move(exchange)};
        made.version = seen.known;
        made.renewable = seen.refreshToken != nullptr;
        if (seen.grant) made.account = seen.grant->account;
        return made;
    };
    if (seen.grant && wish.holdsTokenOf == seen.grant->account && !fits(*seen.grant, wish)) {
        auto kept = answer(failed(signIn("the token at hand serves")).exchange);
        kept.keepYours = true;
        return kept;
    }
    const bool refused = seen.grant && wish.refused && seen.grant->accessToken.reveal() == wish.refused->reveal();
    if (seen.grant && fits(*seen.grant, wish) && seen.version > wish.known && !refused) {
        auto stored = fromStore(*seen.grant);
        const auto life = lifetimeOf(stored.requested, stored.outcome->expiresIn, {}, 0.5, 0.5);
        const bool unending = !seen.refreshToken && !stored.outcome->expiresIn;
        if (unending || now < (seen.refreshToken ? life.usableUntil : life.end)) return answer(std::move(stored));
        if (now < life.end) spare.emplace(std::move(stored));
    }
    if (!seen.refreshToken) {
        auto none = answer(failed(signIn(seen.grant     ? "the access token has ended or was refused, and the provider gave no refresh token: add "
                                                          "offline_access to .scopes (Google: .authorize.parameter.access_type = offline)"
                                         : seen.foreign ? "what is stored was got from another token endpoint, or for another client_id"
                                                        : "nobody has signed in yet"))
                               .exchange);
        none.nothing = !seen.grant;
        return none;
    }
    if (isDead(seen, wish.credential->name)) return answer(failed(deadError(*wish.credential, "")).exchange);
    return std::nullopt;
}

Task<Result<StoredTokens::Lock>> StoredTokens::take(std::string credential) {
    auto& loop = co_await plugin::thisLoop();
    const auto until = loop.clock().steady() + lockPatience;
    for (auto pause = firstPause;; pause = std::min(2 * pause, longestPause)) {
        auto trying = plugin::offload(loop, [&locks = parts_.locks, credential] { return locks.tryTake(credential); });
        auto lock = co_await trying;
        if (!lock || *lock) co_return std::move(lock);
        if (loop.clock().steady() >= until)
            co_return Error{Reaction::retryLater, Code::storeChanged, "another process renews this credential's token, and does not come to an end"};
        auto waiting = plugin::sleepUntil(loop.clock().steady() + pause, {});
        co_await waiting;
    }
}

Task<StoredAnswer> StoredTokens::renew(StoredWish wish, Ask ask) {
    const auto& name = wish.credential->name;
    auto saving = saveUnsaved(name);
    if (auto saved = co_await saving; !saved) co_return failed(saved.error());

    std::optional<TokenExchange> spare;
    Lock lock;
    std::shared_ptr<Seen> seen;
    for (int turn = 0; turn < 2; ++turn) {
        if (turn == 1) {
            auto taking = take(name);
            auto taken = co_await taking;
            if (!taken) {
                auto answer = failed(taken.error());
                answer.spare = std::move(spare);
                co_return answer;
            }
            lock = std::move(*taken);
        }
        auto looking = look(wish.credential);
        auto looked = co_await looking;
        if (!looked) co_return failed(looked.error());
        seen = std::make_shared<Seen>(std::move(*looked));
        if (auto decided = decide(*seen, wish, spare)) {
            if (!decided->exchange.outcome) decided->spare = std::move(spare);
            co_return std::move(*decided);
        }
    }

    if (!seen->grant) {  // nothing has proven yet that the key is there
        auto proving = parts_.store.canKeep(name);
        if (auto proven = co_await proving; !proven) co_return failed(proven.error());
    }
    auto asking = ask(seen->refreshToken);
    auto exchange = co_await asking;
    plugin::faultPoint("refresh answered");
    if (exchange.outcome) {
        auto keeping = keep(wish, seen, std::move(exchange), std::move(lock));
        co_return co_await keeping;
    }
    if (consentHasEnded(exchange)) {
        auto ending = ended(wish, seen, std::move(exchange));
        auto answer = co_await ending;
        if (!answer.exchange.outcome && !answer.spare) answer.spare = std::move(spare);
        co_return answer;
    }
    StoredAnswer answer{std::move(exchange)};
    answer.version = seen->known;
    answer.spare = std::move(spare);
    co_return answer;
}

/// Stored before it is used.
Task<StoredAnswer> StoredTokens::keep(StoredWish wish, std::shared_ptr<const Seen> seen, TokenExchange exchange, Lock lock) {
    auto& token = *exchange.outcome;
    const bool rotated = !token.refreshToken.empty();
    if (!rotated) token.refreshToken = auth::copyOf(*seen->refreshToken);

    StoredGrant next = seen->grant ? copyOf(*seen->grant) : StoredGrant{};
    next.credential = wish.credential->name;
    next.fingerprint = seen->fingerprint;
    if (next.by.empty()) next.by = grantName(wish.credential->grant);
    next.refreshToken = auth::copyOf(token.refreshToken);
    const bool otherStillServes = seen->grant && !fits(*seen->grant, wish) && next.expiresAt && *next.expiresAt > exchange.requestedWall;
    if (wish.ownScopes || !otherStillServes) {
        next.accessToken = auth::copyOf(token.accessToken);
        next.tokenType = token.type;
        next.askedScopes = wish.scopes;
        next.grantedScopes = token.scopes;
        next.obtainedAt = exchange.requestedWall;
        next.expiresAt = token.expiresIn ? std::optional(exchange.requestedWall + *token.expiresIn) : std::nullopt;
    }
    StoredAnswer answer{std::move(exchange)};
    answer.account = next.account;

    auto spareCopy = copyOf(next);
    auto keeping = parts_.store.keep(std::move(next), seen->version);
    auto kept = co_await keeping;
    plugin::faultPoint("refresh stored");
    if (kept) {
        answer.version = *kept;
        co_return answer;
    }
    answer.exchange.outcome = kept.error();
    if (kept.error().code != Code::storeChanged && rotated) {
        const std::lock_guard guard(mutex_);
        unsaved_.insert_or_assign(wish.credential->name, Unsaved{std::move(spareCopy), seen->version, std::move(lock), false});
    }
    if (kept.error().code != Code::storeChanged) co_return answer;
    // Somebody has signed in meanwhile: theirs is the newer consent.
    auto looking = look(wish.credential);
    auto looked = co_await looking;
    std::optional<TokenExchange> spare;
    if (looked)
        if (auto decided = decide(*looked, wish, spare)) co_return std::move(*decided);
    co_return answer;
}

/// Refused: unless somebody has signed in meanwhile, this refresh token is not tried again.
Task<StoredAnswer> StoredTokens::ended(StoredWish wish, std::shared_ptr<const Seen> seen, TokenExchange exchange) {
    auto looking = look(wish.credential);
    auto looked = co_await looking;
    StoredAnswer answer{std::move(exchange)};
    answer.version = seen->known;
    if (looked && looked->version != seen->version) {
        std::optional<TokenExchange> spare;
        if (auto decided = decide(*looked, wish, spare)) co_return std::move(*decided);
        answer.exchange.outcome = Error{Reaction::retryLater, Code::storeChanged, "somebody has signed in meanwhile"};
        answer.spare = std::move(spare);
        co_return answer;
    }
    {
        const std::lock_guard guard(mutex_);
        dead_.insert_or_assign(wish.credential->name, std::to_string(seen->version) + " " + seen->fingerprint);
    }
    const auto cause = answer.exchange.outcome.error();
    auto error = deadError(*wish.credential, " (" + cause.what + ")");
    error.provider = cause.provider;
    answer.exchange.outcome = std::move(error);
    co_return answer;
}

}  // namespace auth
