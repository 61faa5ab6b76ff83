#include "auth/login/connector.h"

#include "auth/token/either_secret.h"
#include "plugin/contract/log.h"
#include "plugin/contract/loop.h"
#include "plugin/contract/text.h"

#include <algorithm>
#include <utility>

namespace auth::login {

using plugin::Code;
using plugin::Deadline;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

constexpr std::chrono::minutes patience{2};
constexpr int attemptsToKeep = 3;  // a service may renew the old grant meanwhile

Result<std::shared_ptr<const Credential>> named(const plugin::Configuration& configuration, const std::string& name) {
    auto found = credential(configuration, name);
    if (!found) return std::move(found).error();
    if (found->grant == Grant::userPassword)
        return Error{Reaction::askOperator, Code::tokenCredentialIncomplete, "credential " + name + " signs in with a password: it has no token"};
    return std::shared_ptr<const Credential>(std::make_shared<Credential>(std::move(*found)));
}

Granted fromToken(const Token& token, const std::string& askedScopes, plugin::Wall now) {
    Granted result{TokenGrant{copyOf(*token.secret), token.type, token.expiresIn, {}, token.grantedScopes, {}}, now};
    if (token.refreshToken) result.token.refreshToken = copyOf(*token.refreshToken);
    if (token.expiresIn) result.expires = token.expiresAt;
    result.scopes = token.grantedScopes.empty() ? askedScopes : token.grantedScopes;
    result.secondSecret = token.secondSecret;
    return result;
}

}  // namespace

Task<Result<Granted>> Connector::serverLogin(std::string name, std::optional<std::string> scopes, std::stop_token stop) {
    const auto configuration = parts_.configuration.get();
    auto found = named(*configuration, name);
    if (!found) co_return found.error();
    const auto asked = scopes.value_or((*found)->scopes);
    if (asked.empty())
        co_return Error{Reaction::askOperator, Code::configMissingKey,
                        "credential " + name + ": no scope is asked for; give --scope, or credential." + name + ".scopes"};
    if (!isStored((*found)->grant)) {
        Identity identity{name, {}, scopes};
        auto token = co_await parts_.tokens.token(std::move(identity), parts_.clock.steady() + patience, stop);
        if (!token) co_return token.error();
        co_return fromToken(*token, asked, parts_.clock.wall());
    }
    EitherSecret client(endpoint_, *found, withNextSecret(*configuration, **found));
    const auto make = [asked] { return Result<GrantParameters>(clientCredentialsGrant(asked)); };
    auto asking = client.ask(make, stop);
    auto exchange = co_await asking;
    co_return granted(std::move(exchange), **found, asked, client.usesSecond());
}

Task<Result<Granted>> Connector::userLogin(std::string name, SignInWishes wishes, Dialogue& dialogue, Deadline deadline, std::stop_token stop) {
    const auto configuration = parts_.configuration.get();
    auto found = named(*configuration, name);
    if (!found) co_return found.error();
    const SignInTools tools{
        endpoint_, parts_.random, dialogue, parts_.callbacks, callbackUri(*configuration), withNextSecret(*configuration, **found)};
    auto result = co_await signIn(tools, *found, std::move(wishes), deadline, stop);
    co_return result;
}

Task<Result<Granted>> Connector::refresh(std::string name, Secret refreshToken, std::stop_token stop) {
    const auto configuration = parts_.configuration.get();
    auto found = named(*configuration, name);
    if (!found) co_return found.error();
    if (!refreshToken.empty()) {
        EitherSecret client(endpoint_, *found, withNextSecret(*configuration, **found));
        const auto make = [&refreshToken] { return Result<GrantParameters>(refreshTokenGrant(refreshToken, {})); };
        auto asking = client.ask(make, {});  // what comes in place of this token is nowhere else
        auto exchange = co_await asking;
        co_return granted(std::move(exchange), **found, (*found)->scopes, client.usesSecond());
    }
    if (!isStored((*found)->grant))
        co_return Error{
            Reaction::askOperator, Code::tokenSignInNeeded,
            "credential " + name + ": no refresh token is given, and its grant " + std::string(grantName((*found)->grant)) + " stores none"};
    const auto deadline = parts_.clock.steady() + patience;
    const Identity identity{name, {}, {}};
    auto token = co_await parts_.tokens.token(identity, deadline, stop);
    if (!token) {
        auto explaining = refusedThough(name, token.error());
        co_return co_await explaining;
    }
    if (!token->refreshToken)
        co_return Error{Reaction::askOperator, Code::tokenSignInNeeded, "credential " + name + ": no refresh token is given, and none is stored"};
    parts_.tokens.refused(identity, *token);  // so that it is another one
    token = co_await parts_.tokens.token(identity, deadline, stop);
    if (!token) {
        auto explaining = refusedThough(name, token.error());
        co_return co_await explaining;
    }
    co_return fromToken(*token, (*found)->scopes, parts_.clock.wall());
}

