#include "auth/token/client_proof.h"

#include <algorithm>

namespace auth {

using plugin::Result;

namespace {

/// The file in which what we show, or sign with, stands; "": in none.
std::string fileOf(const Credential& credential) {
    const auto& assertion = credential.assertion;
    const bool bearer = credential.grant == Grant::jwtBearer;
    if (credential.authentication == ClientAuthentication::assertionFile) return credential.assertionFile;
    if (bearer && !assertion.keyFile.empty()) return assertion.keyFile;
    const bool signs =
        bearer || credential.authentication == ClientAuthentication::privateKeyJwt || credential.authentication == ClientAuthentication::tls;
    return signs && assertion.keystore ? assertion.keystore->path : std::string{};
}

/// RFC 7523 leaves open who makes it; it is handed on as it is, less the ends of lines that editors add.
Result<ClientProof> assertionIn(const Credential& credential, SecretReader& secrets) {
    auto text = readSecret({SecretSource::Kind::file, credential.assertionFile, {}}, secrets);
    if (!text)
        return plugin::Error{text.error().reaction, text.error().code, "credential." + credential.name + ".assertion_file: " + text.error().what};
    const auto shown = text->reveal();
    if (std::all_of(shown.begin(), shown.end(), [](char c) { return c > 0x20 && c < 0x7f; })) return ClientProof{std::move(*text)};
    return plugin::Error{
        plugin::Reaction::askOperator, plugin::Code::configSecretSource,
        "credential." + credential.name + ".assertion_file: the file " + credential.assertionFile + " holds no assertion: one JWT on one line"};
}

}  // namespace

Result<ClientProof> clientProof(const Credential& credential, const AssertionParts& parts) {
    Result<Secret> secret = Secret{};
    switch (credential.authentication) {
        case ClientAuthentication::basic:
        case ClientAuthentication::basicRaw:
        case ClientAuthentication::body:
            secret = readSecret(credential.clientSecret, parts.secrets);
            break;
        case ClientAuthentication::privateKeyJwt:
            secret = clientAssertion(credential, parts);
            break;
        case ClientAuthentication::assertionFile:
            return assertionIn(credential, parts.secrets);
        case ClientAuthentication::tls:
        case ClientAuthentication::none:
            break;
    }
    if (!secret) return secret.error();
    return ClientProof{std::move(*secret)};
}

bool hasStamp(const Credential& credential) {
    return showsSecret(credential.authentication) ? hasStamp(credential.clientSecret) : !fileOf(credential).empty();
}

std::optional<SecretReader::Stamp> stampOf(const Credential& credential, SecretReader& secrets) {
    if (showsSecret(credential.authentication)) return stampOf(credential.clientSecret, secrets);
    const auto file = fileOf(credential);
    return file.empty() ? std::nullopt : secrets.stamp(file);
}

}  // namespace auth
