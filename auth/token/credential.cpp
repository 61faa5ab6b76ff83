#include "auth/token/credential.h"

#include "auth/token/provider_preset.h"

#include <algorithm>
#include <array>

namespace auth {

using plugin::Code;
using plugin::Configuration;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;

namespace {

Error incomplete(std::string what) { return Error{Reaction::askOperator, Code::tokenCredentialIncomplete, std::move(what)}; }

std::string keyOf(std::string_view name, std::string_view part) { return "credential." + std::string(name) + "." + std::string(part); }

/// What stands in the configuration of one credential.
class Written {
public:
    Written(const Configuration& configuration, std::string_view name) : configuration_(configuration), prefix_(keyOf(name, "")) {}

    std::string text(std::string_view part) const { return configuration_.text(prefix_ + std::string(part)); }
    bool has(std::string_view part) const { return !text(part).empty(); }
    /// Not the default.
    std::string given(std::string_view part) const {
        const auto found = configuration_.settings().find(prefix_ + std::string(part));
        return found != configuration_.settings().end() && found->second.given ? found->second.value : std::string{};
    }
    const ProviderPreset* preset() const { return presetCalled(text("provider")); }

private:
    const Configuration& configuration_;
    const std::string prefix_;
};

constexpr std::array grants{Grant::clientCredentials, Grant::userPassword, Grant::refreshToken,
                            Grant::authorizationCode, Grant::deviceCode,   Grant::jwtBearer};
constexpr std::array authentications{ClientAuthentication::basic, ClientAuthentication::basicRaw,      ClientAuthentication::body,
                                     ClientAuthentication::none,  ClientAuthentication::privateKeyJwt, ClientAuthentication::assertionFile,
                                     ClientAuthentication::tls};

/// An application that signs in as itself cannot do without its tenant; for people Entra has a common one.
bool wantsTenant(const Written& written, Grant grant) {
    const auto* const preset = written.preset();
    return preset != nullptr && preset->microsoft && (grant == Grant::clientCredentials || grant == Grant::jwtBearer);
}

/// What its authentication cannot do without.
std::vector<std::string> neededBy(ClientAuthentication authentication) {
    switch (authentication) {
        case ClientAuthentication::basic:
        case ClientAuthentication::basicRaw:
        case ClientAuthentication::body:
            return {"client_id", "client_secret"};
        case ClientAuthentication::privateKeyJwt:
        case ClientAuthentication::tls:
            return {"client_id", "keystore"};
        case ClientAuthentication::assertionFile:
            return {"client_id", "assertion_file"};
        case ClientAuthentication::none:
            break;
    }
    return {"client_id"};
}

std::vector<std::string> neededBy(Grant grant) {
    switch (grant) {
        case Grant::refreshToken:
            return {"token_endpoint", "refresh_token"};
        case Grant::authorizationCode:
            return {"token_endpoint", "authorization_endpoint"};
        case Grant::deviceCode:
            return {"token_endpoint", "device_endpoint"};
        case Grant::jwtBearer:
            return {"token_endpoint", "keystore"};
        case Grant::clientCredentials:
        case Grant::userPassword:
            break;
    }
    return {"token_endpoint", "scopes"};
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
        case Grant::jwtBearer:
            return "jwt_bearer";
    }
    return "client_credentials";
}

std::string_view authenticationName(ClientAuthentication authentication) {
    switch (authentication) {
        case ClientAuthentication::basic:
            break;
        case ClientAuthentication::basicRaw:
            return "basic_raw";
        case ClientAuthentication::body:
            return "body";
        case ClientAuthentication::none:
            return "none";
        case ClientAuthentication::privateKeyJwt:
            return "private_key_jwt";
        case ClientAuthentication::assertionFile:
            return "assertion_file";
        case ClientAuthentication::tls:
            return "tls";
    }
    return "basic";
}

Grant grantOf(const Configuration& configuration, std::string_view name) {
    const Written written(configuration, name);
    const auto given = written.given("grant");
    for (const auto grant : grants)
        if (given == grantName(grant)) return grant;
    return written.has("key_file") ? Grant::jwtBearer : Grant::clientCredentials;
}

ClientAuthentication authenticationOf(const Configuration& configuration, std::string_view name) {
    const Written written(configuration, name);
    const auto given = written.given("authentication");
    for (const auto authentication : authentications)
        if (given == authenticationName(authentication)) return authentication;
    const auto* const preset = written.preset();
    if (written.has("client_secret")) return preset != nullptr && preset->microsoft ? ClientAuthentication::body : ClientAuthentication::basic;
    if (grantOf(configuration, name) == Grant::jwtBearer) return ClientAuthentication::none;  // the grant shows who we are
    if (preset == nullptr) return ClientAuthentication::basic;
    if (written.has("keystore")) return ClientAuthentication::privateKeyJwt;
    if (written.has("assertion_file")) return ClientAuthentication::assertionFile;
    return preset->microsoft ? ClientAuthentication::body : ClientAuthentication::basic;
}

std::string scopesFor(const Credential& credential, std::string_view protocol) {
    if (credential.scopesOf == nullptr) return credential.scopes;
    return credential.scopesOf->scopes(protocol, credential.grant == Grant::clientCredentials || credential.grant == Grant::jwtBearer);
}

std::string hostOfProvider(const Configuration& configuration, std::string_view name, std::string_view protocol) {
    const auto* const preset = Written(configuration, name).preset();
    return preset == nullptr ? std::string{} : std::string(preset->host(protocol));
}

std::string urlOfProvider(const Configuration& configuration, std::string_view name, std::string_view protocol) {
    const auto* const preset = Written(configuration, name).preset();
    return preset == nullptr ? std::string{} : preset->url(protocol);
}

std::vector<std::string> missingKeys(const Configuration& configuration, std::string_view name) {
    const Written written(configuration, name);
    const auto grant = grantOf(configuration, name);
    if (grant == Grant::userPassword) return written.has("password") ? std::vector<std::string>{} : std::vector<std::string>{"password"};
    const auto how = authenticationOf(configuration, name);
    const bool account = grant == Grant::jwtBearer && written.has("key_file");          // its file has the key and the issuer
    const bool alone = grant == Grant::jwtBearer && how == ClientAuthentication::none;  // nothing but the assertion says who asks
    auto needed = alone ? std::vector<std::string>{} : neededBy(how);
    for (auto& part : neededBy(grant))
        if (!account && std::find(needed.begin(), needed.end(), part) == needed.end()) needed.push_back(std::move(part));
    if (alone && !account && !written.has("client_id")) needed.emplace_back("jwt.issuer");
    if (written.preset() != nullptr)
        for (const auto* part : {"token_endpoint", "authorization_endpoint", "device_endpoint", "scopes"}) std::erase(needed, part);
    if (wantsTenant(written, grant) && !written.has("token_endpoint")) needed.emplace_back("tenant");
    std::erase_if(needed, [&](const std::string& part) { return written.has(part); });
    return needed;
}

namespace {

/// Endpoints and scopes: as written, else as the provider has them.
void readEndpoints(const Written& written, Credential& into) {
    const auto* const preset = written.preset();
    const auto tenant = written.has("tenant") ? written.text("tenant") : std::string("common");
    const auto endpoint = [&](std::string_view part, std::string (ProviderPreset::*known)(std::string_view) const) {
        return written.has(part) || preset == nullptr ? written.text(part) : (preset->*known)(tenant);
    };
    into.tokenEndpoint = endpoint("token_endpoint", &ProviderPreset::tokenEndpoint);
    into.authorizationEndpoint = endpoint("authorization_endpoint", &ProviderPreset::authorizationEndpoint);
    into.deviceEndpoint = endpoint("device_endpoint", &ProviderPreset::deviceEndpoint);
    if (into.tokenEndpoint.empty() && written.has("key_file")) into.tokenEndpoint = presetCalled("google")->tokenEndpoint({});
    into.scopes = written.text("scopes");
    const auto* const scopesOf = preset == nullptr && written.has("key_file") && !written.has("token_endpoint") ? presetCalled("google") : preset;
    if (!into.scopes.empty() || scopesOf == nullptr) return;
    into.scopesOf = scopesOf;
    into.scopes = scopesFor(into, {});
}

Result<AssertionSettings> assertionSettings(const Configuration& configuration, const Written& written) {
    AssertionSettings read;
    if (const auto alias = written.text("keystore"); !alias.empty()) {
        auto keystore = keystoreSettings(configuration, alias);
        if (!keystore) return keystore.error();
        read.keystore = std::move(*keystore);
    }
    read.signingAlias = written.text("signing_alias");
    read.keyFile = written.text("key_file");
    read.algorithm = jwtAlgorithmCalled(written.text("jwt.algorithm"));
    if (const auto* preset = written.preset(); preset != nullptr && preset->microsoft) read.usualOfRsa = JwtAlgorithm::ps256;
    read.keyId = written.text("jwt.key_id");
    read.issuer = written.text("jwt.issuer");
    read.subject = written.text("jwt.subject");
    read.audience = written.text("jwt.audience");
    if (const auto life = plugin::parseDuration(written.text("jwt.expiration"))) read.life = std::chrono::floor<std::chrono::seconds>(*life);
    return read;
}

}  // namespace

Result<Credential> credential(const Configuration& configuration, std::string_view name) {
    const auto known = configuration.aliases("credential");
    if (std::find(known.begin(), known.end(), name) == known.end()) return incomplete("there is no credential named " + std::string(name));
    if (const auto missing = missingKeys(configuration, name); !missing.empty()) {
        std::string list;
        for (const auto& part : missing) list += (list.empty() ? "" : ", ") + keyOf(name, part);
        return incomplete("missing: " + list);
    }

    const Written written(configuration, name);
    Credential read;
    read.name = name;
    read.grant = grantOf(configuration, name);
    read.provider = written.text("provider");
    if (read.grant == Grant::userPassword) {
        auto secret = parseSecretSource(written.text("password"));
        if (!secret) return named(name, secret.error());
        read.username = written.text("username");
        read.password = std::move(*secret);
        return read;
    }
    read.clientId = written.text("client_id");
    read.authentication = authenticationOf(configuration, name);
    if (showsSecret(read.authentication)) {
        auto secret = parseSecretSource(written.text("client_secret"));
        if (!secret) return named(name, secret.error());
        read.clientSecret = std::move(*secret);
    }
    auto assertion = assertionSettings(configuration, written);
    if (!assertion) return named(name, assertion.error());
    read.assertion = std::move(*assertion);
    for (auto& [claim, value] : configuration.below(keyOf(name, "jwt.claim."))) read.assertion.claims.emplace_back(claim, value);
    read.assertionFile = written.text("assertion_file");
    readEndpoints(written, read);
    auto next = furtherSecret(configuration, name, "client_secret_next");
    if (!next) return next.error();
    read.clientSecretNext = std::move(*next);
    if (read.grant == Grant::refreshToken) {
        auto first = furtherSecret(configuration, name, "refresh_token");
        if (!first) return first.error();
        read.refreshToken = std::move(*first);
    }
    if (configuration.text(keyOf(name, "refresh_style")) == "query") read.refreshStyle = RefreshStyle::query;
    read.truststore = configuration.text(keyOf(name, "truststore"));
    read.proxy = configuration.text(keyOf(name, "proxy"));
    for (auto& [parameter, value] : configuration.below(keyOf(name, "token.parameter."))) read.parameters.emplace_back(parameter, value);
    read.redirectUri = configuration.text(keyOf(name, "redirect_uri"));
    read.issuer = configuration.text(keyOf(name, "issuer"));
    read.usePrompt = configuration.text(keyOf(name, "use_prompt")) != "false";
    auto authorize = configuration.below(keyOf(name, "authorize.parameter."));
    // Google gives a refresh token to those alone that ask for one (OAuth 2.0 for Web Server Applications).
    if (const auto* const preset = written.preset(); preset != nullptr && !preset->microsoft) authorize.emplace("access_type", "offline");
    for (auto& [parameter, value] : authorize) read.authorizeParameters.emplace_back(parameter, value);
    return read;
}

}  // namespace auth
