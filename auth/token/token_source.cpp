#include "auth/token/token_source.h"

#include "auth/diagnosis/diagnosis.h"
#include "auth/token/credential_case.h"
#include "auth/token/either_secret.h"
#include "auth/token/grant_parameters.h"
#include "auth/token/stored_tokens.h"
#include "auth/token/token_cache.h"
#include "auth/token/token_endpoint.h"
#include "auth/token/token_history.h"
#include "auth/token/token_request.h"
#include "auth/token/token_want.h"
#include "plugin/contract/configuration.h"
#include "plugin/contract/log.h"
#include "plugin/contract/loop.h"

#include <atomic>
#include <utility>

namespace auth {

using plugin::Code;
using plugin::Deadline;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;
using plugin::Wake;

namespace {

constexpr std::string_view logger = "auth.token";
constexpr std::string_view expiryMetric = "postern_token_expiry_timestamp_seconds";
constexpr std::string_view requestsMetric = "postern_token_requests_total";

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

TokenResult resultOf(const Want& want, const Landing& landing, const TokenCache::Landed& landed) {
    TokenResult result{want.credential->name, landing.exchange.requestedWall,
                       std::string(landing.stored ? "refresh_token" : grantName(want.credential->grant))};
    result.askedScopes = want.scopes;
    result.secondSecret = landing.second;
    if (landed.error) {
        result.code = static_cast<unsigned>(landed.error->code);
        result.cause = landed.error->what;
    } else {
        const auto& token = *landed.answer;
        result.grantedScopes = token.grantedScopes;
        result.expiresAt = token.expiresAt;
        result.refreshToken = token.refreshToken != nullptr;
    }
    return result;
}

/// Requests for tokens, and what is told of them.
class Requester : public std::enable_shared_from_this<Requester> {
public:
    explicit Requester(TokenSourceParts parts)
        : parts_(std::move(parts)),
          endpoint_({parts_.dialer, parts_.secrets, parts_.clock, parts_.random}),
          cache_(parts_.configuration, parts_.clock, parts_.random) {
        if (parts_.storage != nullptr)
            stored_.emplace(StoredTokens::Parts{parts_.storage->grants, parts_.storage->locks, parts_.secrets, parts_.clock});
        parts_.metrics.describe(expiryMetric, plugin::Metrics::Kind::gauge, "When the current access token of a credential ends");
        parts_.metrics.describe(requestsMetric, plugin::Metrics::Kind::counter, "Token requests by result");
    }

    Result<std::shared_ptr<const Want>> wantFor(const Identity& identity) { return wants_.of(parts_.configuration.get(), identity); }
    TokenCache::Next next(const std::shared_ptr<const Want>& want, plugin::Loop& loop, const std::optional<Stamps>& seen) {
        return cache_.next(
            *want, [&] { return plugin::start(loop, fly(shared_from_this(), want)); }, seen);
    }
    Stamps stampsNow(const Want& want) { return stampsOf(want, parts_.secrets); }
    bool stores() const { return stored_.has_value(); }
    static Task<void> lookAtStore(std::shared_ptr<Requester> requester, std::shared_ptr<const Want> want);
    bool refreshing() { return refreshing_ > 0 || (stored_ && stored_->isSaving()); }
    void beginNoMore() { closing_ = true; }
    static Task<std::vector<Error>> keepRest(std::shared_ptr<Requester> requester);
    void refused(const Want& want, const Token& token) {
        if (cache_.refuse(want, token)) parts_.log.notice(logger, "the token was refused", {{"credential", want.credential->name}});
    }
    void stop() { stop_.request_stop(); }

private:
    class Airborne;
    class UnderWay;
    static Task<Result<Token>> fly(std::shared_ptr<Requester> requester, std::shared_ptr<const Want> want);
    static Task<Landing> ask(std::shared_ptr<Requester> requester, std::shared_ptr<const Want> want, MakeGrant make, std::stop_token stop);
    static Task<TokenExchange> refreshWith(std::shared_ptr<Requester> requester, std::shared_ptr<const Want> want, std::shared_ptr<bool> second,
                                           std::shared_ptr<const Secret> token);
    static Task<TokenExchange> notBegun(std::shared_ptr<Requester> requester);
    static Task<Landing> renew(std::shared_ptr<Requester> requester, std::shared_ptr<const Want> want);
    bool notes(const Landing& landing) const {
        return landing.exchange.sent && parts_.storage != nullptr && (parts_.storage->notesAll || landing.stored);
    }
    void tell(const Want& want, const TokenCache::Landed& landed, bool sent);

