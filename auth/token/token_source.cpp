#include "auth/token/token_source.h"

#include "auth/diagnosis/diagnosis.h"
#include "auth/settings_behind.h"
#include "auth/token/client_proof.h"
#include "auth/token/credential.h"
#include "auth/token/grant_parameters.h"
#include "auth/token/renewal.h"
#include "auth/token/token_endpoint.h"
#include "auth/token/token_request.h"
#include "plugin/contract/configuration.h"
#include "plugin/contract/log.h"
#include "plugin/contract/loop.h"

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
constexpr std::chrono::seconds betweenForced{60};  // more often, and Entra sees a loop (AADSTS50196)

using Flight = plugin::Shared<Result<Token>>;

/// What one request asks for. Two with the same key share their token.
struct Want {
    std::shared_ptr<const Credential> credential;
    std::string scopes;
    std::string user;      ///< "" where the grant does not depend on it
    std::string key;       ///< begins with the fingerprint of the settings it comes from
    std::string endpoint;  ///< for people
};

std::string behind(const plugin::Configuration& configuration, const std::string& credential) {
    return settingsBehind(configuration, "credential." + credential + ".");
}

Result<std::shared_ptr<const Want>> wantOf(const plugin::Configuration& configuration, const Identity& identity) {
    auto found = credential(configuration, identity.credential);
    if (!found) return std::move(found).error();
    if (found->grant != Grant::clientCredentials && found->grant != Grant::jwtBearer)
        return Error{Reaction::askOperator, Code::tokenCredentialIncomplete,
                     "credential " + identity.credential + " signs in with a password: it has no token"};
    auto want = std::make_shared<Want>();
    want->scopes = identity.scopes ? *identity.scopes : scopesFor(*found, identity.protocol);
    if (belongsToUser(*found)) want->user = identity.user;
    want->key = behind(configuration, found->name) + ' ' + found->name + ' ' + want->scopes + '\n' + want->user;
    want->endpoint = shownEndpoint(*found);
    want->credential = std::make_shared<const Credential>(std::move(*found));
    return std::shared_ptr<const Want>(std::move(want));
}

std::string_view resultName(Code code) {
    if (code == Code::tokenClientRefused || code == Code::tokenRequestRefused || code == Code::tokenScopeRefused) return "refused";
    if (code == Code::tokenEndpointBusy) return "busy";
    if (code == Code::tokenEndpointUnreachable) return "unreachable";
    return "unusable";
}

std::vector<plugin::Field> failureFields(const Credential& credential, const Error& error) {
    std::vector<plugin::Field> fields{{"credential", credential.name}, {"error", plugin::describe(error)}};
    diagnosis::Case seen{.error = error, .credential = credential.name};
    seen.application = credential.clientId;
    seen.tokenEndpoint = credential.tokenEndpoint;
    for (auto& field : diagnosis::logFields(seen)) fields.push_back(std::move(field));
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
    Stamp stamp{};  ///< of the secret the last request used

    bool usable(Steady until, Steady now) const { return token && !refused && now < until; }
};

class State : public std::enable_shared_from_this<State> {
public:
    explicit State(TokenSourceParts parts) : parts_(std::move(parts)), endpoint_({parts_.dialer, parts_.secrets, parts_.clock, parts_.random}) {
        parts_.metrics.describe(expiryMetric, plugin::Metrics::Kind::gauge, "When the current access token of a credential ends");
        parts_.metrics.describe(requestsMetric, plugin::Metrics::Kind::counter, "Token requests by result");
    }

    std::shared_ptr<const plugin::Configuration> configuration() const { return parts_.configuration.get(); }

    /// What a caller does now: take a value, wait for a request under way, or look whether the secret is another one first.
    struct Next {
        std::optional<Result<Token>> answer{};
        std::shared_ptr<Flight> flight{};
    };
    /// seen: the stamp of the secret's file just now; outer nothing: not looked at.
    Next next(const std::shared_ptr<const Want>& want, plugin::Loop& loop, std::optional<Stamp> seen);

    Stamp stampNow(const Want& want) { return stampOf(*want.credential, parts_.secrets); }
    void refused(const Want& want, const Token& token);
    void stop() { stop_.request_stop(); }

private:
    class Airborne;
    static Task<Result<Token>> fly(std::shared_ptr<State> state, std::shared_ptr<const Want> want);
    Task<Result<GrantParameters>> grant(const Want& want);
    void forgetChanged();
    Result<Token> land(const Want& want, TokenExchange landing);
    Result<Token> succeed(Entry& entry, TokenExchange& landing);
    Result<Token> fail(Entry& entry, const Want& want, TokenExchange& landing);
    milliseconds waitAfter(const Entry& entry, const Error& error);

