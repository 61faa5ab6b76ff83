#include "auth/token/token_source.h"

#include "auth/diagnosis/diagnosis.h"
#include "auth/token/credential_case.h"
#include "auth/token/either_secret.h"
#include "auth/token/grant_parameters.h"
#include "auth/token/renewal.h"
#include "auth/token/stored_tokens.h"
#include "auth/token/token_endpoint.h"
#include "auth/token/token_history.h"
#include "auth/token/token_request.h"
#include "auth/token/token_want.h"
#include "plugin/contract/configuration.h"
#include "plugin/contract/log.h"
#include "plugin/contract/loop.h"

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <utility>

namespace auth {

using plugin::Code;
using plugin::Deadline;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Steady;
using plugin::Task;
using plugin::Wake;
using std::chrono::milliseconds;

namespace {

constexpr std::string_view logger = "auth.token";
constexpr std::string_view expiryMetric = "postern_token_expiry_timestamp_seconds";
constexpr std::string_view requestsMetric = "postern_token_requests_total";
constexpr std::chrono::seconds betweenLooks{1};    // at the store, for a sign-in by another process
constexpr std::chrono::seconds betweenForced{60};  // more often, and Entra sees a loop (AADSTS50196)

using Flight = plugin::Shared<Result<Token>>;

std::string_view resultName(Code code) {
    if (code == Code::tokenClientRefused || code == Code::tokenRequestRefused || code == Code::tokenScopeRefused) return "refused";
    if (code == Code::tokenEndpointBusy) return "busy";
    if (code == Code::tokenEndpointUnreachable) return "unreachable";
    return "unusable";
}

std::vector<plugin::Field> failureFields(const plugin::Configuration& configuration, const std::string& credential, const Error& error) {
    std::vector<plugin::Field> fields{{"credential", credential}, {"error", plugin::describe(error)}};
    for (auto& field : diagnosis::logFields(caseOf(configuration, credential, error))) fields.push_back(std::move(field));
    return fields;
}

/// One identity: its token, the request under way, and what keeps the next request back.
struct Entry {
    std::string credential{};
    std::optional<Token> token{};
    Lifetime life{};
    bool refused = false;                ///< the other side refused the token
    std::optional<Steady> lastForced{};  ///< when a refused token was last replaced
    std::shared_ptr<Flight> flight{};

    unsigned failures = 0;  ///< in a row
    std::optional<Error> error{};
    Steady notBefore = Steady::min();
    Stamps stamps{};  ///< of the files the last request's secrets came from

    bool second = false;            ///< client_secret_next is the one that is taken,
    Stamps chosen{};                ///< as long as these files are what they were
    std::int64_t version = 0;       ///< of a stored grant: what of the store is known here
    std::int64_t storeVersion = 0;  ///< what the store was last seen to hold
    std::optional<Steady> looked{};
    std::string account{};

    bool usable(Steady until, Steady now) const { return token && !refused && now < until; }
    bool news() const { return storeVersion > version; }
};

/// How a flight ended.
struct Landing {
    TokenExchange exchange;
    bool second = false;                 ///< the second secret was taken
    std::optional<StoredAnswer> stored;  ///< of a stored grant; its exchange has been moved from
};

struct Landed {
    Result<Token> answer;
    std::optional<TokenResult> result{};  ///< to be noted
};

class State : public std::enable_shared_from_this<State> {
public:
    explicit State(TokenSourceParts parts) : parts_(std::move(parts)), endpoint_({parts_.dialer, parts_.secrets, parts_.clock, parts_.random}) {
        if (parts_.storage != nullptr)
            stored_.emplace(StoredTokens::Parts{parts_.storage->grants, parts_.storage->locks, parts_.secrets, parts_.clock});
        parts_.metrics.describe(expiryMetric, plugin::Metrics::Kind::gauge, "When the current access token of a credential ends");
        parts_.metrics.describe(requestsMetric, plugin::Metrics::Kind::counter, "Token requests by result");
    }

    std::shared_ptr<const plugin::Configuration> configuration() const { return parts_.configuration.get(); }
    Result<std::shared_ptr<const Want>> wantFor(const Identity& identity) { return wants_.of(configuration(), identity); }

