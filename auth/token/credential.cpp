#include "auth/token/credential.h"

#include <algorithm>

namespace auth {

using plugin::Code;
using plugin::Configuration;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;

namespace {

Error incomplete(std::string what) { return Error{Reaction::askOperator, Code::tokenCredentialIncomplete, std::move(what)}; }

std::string keyOf(std::string_view name, std::string_view part) { return "credential." + std::string(name) + "." + std::string(part); }

Grant grantOf(const Configuration& configuration, std::string_view name) {
    const auto written = configuration.text(keyOf(name, "grant"));
    for (const auto grant : {Grant::userPassword, Grant::refreshToken, Grant::authorizationCode, Grant::deviceCode})
        if (written == grantName(grant)) return grant;
    return Grant::clientCredentials;
}

std::vector<std::string> neededBy(Grant grant) {
    switch (grant) {
        case Grant::userPassword:
            return {"password"};
        case Grant::refreshToken:
            return {"client_id", "client_secret", "token_endpoint", "refresh_token"};
        case Grant::authorizationCode:
            return {"client_id", "client_secret", "token_endpoint", "authorization_endpoint"};
        case Grant::deviceCode:
            return {"client_id", "client_secret", "token_endpoint", "device_endpoint"};
        case Grant::clientCredentials:
            break;
    }
    return {"client_id", "client_secret", "token_endpoint", "scopes"};
}

ClientAuthentication authenticationOf(const std::string& written) {
    if (written == "body") return ClientAuthentication::body;
    if (written == "basic_raw") return ClientAuthentication::basicRaw;
    if (written == "none") return ClientAuthentication::none;
    return ClientAuthentication::basic;
}

Error named(std::string_view name, const Error& error) {
    auto copy = error;
    copy.what = "credential " + std::string(name) + ": " + error.what;
    return copy;
}

/// A secret that may be left out.
Result<std::optional<SecretSource>> furtherSecret(const Configuration& configuration, std::string_view name, std::string_view part) {
    const auto written = configuration.text(keyOf(name, part));
    if (written.empty()) return std::optional<SecretSource>{};
    auto source = parseSecretSource(written);
    if (!source) return named(name, source.error());
    return std::optional<SecretSource>(std::move(*source));
}

}  // namespace

std::string_view grantName(Grant grant) {
    switch (grant) {
        case Grant::clientCredentials:
            break;
        case Grant::userPassword:
            return "user_password";
        case Grant::refreshToken:
            return "refresh_token";
        case Grant::authorizationCode:
            return "authorization_code";
        case Grant::deviceCode:
            return "device_code";
    }
    return "client_credentials";
}

std::vector<std::string> missingKeys(const Configuration& configuration, std::string_view name) {
    auto needed = neededBy(grantOf(configuration, name));
    if (authenticationOf(configuration.text(keyOf(name, "authentication"))) == ClientAuthentication::none) std::erase(needed, "client_secret");
    std::erase_if(needed, [&](const std::string& part) { return !configuration.text(keyOf(name, part)).empty(); });
    return needed;
}

Result<Credential> credential(const Configuration& configuration, std::string_view name) {
    const auto known = configuration.aliases("credential");
    if (std::find(known.begin(), known.end(), name) == known.end()) return incomplete("there is no credential named " + std::string(name));
    if (const auto missing = missingKeys(configuration, name); !missing.empty()) {
        std::string list;
        for (const auto& part : missing) list += (list.empty() ? "" : ", ") + keyOf(name, part);
        return incomplete("missing: " + list);
    }

    Credential read;
    read.name = name;
    read.grant = grantOf(configuration, name);
    const bool password = read.grant == Grant::userPassword;
    const auto authentication = authenticationOf(configuration.text(keyOf(name, "authentication")));
    const bool secretless = !password && authentication == ClientAuthentication::none;
    auto secret = secretless ? Result<SecretSource>(SecretSource{})
                             : parseSecretSource(configuration.text(keyOf(name, password ? "password" : "client_secret")));
    if (!secret) return named(name, secret.error());
    if (password) {
        read.username = configuration.text(keyOf(name, "username"));
        read.password = std::move(*secret);
        return read;
    }
    read.clientId = configuration.text(keyOf(name, "client_id"));
    read.clientSecret = std::move(*secret);
    read.tokenEndpoint = configuration.text(keyOf(name, "token_endpoint"));
    read.scopes = configuration.text(keyOf(name, "scopes"));
    auto next = furtherSecret(configuration, name, "client_secret_next");
    if (!next) return next.error();
    read.clientSecretNext = std::move(*next);
    if (read.grant == Grant::refreshToken) {
        auto first = furtherSecret(configuration, name, "refresh_token");
        if (!first) return first.error();
        read.refreshToken = std::move(*first);
    }
    if (configuration.text(keyOf(name, "refresh_style")) == "query") read.refreshStyle = RefreshStyle::query;
    read.authentication = authentication;
    read.truststore = configuration.text(keyOf(name, "truststore"));
    read.proxy = configuration.text(keyOf(name, "proxy"));
    for (auto& [parameter, value] : configuration.below(keyOf(name, "token.parameter."))) read.parameters.emplace_back(parameter, value);
    read.authorizationEndpoint = configuration.text(keyOf(name, "authorization_endpoint"));
    read.deviceEndpoint = configuration.text(keyOf(name, "device_endpoint"));
    read.redirectUri = configuration.text(keyOf(name, "redirect_uri"));
    read.issuer = configuration.text(keyOf(name, "issuer"));
    read.usePrompt = configuration.text(keyOf(name, "use_prompt")) != "false";
    for (auto& [parameter, value] : configuration.below(keyOf(name, "authorize.parameter."))) read.authorizeParameters.emplace_back(parameter, value);
    return read;
}

}  // namespace auth
