#include "auth/login/sign_in.h"

#include "auth/json_object.h"

#include <utility>

namespace auth::login {

using plugin::Code;
using plugin::Deadline;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

Error nobodyCame(const Credential& credential) {
    return {Reaction::retryLater, Code::tokenSignInAbandoned, "credential " + credential.name + ": nobody has signed in in the time given"};
}

Error givenUp(const Credential& credential) {
    return {Reaction::retryLater, Code::tokenSignInAbandoned, "credential " + credential.name + ": the sign-in was given up"};
}

Result<Granted> granted(TokenExchange exchange, const Credential& credential, const std::string& askedScopes, bool secondSecret) {
    if (!exchange.outcome) {
        auto error = std::move(exchange.outcome).error();
        if (error.code == Code::channelStopped) return givenUp(credential);
        error.what = "credential " + credential.name + ", " + shownEndpoint(credential) + ": " + error.what;
        return error;
    }
    Granted result{std::move(*exchange.outcome), exchange.requestedWall};
    if (result.token.expiresIn) result.expires = exchange.requestedWall + *result.token.expiresIn;
    result.scopes = result.token.scopes.empty() ? askedScopes : result.token.scopes;
    const auto answer = JsonObject::parse(exchange.answer.reveal());
    const auto idToken = answer ? answer->string("id_token").value_or("") : "";
    result.account = accountOf(idToken, result.token.accessToken.reveal());
    result.secondSecret = secondSecret;
    return result;
}

Task<Result<Granted>> signIn(SignInTools tools, std::shared_ptr<const Credential> credential, SignInWishes wishes, Deadline deadline,
                             std::stop_token stop) {
    switch (credential->grant) {
        case Grant::authorizationCode: {
            auto result = co_await signInByCode(tools, credential, std::move(wishes), deadline, stop);
            co_return result;
        }
        case Grant::deviceCode: {
            auto result = co_await signInAtDevice(tools, credential, std::move(wishes), deadline, stop);
            co_return result;
        }
        case Grant::clientCredentials:
        case Grant::jwtBearer:
        case Grant::refreshToken:
        case Grant::userPassword:
            break;
    }
    co_return Error{Reaction::askOperator, Code::tokenCredentialIncomplete,
                    "credential " + credential->name + ": nobody signs in with grant " + std::string(grantName(credential->grant)) +
                        "; for a person's sign-in it is authorization_code or device_code"};
}

}  // namespace auth::login