    /// What a caller does now: take a value, wait for a request under way, or look whether the secret is another one first.
    struct Next {
        std::optional<Result<Token>> answer{};
        std::shared_ptr<Flight> flight{};
    };
    /// seen: the stamps of the secrets' files just now; nothing: not looked at.
    Next next(const std::shared_ptr<const Want>& want, plugin::Loop& loop, std::optional<Stamps> seen);

    Stamps stampsNow(const Want& want) { return stampsOf(want, parts_.secrets); }
    bool stores() const { return stored_.has_value(); }
    static Task<void> lookAtStore(std::shared_ptr<State> state, std::shared_ptr<const Want> want);
    bool refreshing() { return refreshing_ > 0 || (stored_ && stored_->isSaving()); }
    void beginNoMore() { closing_ = true; }
    static Task<std::vector<Error>> keepRest(std::shared_ptr<State> state);
    void refused(const Want& want, const Token& token);
    void stop() { stop_.request_stop(); }

private:
    class Airborne;
    class UnderWay;
    static Task<Result<Token>> fly(std::shared_ptr<State> state, std::shared_ptr<const Want> want);
    static Task<Landing> ask(std::shared_ptr<State> state, std::shared_ptr<const Want> want, MakeGrant make, std::stop_token stop);
    static Task<TokenExchange> refreshWith(std::shared_ptr<State> state, std::shared_ptr<const Want> want, std::shared_ptr<bool> second,
                                           std::shared_ptr<const Secret> token);
    static Task<TokenExchange> notBegun(std::shared_ptr<State> state);
    static Task<Landing> renew(std::shared_ptr<State> state, std::shared_ptr<const Want> want);
    StoredWish wishFor(const Want& want);
    bool prefersSecond(const Want& want, const Stamps& now);
    void chose(const Want& want, const Stamps& now, bool second);
    void forgetChanged();
    Landed land(const Want& want, Landing landing);
    Result<Token> succeed(Entry& entry, TokenExchange& landing, bool renewable);
    Result<Token> fail(Entry& entry, const Want& want, TokenExchange& landing);
    void takeOver(Entry& entry, StoredAnswer& stored);
    void tell(const Want& want, const Landed& landed, const std::optional<Error>& error, bool sent, unsigned failuresBefore);
    milliseconds waitAfter(const Entry& entry, const Error& error);

