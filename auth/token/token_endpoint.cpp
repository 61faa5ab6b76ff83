#include "auth/token/token_endpoint.h"

#include "auth/diagnosis/diagnosis.h"
#include "auth/token/client_proof.h"
#include "plugin/contract/loop.h"

#include <openssl/crypto.h>

#include <utility>

namespace auth {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

constexpr std::chrono::seconds requestTimeout{30};

const std::string& urlOf(const Credential& credential, Endpoint at) {
    return at == Endpoint::token ? credential.tokenEndpoint : credential.deviceEndpoint;
}

HttpRequest httpRequest(const Credential& credential, const GrantParameters& grant, const ClientProof& proof, Endpoint at) {
    const bool inUrl = credential.refreshStyle == RefreshStyle::query && isRefresh(grant);
    const GrantParameters none;
    const auto token = tokenRequest(credential, inUrl ? none : grant, proof, at);
    HttpRequest request;
    request.method = "POST";
    request.url = urlOf(credential, at);
    if (inUrl) {
        const auto form = formOf(grant);
        request.url.reserve(request.url.size() + 1 + form.reveal().size());  // at once: what grows leaves copies behind
        request.url.append(request.url.find('?') == std::string::npos ? "?" : "&").append(form.reveal());
    }
    request.headers.add("Content-Type", "application/x-www-form-urlencoded");
    request.headers.add("Accept", "application/json");
    if (!token.authorization.empty()) request.headers.add("Authorization", std::string(token.authorization.reveal()));
    request.body = token.body.reveal();
    request.truststore = credential.truststore;
    if (credential.authentication == ClientAuthentication::tls && credential.assertion.keystore) {
        request.keystore = credential.assertion.keystore->alias;
        request.keyAlias = credential.assertion.signingAlias;
    }
    request.proxy = credential.proxy;
    request.limits.body = maxTokenAnswer;
    return request;
}

/// A request that got no answer. Certificates and truststores need a person, all else may pass.
Error unreachable(const Error& cause) {
    const bool person = cause.reaction == Reaction::askOperator;
    const bool notHttp = cause.code == Code::channelHttpProtocol;
    Error error{person ? Reaction::askOperator : Reaction::retryLater, notHttp ? Code::tokenEndpointAnswer : Code::tokenEndpointUnreachable, {}};
    error.what = plugin::codeName(cause.code) + " " + cause.what;
    if (const auto* entry = plugin::findCode(cause.code); person && entry != nullptr) error.what.append(" (").append(entry->next).append(")");
    return error;
}

/// Assertions are refused where clocks differ: an error of the endpoint tells by how much.
Error withClock(Error error, std::optional<std::chrono::seconds> offset) {
    if (!offset || !diagnosis::isWorthAWord(*offset)) return error;
    error.provider += (error.provider.empty() ? "" : " ") + std::string(diagnosis::clockOffsetName) + std::to_string(offset->count());
    return error;
}

}  // namespace

std::string shownEndpoint(const Credential& credential, Endpoint at) {
    const auto parts = parseHttpUrl(urlOf(credential, at));
    if (!parts) return at == Endpoint::token ? "its token_endpoint" : "its device_endpoint";
    return (parts->tls ? "https://" : "http://") + parts->authority + parts->target.substr(0, parts->target.find('?'));
}

Task<TokenExchange> TokenEndpoint::ask(std::shared_ptr<const Credential> credential, GrantParameters grant, std::stop_token stop, Endpoint at) {
    auto& loop = co_await plugin::thisLoop();
    TokenExchange exchange{parts_.clock.steady(), parts_.clock.wall(), {}, false, {}, TokenGrant{}};

    struct Read {
        Result<ClientProof> proof;
        Stamp stamp;
    };
    auto readIt = [&parts = parts_, credential] {
        const auto stamp = stampOf(*credential, parts.secrets);  // before: what is replaced meanwhile counts as another one
        return Read{clientProof(*credential, {parts.secrets, parts.clock, parts.random}), stamp};
    };
    auto read = co_await plugin::offload(loop, std::move(readIt));
    exchange.stamp = read.stamp;
    if (!read.proof) {
        exchange.outcome = read.proof.error();
        co_return std::move(exchange);
    }

    exchange.sent = true;
    const auto& proof = *read.proof;
    auto request = httpRequest(*credential, grant, proof, at);
    const auto deadline = loop.clock().steady() + requestTimeout;
    auto answer = co_await http_.request(std::move(request), deadline, stop);
    if (!answer) {
        exchange.outcome = answer.error().code == Code::channelStopped ? answer.error() : unreachable(answer.error());
        co_return std::move(exchange);
    }
    const auto hide = [&](std::string_view text) { return repeats(text, *credential, proof.secret) || repeatsGrant(text, grant); };
    const TokenAnswer received{answer->status, answer->headers.find("Content-Type").value_or(""), answer->headers.find("Retry-After").value_or(""),
                               answer->body};
    const auto now = parts_.clock.wall();
    exchange.outcome = judge(received, now, hide);
    exchange.clockOffset = clockOffset(answer->headers.find("Date").value_or(""), exchange.requestedWall, now);
    if (!exchange.outcome) exchange.outcome = withClock(exchange.outcome.error(), exchange.clockOffset);
    exchange.answer = Secret(answer->body);
    OPENSSL_cleanse(answer->body.data(), answer->body.size());
    co_return std::move(exchange);
}

}  // namespace auth