    TokenSourceParts parts_;
    TokenEndpoint endpoint_;
    TokenCache cache_;
    Wants wants_{};
    std::optional<StoredTokens> stored_{};
    std::atomic<int> refreshing_{0};
    std::atomic<bool> closing_{false};
    std::stop_source stop_{};
};

/// Counts a refresh from when it begins until what came of it is stored.
class Requester::UnderWay {
public:
    explicit UnderWay(std::shared_ptr<Requester> requester) : requester_(std::move(requester)) {}
    UnderWay(const UnderWay&) = delete;
    UnderWay& operator=(const UnderWay&) = delete;
    ~UnderWay() { end(); }
    /// False: none is begun any more. Counted first: who closes sees it, or is seen.
    bool begin() {
        if (!std::exchange(counted_, true)) ++requester_->refreshing_;
        if (requester_->closing_) end();
        return counted_;
    }
    void end() {
        if (std::exchange(counted_, false)) --requester_->refreshing_;
    }

private:
    std::shared_ptr<Requester> requester_;
    bool counted_ = false;
};

/// While a request is under way. A frame that goes away unfinished, as its loop ends, leaves the way free for the next request.
class Requester::Airborne {
public:
    Airborne(std::shared_ptr<Requester> requester, std::shared_ptr<const Want> want) : requester_(std::move(requester)), want_(std::move(want)) {}
    Airborne(const Airborne&) = delete;
    Airborne& operator=(const Airborne&) = delete;
    ~Airborne() {
        if (!landed_) requester_->cache_.giveUp(*want_);
    }
    void landed() { landed_ = true; }

private:
    std::shared_ptr<Requester> requester_;
    std::shared_ptr<const Want> want_;
    bool landed_ = false;
};

/// Whether another process has changed what is stored; once in a while.
Task<void> Requester::lookAtStore(std::shared_ptr<Requester> requester, std::shared_ptr<const Want> want) {
    if (!requester->cache_.looksAtStore(*want)) co_return;
    auto looking = requester->parts_.storage->grants.version(want->credential->name);
    const auto version = co_await looking;
    if (version) requester->cache_.noteStored(*want, *version);  // else a request will tell
}

Task<Result<Token>> Requester::fly(std::shared_ptr<Requester> requester, std::shared_ptr<const Want> want) {
    Airborne airborne(requester, want);
    auto flying = isStored(want->credential->grant)
                      ? renew(requester, want)
                      : ask(
                            requester, want,
                            [requester, want] {
                                auto& parts = requester->parts_;
                                return grantParameters(*want->credential, want->scopes, want->user, {parts.secrets, parts.clock, parts.random});
                            },
                            requester->stop_.get_token());
    auto landing = co_await flying;
    airborne.landed();
    auto landed = requester->cache_.land(*want, landing);
    if (landed.asBefore) co_return std::move(landed.answer);
    requester->tell(*want, landed, landing.exchange.sent);
    if (requester->notes(landing)) {
        auto noting = noteResult(requester->parts_.storage->database, resultOf(*want, landing, landed));
        if (const auto noted = co_await noting; !noted)
            requester->parts_.log.debug(logger, "a result could not be noted",
                                        {{"credential", want->credential->name}, {"error", plugin::describe(noted.error())}});
    }
    co_return std::move(landed.answer);
}

/// One request; where the client's secret is refused, a second one with the other secret.
Task<Landing> Requester::ask(std::shared_ptr<Requester> requester, std::shared_ptr<const Want> want, MakeGrant make, std::stop_token stop) {
    auto& loop = co_await plugin::thisLoop();
    auto looking = plugin::offload(loop, [requester, want] { return requester->stampsNow(*want); });
    const auto stamps = co_await looking;
    EitherSecret client(requester->endpoint_, want->credential, want->second, requester->cache_.prefersSecond(*want, stamps));
    auto asking = client.ask(std::move(make), stop);
    auto exchange = co_await asking;
    if (client.hasChanged())
        requester->parts_.log.notice(
            logger, "a client secret was refused, the other one is in use",
            {{"credential", want->credential->name}, {"in_use", client.usesSecond() ? "client_secret_next" : "client_secret"}});
    if (exchange.sent) requester->cache_.chose(*want, stamps, client.usesSecond());
    co_return Landing{std::move(exchange), client.usesSecond(), std::nullopt};
}

Task<Landing> Requester::renew(std::shared_ptr<Requester> requester, std::shared_ptr<const Want> want) {
    auto wish = requester->cache_.wishFor(*want);
    const auto second = std::make_shared<bool>(false);
    // Once a refresh token is on its way, what comes in its place is waited for.
    const auto underWay = std::make_shared<UnderWay>(requester);
    auto refresh = [requester, want, second, underWay](std::shared_ptr<const Secret> token) -> Task<TokenExchange> {
        if (!underWay->begin()) return notBegun(requester);
        return refreshWith(requester, want, second, std::move(token));
    };
    auto renewing = requester->stored_->renew(std::move(wish), std::move(refresh));
    auto stored = co_await renewing;
    Landing landing{std::move(stored.exchange), *second, std::nullopt};
    landing.stored.emplace(std::move(stored));
    underWay->end();
    co_return std::move(landing);
}

Task<TokenExchange> Requester::notBegun(std::shared_ptr<Requester> requester) {
    const auto& clock = requester->parts_.clock;
    Error stopping{Reaction::retryLater, Code::channelStopped, "no refresh is begun any more: the program is stopping"};
    co_return TokenExchange{clock.steady(), clock.wall(), {}, false, {}, std::move(stopping)};
}

Task<std::vector<Error>> Requester::keepRest(std::shared_ptr<Requester> requester) {
    if (!requester->stored_) co_return std::vector<Error>{};
    auto keeping = requester->stored_->keepRest();
    co_return co_await keeping;
}

Task<TokenExchange> Requester::refreshWith(std::shared_ptr<Requester> requester, std::shared_ptr<const Want> want, std::shared_ptr<bool> second,
                                           std::shared_ptr<const Secret> token) {
    auto asking = ask(requester, want, [want, token] { return Result<GrantParameters>(refreshTokenGrant(*token, want->scopes)); }, {});
    auto landing = co_await asking;
    *second = landing.second;
    co_return std::move(landing.exchange);
}

void Requester::tell(const Want& want, const TokenCache::Landed& landed, bool sent) {
    const std::string& name = want.credential->name;
    const auto& error = landed.error;
    if (sent) {
        const auto result = error ? resultName(error->code) : std::string_view("ok");
        parts_.metrics.add(requestsMetric, {{"credential", name}, {"result", std::string(result)}}, 1);
    }
    if (error && error->code == Code::channelStopped) return;  // we are going: whoever asked is told
    if (error) return parts_.log.warning(logger, "no token", failureFields(*parts_.configuration.get(), name, *error));
    const auto end = std::chrono::duration_cast<std::chrono::seconds>((*landed.answer).expiresAt.time_since_epoch());
    parts_.metrics.set(expiryMetric, {{"credential", name}}, static_cast<double>(end.count()));
    parts_.log.write(landed.failuresBefore > 0 ? plugin::Level::notice : plugin::Level::debug, logger,
                     sent ? "token received" : "token taken from the store",
                     {{"credential", name}, {"endpoint", want.endpoint}, {"after_failures", landed.failuresBefore}});
}

class CachedTokenSource final : public TokenSource {
public:
    explicit CachedTokenSource(TokenSourceParts parts) : requester_(std::make_shared<Requester>(std::move(parts))) {}
    ~CachedTokenSource() override { requester_->stop(); }