    TokenSourceParts parts_;
    TokenEndpoint endpoint_;
    Wants wants_{};
    std::optional<StoredTokens> stored_{};
    std::atomic<int> refreshing_{0};
    std::atomic<bool> closing_{false};
    std::stop_source stop_{};
    std::mutex mutex_{};
    std::shared_ptr<const plugin::Configuration> known_{};  // entries are by this snapshot
    std::uint64_t lastNumber_ = 0;
    std::map<std::string, Entry> entries_{};  // as many as the configuration has credentials and callers have scopes
};

/// Counts a refresh from when it begins until what came of it is stored.
class State::UnderWay {
public:
    explicit UnderWay(std::shared_ptr<State> state) : state_(std::move(state)) {}
    UnderWay(const UnderWay&) = delete;
    UnderWay& operator=(const UnderWay&) = delete;
    ~UnderWay() { end(); }
    /// False: none is begun any more. Counted first: who closes sees it, or is seen.
    bool begin() {
        if (!std::exchange(counted_, true)) ++state_->refreshing_;
        if (state_->closing_) end();
        return counted_;
    }
    void end() {
        if (std::exchange(counted_, false)) --state_->refreshing_;
    }

private:
    std::shared_ptr<State> state_;
    bool counted_ = false;
};

/// While a request is under way. A frame that goes away unfinished, as its loop ends, leaves the way free for the next request.
class State::Airborne {
public:
    Airborne(std::shared_ptr<State> state, std::shared_ptr<const Want> want) : state_(std::move(state)), want_(std::move(want)) {}
    Airborne(const Airborne&) = delete;
    Airborne& operator=(const Airborne&) = delete;
    ~Airborne() {
        if (landed_) return;
        const std::lock_guard lock(state_->mutex_);
        if (const auto entry = state_->entries_.find(want_->key); entry != state_->entries_.end()) entry->second.flight.reset();
    }
    void landed() { landed_ = true; }

private:
    std::shared_ptr<State> state_;
    std::shared_ptr<const Want> want_;
    bool landed_ = false;
};

State::Next State::next(const std::shared_ptr<const Want>& want, plugin::Loop& loop, std::optional<Stamps> seen) {
    const auto now = parts_.clock.steady();
    const std::lock_guard lock(mutex_);
    forgetChanged();
    auto& entry = entries_[want->key];
    entry.credential = want->credential->name;
    const auto begin = [&] { return entry.flight = plugin::start(loop, fly(shared_from_this(), want)); };

    if (!entry.news() && entry.usable(entry.life.usableUntil, now)) {
        if (now >= entry.life.renewAt && now >= entry.notBefore && !entry.flight) begin();
        return {*entry.token, nullptr};
    }
    if (entry.flight) return {{}, entry.flight};
    if (!entry.news() && now < entry.notBefore) {
        if (entry.usable(entry.life.end, now)) return {*entry.token, nullptr};
        const bool refusal = entry.error->reaction == Reaction::askOperator;
        const bool file = anyStamp(*want);
        if (refusal && file && !seen) return {};
        if (!refusal || !file || *seen == entry.stamps) {
            auto error = *entry.error;
            error.retryAfter = std::chrono::ceil<milliseconds>(entry.notBefore - now);
            return {error, nullptr};
        }
        entry.failures = 0;  // another secret: it has not failed yet
    }
    if (!entry.news() && entry.refused && entry.lastForced && now - *entry.lastForced < betweenForced) {
        Error error{Reaction::retryLater, Code::tokenRenewalTooSoon,
                    "credential " + want->credential->name + ": the token was renewed and refused again"};
        error.retryAfter = std::chrono::ceil<milliseconds>(*entry.lastForced + betweenForced - now);
        return {error, nullptr};
    }
    return {{}, begin()};
}

void State::refused(const Want& want, const Token& token) {
    {
        const std::lock_guard lock(mutex_);
        auto& entry = entries_[want.key];
        entry.credential = want.credential->name;
        if (!entry.token || entry.token->number != token.number || entry.refused) return;
        entry.refused = true;
    }
    parts_.log.notice(logger, "the token was refused", {{"credential", want.credential->name}});
}

/// After a reload: the tokens of credentials that are not what they were. A request for one that is under way answers those who wait for it.
void State::forgetChanged() {
    const auto now = configuration();
    if (known_ == now) return;
    known_ = now;
    std::erase_if(entries_, [&](const auto& each) { return !each.first.starts_with(behind(*now, each.second.credential) + ' '); });
}

/// Whether another process has changed what is stored; once in a while.
Task<void> State::lookAtStore(std::shared_ptr<State> state, std::shared_ptr<const Want> want) {
    {
        const auto now = state->parts_.clock.steady();
        const std::lock_guard lock(state->mutex_);
        state->forgetChanged();
        auto& entry = state->entries_[want->key];
        entry.credential = want->credential->name;
        if (entry.looked && now - *entry.looked < betweenLooks) co_return;
        entry.looked = now;
    }
    auto looking = state->parts_.storage->grants.version(want->credential->name);
    const auto version = co_await looking;
    if (!version) co_return;  // a request will tell
    const std::lock_guard lock(state->mutex_);
    if (const auto entry = state->entries_.find(want->key); entry != state->entries_.end()) entry->second.storeVersion = *version;
}

Task<Result<Token>> State::fly(std::shared_ptr<State> state, std::shared_ptr<const Want> want) {
    Airborne airborne(state, want);
    auto flying = isStored(want->credential->grant)
                      ? renew(state, want)
                      : ask(
                            state, want,
                            [state, want] {
                                auto& parts = state->parts_;
                                return grantParameters(*want->credential, want->scopes, want->user, {parts.secrets, parts.clock, parts.random});
                            },
                            state->stop_.get_token());
    auto landing = co_await flying;
    airborne.landed();
    auto landed = state->land(*want, std::move(landing));
    if (landed.result) {
        auto noting = noteResult(state->parts_.storage->database, std::move(*landed.result));
        if (const auto noted = co_await noting; !noted)
            state->parts_.log.debug(logger, "a result could not be noted",
                                    {{"credential", want->credential->name}, {"error", plugin::describe(noted.error())}});
    }
    co_return std::move(landed.answer);
}

/// One request; where the client's secret is refused, a second one with the other secret.
Task<Landing> State::ask(std::shared_ptr<State> state, std::shared_ptr<const Want> want, MakeGrant make, std::stop_token stop) {
    auto& loop = co_await plugin::thisLoop();
    auto looking = plugin::offload(loop, [state, want] { return state->stampsNow(*want); });
    const auto stamps = co_await looking;
    EitherSecret client(state->endpoint_, want->credential, want->second, state->prefersSecond(*want, stamps));
    auto asking = client.ask(std::move(make), stop);
    auto exchange = co_await asking;
    if (client.hasChanged())
        state->parts_.log.notice(logger, "a client secret was refused, the other one is in use",
                                 {{"credential", want->credential->name}, {"in_use", client.usesSecond() ? "client_secret_next" : "client_secret"}});
    if (exchange.sent) state->chose(*want, stamps, client.usesSecond());
    co_return Landing{std::move(exchange), client.usesSecond(), std::nullopt};
}

Task<Landing> State::renew(std::shared_ptr<State> state, std::shared_ptr<const Want> want) {
    auto wish = state->wishFor(*want);
    const auto second = std::make_shared<bool>(false);
    // Once a refresh token is on its way, what comes in its place is waited for.
    const auto underWay = std::make_shared<UnderWay>(state);
    auto refresh = [state, want, second, underWay](std::shared_ptr<const Secret> token) -> Task<TokenExchange> {
        if (!underWay->begin()) return notBegun(state);
        return refreshWith(state, want, second, std::move(token));
    };
    auto renewing = state->stored_->renew(std::move(wish), std::move(refresh));
    auto stored = co_await renewing;
    Landing landing{std::move(stored.exchange), *second, std::nullopt};
    landing.stored.emplace(std::move(stored));
    underWay->end();
    co_return std::move(landing);
}

Task<TokenExchange> State::notBegun(std::shared_ptr<State> state) {
    const auto& clock = state->parts_.clock;
    Error stopping{Reaction::retryLater, Code::channelStopped, "no refresh is begun any more: the program is stopping"};
    co_return TokenExchange{clock.steady(), clock.wall(), {}, false, {}, std::move(stopping)};
}

Task<std::vector<Error>> State::keepRest(std::shared_ptr<State> state) {
    if (!state->stored_) co_return std::vector<Error>{};
    auto keeping = state->stored_->keepRest();
    co_return co_await keeping;
}

StoredWish State::wishFor(const Want& want) {
    StoredWish wish{want.credential, want.scopes, want.ownScopes};
    const auto now = parts_.clock.steady();
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(want.key);
    if (found == entries_.end() || !found->second.token) return wish;
    const auto& entry = found->second;
    wish.known = entry.version;
    if (entry.refused) wish.refused = entry.token->secret;
    if (entry.usable(entry.life.renewAt, now)) wish.holdsTokenOf = entry.account;
    return wish;
}

Task<TokenExchange> State::refreshWith(std::shared_ptr<State> state, std::shared_ptr<const Want> want, std::shared_ptr<bool> second,
                                       std::shared_ptr<const Secret> token) {
    auto asking = ask(state, want, [want, token] { return Result<GrantParameters>(refreshTokenGrant(*token, want->scopes)); }, {});
    auto landing = co_await asking;
    *second = landing.second;
    co_return std::move(landing.exchange);
}

bool State::prefersSecond(const Want& want, const Stamps& now) {
    const std::lock_guard lock(mutex_);
    const auto entry = entries_.find(want.key);
    return want.second && entry != entries_.end() && entry->second.second && entry->second.chosen == now;
}

void State::chose(const Want& want, const Stamps& now, bool second) {
    const std::lock_guard lock(mutex_);
    const auto entry = entries_.find(want.key);
    if (entry == entries_.end()) return;
    entry->second.second = second;
    entry->second.chosen = now;
    entry->second.stamps = now;
}

/// What a look into the store brought beside a token.
void State::takeOver(Entry& entry, StoredAnswer& stored) {
    if (stored.nothing) entry.token.reset();  // it was forgotten
    entry.version = std::max({entry.version, stored.version, stored.nothing ? entry.storeVersion : 0});
    if (!stored.spare) return;
    auto spare = std::move(*stored.spare);
    static_cast<void>(succeed(entry, spare, true));  // it ends soon, but it serves until then
}

Landed State::land(const Want& want, Landing landing) {
    unsigned before = 0;
    std::optional<Error> error;
    std::optional<Landed> landed;
    auto& exchange = landing.exchange;
    const bool sent = exchange.sent;
    {
        const std::lock_guard lock(mutex_);
        const auto found = entries_.find(want.key);
        Entry forgotten;  // the configuration has changed meanwhile
        auto& entry = found == entries_.end() ? forgotten : found->second;
        entry.flight.reset();
        before = entry.failures;
        if (landing.stored) takeOver(entry, *landing.stored);
        if (landing.stored && landing.stored->keepYours) {
            if (entry.token) return Landed{*entry.token};
            exchange.outcome = Error{Reaction::retryLater, Code::storeChanged, "the configuration has changed meanwhile"};
        }
        if (landing.stored && exchange.outcome) entry.account = landing.stored->account;
        const bool renewable = !landing.stored || landing.stored->renewable;
        landed.emplace(Landed{exchange.outcome ? succeed(entry, exchange, renewable) : fail(entry, want, exchange)});
        if (!exchange.outcome) error = entry.error;
    }
    if (sent && parts_.storage != nullptr && (parts_.storage->notesAll || landing.stored)) {
        TokenResult result{want.credential->name, exchange.requestedWall,
                           std::string(landing.stored ? "refresh_token" : grantName(want.credential->grant))};
        result.askedScopes = want.scopes;
        result.secondSecret = landing.second;
        if (error) {
            result.code = static_cast<unsigned>(error->code);
            result.cause = error->what;
        } else {
            const auto& token = *landed->answer;
            result.grantedScopes = token.grantedScopes;
            result.expiresAt = token.expiresAt;
            result.refreshToken = token.refreshToken != nullptr;
        }
        landed->result.emplace(std::move(result));
    }
    tell(want, *landed, error, sent, before);
    return std::move(*landed);
}

void State::tell(const Want& want, const Landed& landed, const std::optional<Error>& error, bool sent, unsigned failuresBefore) {
    const std::string& name = want.credential->name;
    if (sent) {
        const auto result = error ? resultName(error->code) : std::string_view("ok");
        parts_.metrics.add(requestsMetric, {{"credential", name}, {"result", std::string(result)}}, 1);
    }
    if (error && error->code == Code::channelStopped) return;  // we are going: whoever asked is told
    if (error) return parts_.log.warning(logger, "no token", failureFields(*configuration(), name, *error));
    const auto end = std::chrono::duration_cast<std::chrono::seconds>((*landed.answer).expiresAt.time_since_epoch());
    parts_.metrics.set(expiryMetric, {{"credential", name}}, static_cast<double>(end.count()));
    parts_.log.write(failuresBefore > 0 ? plugin::Level::notice : plugin::Level::debug, logger,
                     sent ? "token received" : "token taken from the store",
                     {{"credential", name}, {"endpoint", want.endpoint}, {"after_failures", failuresBefore}});
}

Result<Token> State::succeed(Entry& entry, TokenExchange& landing, bool renewable) {
    auto& grant = *landing.outcome;
    if (!renewable && !grant.expiresIn) grant.expiresIn = maxTokenLife;  // it serves until it is refused: there is no other way
    const auto life = grant.expiresIn.value_or(assumedLife);
    Token token;
    token.secret = std::make_shared<const Secret>(std::move(grant.accessToken));
    token.type = grant.type;
    token.expiresIn = grant.expiresIn;
    token.expiresAt = landing.requestedWall + life;
    token.grantedScopes = grant.scopes;
    if (!grant.refreshToken.empty()) token.refreshToken = std::make_shared<const Secret>(std::move(grant.refreshToken));
    token.number = ++lastNumber_;
    token.clockOffset = landing.clockOffset;
    token.secondSecret = landing.sent && entry.second;
    if (entry.refused && landing.sent) entry.lastForced = landing.requested;

    entry.token = token;
    entry.refused = false;
    entry.life = lifetimeOf(landing.requested, grant.expiresIn, grant.refreshIn, parts_.random.fraction(), parts_.random.fraction());
    if (!renewable) entry.life.renewAt = entry.life.usableUntil = entry.life.end;
    entry.failures = 0;
    entry.error.reset();
    entry.notBefore = Steady::min();
    return token;
}

Result<Token> State::fail(Entry& entry, const Want& want, TokenExchange& landing) {
    auto error = landing.outcome.error();
    error.what = "credential " + want.credential->name + (landing.sent ? ", " + want.endpoint : "") + ": " + error.what;
    const auto now = parts_.clock.steady();
    if (landing.sent && error.code != Code::channelStopped) {
        const bool sameKind = entry.error && entry.error->reaction == error.reaction;
        entry.failures = sameKind ? entry.failures + 1 : 1;
        const auto wait = waitAfter(entry, error);
        entry.notBefore = now + wait;
        error.retryAfter = wait;
    }
    entry.error = error;
    if (entry.usable(entry.life.end, now)) return *entry.token;
    return error;
}

milliseconds State::waitAfter(const Entry& entry, const Error& error) {
    if (error.retryAfter) return std::max<milliseconds>(*error.retryAfter, std::chrono::seconds(1));
    const bool answered = error.code != Code::tokenEndpointUnreachable;
    if (error.reaction == Reaction::askOperator && answered) return refusalWait(entry.failures);
    return passingWait(entry.failures, parts_.random.fraction());
}

class CachedTokenSource final : public TokenSource {
public:
    explicit CachedTokenSource(TokenSourceParts parts) : state_(std::make_shared<State>(std::move(parts))) {}
    ~CachedTokenSource() override { state_->stop(); }