/// A refresh token that is stored and was refused is another thing than none.
Task<Error> Connector::refusedThough(std::string name, Error error) {
    if (error.code != Code::tokenSignInNeeded || parts_.grants == nullptr) co_return error;
    auto finding = parts_.grants->find(std::move(name));
    const auto stored = co_await finding;
    if (stored && *stored && !(*stored)->refreshToken.empty()) error.code = Code::tokenRequestRefused;
    co_return error;
}

Task<Result<void>> Connector::keep(std::string name, Granted granted) {
    if (parts_.grants == nullptr)
        co_return Error{Reaction::askOperator, Code::storeUnavailable, "credential " + name + ": there is no place to keep a sign-in"};
    const auto configuration = parts_.configuration.get();
    auto found = named(*configuration, name);
    if (!found) co_return found.error();
    for (int attempt = 1;; ++attempt) {
        auto before = co_await parts_.grants->find(name);
        if (!before) co_return before.error();
        StoredGrant grant;
        grant.credential = name;
        grant.fingerprint = grantFingerprint(**found);
        grant.by = grantName((*found)->grant);
        grant.refreshToken = copyOf(granted.token.refreshToken);
        grant.accessToken = copyOf(granted.token.accessToken);
        grant.tokenType = granted.token.type;
        grant.grantedScopes = granted.token.scopes;
        grant.obtainedAt = granted.obtained;
        grant.expiresAt = granted.expires;
        if (granted.account) grant.account = granted.account->name;
        // Who has consented before may get no second refresh token: the first one goes on.
        if (grant.refreshToken.empty() && *before && (*before)->fingerprint == grant.fingerprint && !grant.account.empty() &&
            (*before)->account == grant.account)
            grant.refreshToken = copyOf((*before)->refreshToken);
        const auto version = *before ? (*before)->version : 0;
        auto kept = co_await parts_.grants->keep(std::move(grant), version);
        if (kept) co_return Result<void>{};
        if (kept.error().code != Code::storeChanged || attempt == attemptsToKeep) co_return kept.error();
    }
}

int connectorStatus(ConnectorKind kind, const Error& error) {
    const auto code = error.code;
    switch (kind) {
        case ConnectorKind::serverLogin:
            return code == Code::tokenCredentialIncomplete ? -2 : code == Code::configMissingKey ? -3 : -1;
        case ConnectorKind::userLogin: {
            const bool noConnection = plugin::areaOf(code) == plugin::Area::channel || code == Code::tokenEndpointUnreachable ||
                                      code == Code::tokenEndpointBusy || code == Code::tokenEndpointAnswer;
            return code == Code::tokenSignInAbandoned ? -2 : noConnection ? -3 : code == Code::tokenTypeNotBearer ? -5 : -1;
        }
        case ConnectorKind::refreshToken:
            return code == Code::tokenCredentialIncomplete ? -2 : code == Code::tokenSignInNeeded ? -3 : -1;
    }
    return -1;
}

std::optional<Error> otherAccount(const Granted& granted, const std::string& credential, const std::vector<std::string>& expected) {
    if (!granted.account || expected.empty()) return std::nullopt;
    std::string list;
    for (const auto& user : expected) {
        if (compare(*granted.account, user) != Match::other) return std::nullopt;
        list += (list.empty() ? "" : " or ") + plugin::printable(user);
    }
    return Error{Reaction::askOperator, Code::tokenOtherAccount,
                 "credential " + credential + ": " + granted.account->name + " has signed in, " + list + " was expected; nothing was stored"};
}

std::string secondSecretTaken(const std::string& credential) {
    return "the client secret was refused, the other one was taken: put what credential." + credential +
           ".client_secret_next reads in the place of " + ".client_secret";
}

std::vector<std::string> remarksOn(const Granted& granted, const Credential& credential, const std::vector<std::string>& expected) {
    std::vector<std::string> remarks;
    const bool told = granted.account && std::any_of(expected.begin(), expected.end(),
                                                     [&](const std::string& user) { return compare(*granted.account, user) == Match::same; });
    if (!expected.empty() && !told)
        remarks.push_back(
            "whether the right account has signed in cannot be told: the provider does not say whose the token is; the scope openid may help");
    if (granted.secondSecret) remarks.push_back(secondSecretTaken(credential.name));
    if (granted.token.refreshToken.empty()) {
        const bool google = credential.authorizationEndpoint.find("//accounts.google.com/") != std::string::npos;
        const auto end = granted.expires ? "it ends at " + plugin::utcText(*granted.expires) : std::string("it ends when the provider says so");
        remarks.push_back("no refresh token came: the sign-in cannot be renewed, " + end + "; " +
                          (google
                               ? "with Google set credential." + credential.name + ".authorize.parameter.access_type = offline and .use_prompt = true"
                               : "add offline_access to credential." + credential.name + ".scopes") +
                          ", and sign in again");
    }
    return remarks;
}

}  // namespace auth::login