    TokenSourceParts parts_;
    TokenEndpoint endpoint_;
    std::stop_source stop_{};
    std::mutex mutex_{};
    std::shared_ptr<const plugin::Configuration> known_{};  // entries are by this snapshot
    std::uint64_t lastNumber_ = 0;
    std::map<std::string, Entry> entries_{};  // as many as the configuration has credentials and callers have scopes
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

State::Next State::next(const std::shared_ptr<const Want>& want, plugin::Loop& loop, std::optional<Stamp> seen) {
    const auto now = parts_.clock.steady();
    const std::lock_guard lock(mutex_);
    forgetChanged();
    auto& entry = entries_[want->key];
    entry.credential = want->credential->name;
    const auto begin = [&] { return entry.flight = plugin::start(loop, fly(shared_from_this(), want)); };

    if (entry.usable(entry.life.usableUntil, now)) {
        if (now >= entry.life.renewAt && now >= entry.notBefore && !entry.flight) begin();
        return {*entry.token, nullptr};
    }
    if (entry.flight) return {{}, entry.flight};
    if (now < entry.notBefore) {
        if (entry.usable(entry.life.end, now)) return {*entry.token, nullptr};
        const bool refusal = entry.error->reaction == Reaction::askOperator;
        const bool file = hasStamp(*want->credential);
        if (refusal && file && !seen) return {};
        if (!refusal || !file || *seen == entry.stamp) {
            auto error = *entry.error;
            error.retryAfter = std::chrono::ceil<milliseconds>(entry.notBefore - now);
            return {error, nullptr};
        }
        entry.failures = 0;  // another secret: it has not failed yet
    }
    if (entry.refused && entry.lastForced && now - *entry.lastForced < betweenForced) {
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

/// What the next request asks with. `want` outlives it.
Task<Result<GrantParameters>> State::grant(const Want& want) {
    auto make = [&parts = parts_, &want] {
        return grantParameters(*want.credential, want.scopes, want.user, {parts.secrets, parts.clock, parts.random});
    };
    if (!grantBlocks(want.credential->grant)) co_return make();
    auto& loop = co_await plugin::thisLoop();
    auto making = plugin::offload(loop, std::move(make));
    co_return co_await making;
}

Task<Result<Token>> State::fly(std::shared_ptr<State> state, std::shared_ptr<const Want> want) {
    Airborne airborne(state, want);
    auto made = state->grant(*want);
    auto grant = co_await made;
    if (!grant) {
        airborne.landed();
        TokenExchange unasked{state->parts_.clock.steady(), state->parts_.clock.wall(), {}, false, grant.error()};
        co_return state->land(*want, std::move(unasked));
    }
    auto asking = state->endpoint_.ask(want->credential, std::move(*grant), state->stop_.get_token());
    auto landing = co_await asking;
    airborne.landed();
    co_return state->land(*want, std::move(landing));
}

Result<Token> State::land(const Want& want, TokenExchange landing) {
    unsigned before = 0;
    std::optional<Error> error;
    std::optional<Result<Token>> answer;
    {
        const std::lock_guard lock(mutex_);
        const auto found = entries_.find(want.key);
        Entry forgotten;  // the configuration has changed meanwhile
        auto& entry = found == entries_.end() ? forgotten : found->second;
        entry.flight.reset();
        entry.stamp = landing.stamp;
        before = entry.failures;
        answer.emplace(landing.outcome ? succeed(entry, landing) : fail(entry, want, landing));
        if (!landing.outcome) error = entry.error;
    }
    const std::string& name = want.credential->name;
    if (landing.sent) {
        const auto result = error ? resultName(error->code) : std::string_view("ok");
        parts_.metrics.add(requestsMetric, {{"credential", name}, {"result", std::string(result)}}, 1);
    }
    if (error) {
        parts_.log.warning(logger, "no token", failureFields(*want.credential, *error));
    } else {
        const auto end = std::chrono::duration_cast<std::chrono::seconds>((**answer).expiresAt.time_since_epoch());
        parts_.metrics.set(expiryMetric, {{"credential", name}}, static_cast<double>(end.count()));
        const auto level = before > 0 ? plugin::Level::notice : plugin::Level::debug;
        parts_.log.write(level, logger, "token received", {{"credential", name}, {"endpoint", want.endpoint}, {"after_failures", before}});
    }
    return std::move(*answer);
}

Result<Token> State::succeed(Entry& entry, TokenExchange& landing) {
    auto& grant = *landing.outcome;
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
    if (entry.refused) entry.lastForced = landing.requested;

    entry.token = token;
    entry.refused = false;
    entry.life = lifetimeOf(landing.requested, grant.expiresIn, grant.refreshIn, parts_.random.fraction(), parts_.random.fraction());
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
        const auto configuration = state_->configuration();
        auto wanted = wantOf(*configuration, identity);
        if (!wanted) co_return wanted.error();
        const auto want = *wanted;
        const auto state = state_;
        auto& loop = co_await plugin::thisLoop();

        auto next = state->next(want, loop, std::nullopt);
        if (!next.answer && !next.flight) {
            auto look = [state, want] { return state->stampNow(*want); };
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
        const auto configuration = state_->configuration();
        if (const auto want = wantOf(*configuration, identity)) state_->refused(**want, token);
    }

private:
    std::shared_ptr<State> state_;
};

}  // namespace

std::unique_ptr<TokenSource> makeTokenSource(TokenSourceParts parts) { return std::make_unique<CachedTokenSource>(std::move(parts)); }

}  // namespace auth