    Task<Result<Token>> token(Identity identity, Deadline deadline, std::stop_token stop) override {
        auto wanted = state_->wantFor(identity);
        if (!wanted) co_return wanted.error();
        const auto want = *wanted;
        const auto state = state_;
        auto& loop = co_await plugin::thisLoop();
        if (isStored(want->credential->grant)) {
            if (!state->stores())
                co_return Error{Reaction::askOperator, Code::tokenCredentialIncomplete,
                                "credential " + identity.credential + ": there is no place here where its grant could be kept"};
            auto looking = State::lookAtStore(state, want);
            co_await looking;
        }

        auto next = state->next(want, loop, std::nullopt);
        if (!next.answer && !next.flight) {
            auto look = [state, want] { return state->stampsNow(*want); };
            const auto seen = co_await plugin::offload(loop, std::move(look));
            next = state->next(want, loop, seen);
        }
        if (next.answer) co_return std::move(*next.answer);

        const auto flight = next.flight;
        auto landed = flight->wait(deadline, stop);
        switch (co_await landed) {
            case Wake::done:
                co_return std::as_const(flight->get());
            case Wake::timedOut:
                co_return Error{Reaction::retryLater, Code::tokenEndpointUnreachable,
                                "credential " + identity.credential + ", " + want->endpoint + ": no answer in the time given"};
            case Wake::stopped:
                break;
        }
        co_return Error{Reaction::retryLater, Code::channelStopped, "the wait for a token was given up: the service is stopping"};
    }

    void refused(const Identity& identity, const Token& token) override {
        if (const auto want = state_->wantFor(identity)) state_->refused(**want, token);
    }
    bool refreshing() const override { return state_->refreshing(); }
    void beginNoMore() override { state_->beginNoMore(); }
    Task<std::vector<Error>> keepRest() override { return State::keepRest(state_); }

private:
    std::shared_ptr<State> state_;
};

}  // namespace

std::unique_ptr<TokenSource> makeTokenSource(TokenSourceParts parts) { return std::make_unique<CachedTokenSource>(std::move(parts)); }

}  // namespace auth