    Task<Result<Token>> token(Identity identity, Deadline deadline, std::stop_token stop) override {
        auto wanted = requester_->wantFor(identity);
        if (!wanted) co_return wanted.error();
        const auto want = *wanted;
        const auto requester = requester_;
        auto& loop = co_await plugin::thisLoop();
        if (isStored(want->credential->grant)) {
            if (!requester->stores())
                co_return Error{Reaction::askOperator, Code::tokenCredentialIncomplete,
                                "credential " + identity.credential + ": there is no place here where its grant could be kept"};
            auto looking = Requester::lookAtStore(requester, want);
            co_await looking;
        }

        auto next = requester->next(want, loop, std::nullopt);
        if (!next.answer && !next.flight) {
            auto look = [requester, want] { return requester->stampsNow(*want); };
            const auto seen = co_await plugin::offload(loop, std::move(look));
            next = requester->next(want, loop, seen);
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
        if (const auto want = requester_->wantFor(identity)) requester_->refused(**want, token);
    }
    bool refreshing() const override { return requester_->refreshing(); }
    void beginNoMore() override { requester_->beginNoMore(); }
    Task<std::vector<Error>> keepRest() override { return Requester::keepRest(requester_); }

private:
    std::shared_ptr<Requester> requester_;
};

}  // namespace

std::unique_ptr<TokenSource> makeTokenSource(TokenSourceParts parts) { return std::make_unique<CachedTokenSource>(std::move(parts)); }

}  // namespace auth
