#include "auth/token/assertion.h"

#include "auth/token/service_account.h"
#include "plugin/contract/log.h"

#include <algorithm>

namespace auth {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;

namespace {

constexpr std::chrono::seconds skew{30};

Error named(const Credential& credential, const std::string& what) {
    return {Reaction::askOperator, Code::configConflict, "credential." + credential.name + what};
}

Result<JwtKey> fitting(const Credential& credential, JwtKey key, const std::string& called) {
    const auto& settings = credential.assertion;
    key.algorithm = settings.algorithm.value_or(usualAlgorithm(*key.key, settings.usualOfRsa));
    if (!settings.keyId.empty()) key.keyId = settings.keyId;
    if (const auto why = misfit(*key.key, key.algorithm))
        return named(credential, ".jwt.algorithm: " + *why + ", and that is not what " + called + " is");
    return key;
}

Result<JwtKey> keyOfKeystore(const Credential& credential, SecretReader& secrets) {
    const auto& settings = credential.assertion;
    if (!settings.keystore) return named(credential, ".keystore is missing");
    const auto keystore = readKeystore(*settings.keystore, secrets);
    if (!keystore) return keystore.error();
    if (settings.signingAlias.empty() && keystore->size() > 1) {
        auto error = keyCalled(*keystore, {}, settings.keystore->name).error();
        error.what += "; here: credential." + credential.name + ".signing_alias";
        return error;
    }
    const auto entry = keyCalled(*keystore, settings.signingAlias, settings.keystore->name);
    if (!entry) return entry.error();
    return fitting(credential, {entry->key, {}, {}, entry->certificate, entry->chain}, "the key '" + plugin::printable(entry->alias) + "'");
}

JwtClaims claims(const Credential& credential, std::string issuer, std::string subject, std::string audience, const AssertionParts& parts) {
    const auto& settings = credential.assertion;
    return {settings.issuer.empty() ? std::move(issuer) : settings.issuer,
            settings.subject.empty() ? std::move(subject) : settings.subject,
            settings.audience.empty() ? std::move(audience) : settings.audience,
            newJwtId(parts.random),
            parts.clock.wall() - skew,
            settings.life,
            settings.claims};
}

/// Google's own way to say who signs.
struct Signer {
    JwtKey key;
    std::string issuer, audience;
};

Result<Signer> signerOf(const Credential& credential, SecretReader& secrets) {
    const auto& path = credential.assertion.keyFile;
    if (path.empty()) {
        auto key = keyOfKeystore(credential, secrets);
        if (!key) return key.error();
        return Signer{std::move(*key), credential.clientId, credential.tokenEndpoint};
    }
    const auto name = "credential." + credential.name + ".key_file = " + path;
    const auto content = secrets.file(path);
    if (!content) return Error{content.error().reaction, content.error().code, name + ": " + content.error().what};
    auto account = readServiceAccount(content->secret.reveal(), name);
    if (!account) return account.error();
    // A file does not decide where we send what; who set the endpoint, or left Google's in place, does.
    if (!account->tokenUri.empty() && account->tokenUri != credential.tokenEndpoint)
        return named(credential, ".token_endpoint is " + credential.tokenEndpoint + ", but the token_uri of the key file is " +
                                     plugin::printable(account->tokenUri, 200));
    auto key = fitting(credential, {account->key, {}, account->keyId}, "the key of " + path);
    if (!key) return key.error();
    return Signer{std::move(*key), account->email, credential.tokenEndpoint};
}

}  // namespace

Result<Secret> clientAssertion(const Credential& credential, const AssertionParts& parts) {
    const auto key = keyOfKeystore(credential, parts.secrets);
    if (!key) return key.error();
    auto said = claims(credential, credential.clientId, credential.clientId, credential.tokenEndpoint, parts);
    if (credential.grant == Grant::jwtBearer) {  // the settings are for the grant's own
        said.issuer = said.subject = credential.clientId;
        said.audience = credential.tokenEndpoint;
        said.more.clear();
    }
    return signedJwt(*key, said);
}

Result<Secret> bearerAssertion(const Credential& credential, std::string_view user, std::string_view scopes, const AssertionParts& parts) {
    auto signer = signerOf(credential, parts.secrets);
    if (!signer) return signer.error();
    auto said = claims(credential, std::move(signer->issuer), std::string(user), std::move(signer->audience), parts);
    const auto missing = [&](const std::string& what) {
        return Error{Reaction::askOperator, Code::tokenCredentialIncomplete, "credential." + credential.name + what};
    };
    if (said.issuer.empty()) return missing(".jwt.issuer is missing, and there is no client_id in its place");
    if (said.subject.empty()) return missing(".jwt.subject is missing, and no mailbox's user is asked for (`postern token`: --user)");
    const bool saysScopes = std::any_of(said.more.begin(), said.more.end(), [](const auto& claim) { return claim.first == "scope"; });
    if (!scopes.empty() && !saysScopes) said.more.emplace_back("scope", scopes);
    return signedJwt(signer->key, said);
}

}  // namespace auth
