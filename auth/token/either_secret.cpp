#include "auth/token/either_secret.h"

#include "plugin/contract/loop.h"

#include <utility>

namespace auth {

using plugin::Code;
using plugin::Task;

namespace {

bool isRefused(const TokenExchange& exchange) { return !exchange.outcome && exchange.outcome.error().code == Code::tokenClientRefused; }

/// Whether the client was believed, whatever became of its request. A device endpoint's answer holds no token.
bool isTaken(const TokenExchange& exchange, Endpoint at) {
    if (exchange.outcome) return true;
    const auto code = exchange.outcome.error().code;
    return code == Code::tokenRequestRefused || code == Code::tokenScopeRefused || (at == Endpoint::device && code == Code::tokenIncomplete);
}

}  // namespace

std::shared_ptr<const Credential> withNextSecret(const plugin::Configuration& configuration, const Credential& known) {
    if (!known.clientSecretNext) return nullptr;
    auto second = credential(configuration, known.name);  // secrets' sources are not copied, but read again
    second->clientSecret = std::move(*second->clientSecretNext);
    second->clientSecretNext.reset();
    return std::make_shared<const Credential>(std::move(*second));
}

Task<TokenExchange> EitherSecret::ask(MakeGrant make, std::stop_token stop, Endpoint at) {
    auto& loop = co_await plugin::thisLoop();
    auto making = plugin::offload(loop, make);
    auto grant = co_await making;
    if (!grant) co_return TokenExchange{loop.clock().steady(), loop.clock().wall(), {}, false, {}, grant.error()};
    auto asking = endpoint_.ask(usesSecond_ ? second_ : first_, std::move(*grant), stop, at);
    auto exchange = co_await asking;
    if (!second_ || !isRefused(exchange)) co_return std::move(exchange);

    auto makingAgain = plugin::offload(loop, make);
    auto grantAgain = co_await makingAgain;
    if (!grantAgain) co_return std::move(exchange);
    auto again = endpoint_.ask(usesSecond_ ? first_ : second_, std::move(*grantAgain), stop, at);
    auto other = co_await again;
    if (isTaken(other, at)) {
        usesSecond_ = !usesSecond_;
        hasChanged_ = true;
        co_return std::move(other);
    }
    if (other.sent && !isRefused(other)) co_return std::move(other);
    co_return std::move(exchange);
}

}  // namespace auth
