#include "auth/json_object.h"
#include "auth/login/device_code.h"
#include "auth/login/sign_in.h"
#include "auth/token/either_secret.h"
#include "plugin/contract/loop.h"

#include <algorithm>
#include <utility>

namespace auth::login {

using plugin::Code;
using plugin::Deadline;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;
using plugin::Wake;

namespace {

std::string errorName(const TokenExchange& exchange) {
    const auto answer = JsonObject::parse(exchange.answer.reveal());
    return answer ? std::string(answer->string("error").value_or("")) : std::string();
}

Result<DeviceAuthorization> authorization(TokenExchange exchange, const Credential& credential) {
    if (auto read = parseDeviceAuthorization(exchange.answer.reveal())) return std::move(*read);
    const auto named = "credential " + credential.name + ", " + shownEndpoint(credential, Endpoint::device) + ": ";
    if (exchange.outcome || exchange.outcome.error().code == Code::tokenIncomplete || exchange.outcome.error().code == Code::tokenTypeNotBearer)
        return Error{Reaction::askOperator, Code::tokenSignInRefused,
                     named + "the device endpoint's answer has no device_code, user_code and verification_uri (RFC 8628 3.2)"};
    auto error = exchange.outcome.error();
    if (error.code == Code::channelStopped) return givenUp(credential);
    constexpr std::string_view asked = "the token endpoint";
    if (error.what.starts_with(asked)) error.what.replace(0, asked.size(), "the device endpoint");
    error.what = named + error.what;
    return error;
}

GrantParameters scopeAlone(const std::string& scopes) {
    GrantParameters parameters;
    parameters.push_back({"scope", Secret(scopes)});
    return parameters;
}

}  // namespace

Task<Result<Granted>> signInAtDevice(SignInTools tools, std::shared_ptr<const Credential> credential, SignInWishes wishes, Deadline deadline,
                                     std::stop_token stop) {
    auto& loop = co_await plugin::thisLoop();
    const auto scopes = wishes.scopes.value_or(credential->scopes);
    EitherSecret client(tools.endpoint, credential, tools.second);
    const auto offer = [scopes] { return Result<GrantParameters>(scopeAlone(scopes)); };
    auto beginning = client.ask(offer, stop, Endpoint::device);
    auto begun = co_await beginning;
    auto device = authorization(std::move(begun), *credential);
    if (!device) co_return device.error();
    tools.dialogue.enterCode(device->prompt);

    const auto end = std::min(deadline, loop.clock().steady() + device->life);
    Polling polling(device->interval);
    for (;;) {
        const auto next = loop.clock().steady() + polling.wait();
        if (next >= end) {
            auto rest = plugin::sleepUntil(end, stop);
            const auto woke = co_await rest;
            if (woke == Wake::stopped) co_return givenUp(*credential);
            co_return nobodyCame(*credential);
        }
        auto pause = plugin::sleepUntil(next, stop);
        const auto woke = co_await pause;
        if (woke == Wake::stopped) co_return givenUp(*credential);
        const auto make = [&device] { return Result<GrantParameters>(deviceCodeGrant(device->deviceCode)); };
        auto asking = client.ask(make, stop);
        auto exchange = co_await asking;
        const auto error = errorName(exchange);
        const auto outcome = exchange.outcome ? std::optional<Error>{} : exchange.outcome.error();
        if (polling.after(error, outcome) == Polling::Next::askAgain) continue;
        auto result = granted(std::move(exchange), *credential, scopes, client.usesSecond());
        if (!result) co_return deviceRefusal(error, result.error());
        co_return result;
    }
}

}  // namespace auth::login
