#include "auth/token/token_request.h"

#include "auth/sasl/base64.h"

#include <algorithm>

namespace auth {

namespace {

bool unreserved(char c) {
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '*' || c == '-' || c == '.' || c == '_';
}

void parameter(SecretBuilder& body, std::string_view name, std::string_view value) {
    if (value.empty()) return;
    const auto encodedName = formEncoded(name);
    const auto encodedValue = formEncoded(value);
    if (!body.empty()) body.add('&');
    body.add(encodedName.reveal()).add('=').add(encodedValue.reveal());
}

/// user-pass of RFC 7617, Base64.
Secret basicCredentials(const Credential& credential, const Secret& clientSecret) {
    SecretBuilder pair(3 * (credential.clientId.size() + clientSecret.reveal().size()) + 1);
    if (credential.authentication == ClientAuthentication::basicRaw) {
        pair.add(credential.clientId).add(':').add(clientSecret.reveal());
    } else {
        const auto id = formEncoded(credential.clientId);
        const auto secret = formEncoded(clientSecret.reveal());
        pair.add(id.reveal()).add(':').add(secret.reveal());
    }
    const auto joined = pair.finish();
    return sasl::base64(joined.reveal());
}

}  // namespace

Secret formEncoded(std::string_view text) {
    static constexpr std::string_view hex = "0123456789ABCDEF";
    SecretBuilder out(3 * text.size());
    for (const char c : text) {
        const auto octet = static_cast<unsigned char>(c);
        if (unreserved(c))
            out.add(c);
        else if (c == ' ')
            out.add('+');
        else
            out.add('%').add(hex[octet >> 4]).add(hex[octet & 15]);
    }
    return out.finish();
}

GrantParameters clientCredentialsGrant(std::string_view scopes) {
    GrantParameters grant;
    grant.push_back({"grant_type", Secret("client_credentials")});
    grant.push_back({"scope", Secret(scopes)});
    return grant;
}

GrantParameters authorizationCodeGrant(const Secret& code, std::string_view redirectUri, const Secret& verifier) {
    GrantParameters grant;
    grant.push_back({"grant_type", Secret("authorization_code")});
    grant.push_back({"code", copyOf(code)});
    grant.push_back({"redirect_uri", Secret(redirectUri)});
    grant.push_back({"code_verifier", copyOf(verifier)});
    return grant;
}

GrantParameters deviceCodeGrant(const Secret& deviceCode) {
    GrantParameters grant;
    grant.push_back({"grant_type", Secret("urn:ietf:params:oauth:grant-type:device_code")});
    grant.push_back({"device_code", copyOf(deviceCode)});
    return grant;
}

TokenRequest tokenRequest(const Credential& credential, const GrantParameters& grant, const ClientProof& proof, Endpoint at) {
    SecretBuilder body(512);
    for (const auto& [name, value] : grant) parameter(body, name, value.reveal());
    TokenRequest request;
    switch (credential.authentication) {
        case ClientAuthentication::basic:
        case ClientAuthentication::basicRaw: {
            const auto encoded = basicCredentials(credential, proof.secret);
            request.authorization = SecretBuilder(encoded.reveal().size() + 6).add("Basic ").add(encoded.reveal()).finish();
            break;
        }
        case ClientAuthentication::body:
            parameter(body, "client_id", credential.clientId);
            parameter(body, "client_secret", proof.secret.reveal());
            break;
        case ClientAuthentication::none:
        case ClientAuthentication::tls:
            parameter(body, "client_id", credential.clientId);
            break;
        case ClientAuthentication::privateKeyJwt:
        case ClientAuthentication::assertionFile:
            parameter(body, "client_id", credential.clientId);
            parameter(body, "client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
            parameter(body, "client_assertion", proof.secret.reveal());
            break;
    }
    for (const auto& [name, value] : at == Endpoint::token ? credential.parameters : credential.authorizeParameters) parameter(body, name, value);
    request.body = body.finish();
    return request;
}

bool repeatsGrant(std::string_view text, const GrantParameters& grant) {
    return std::any_of(grant.begin(), grant.end(), [text](const Parameter& each) {
        const bool known = each.name == "grant_type" || each.name == "scope" || each.name == "redirect_uri";
        return !known && (repeatsPartOf(each.value.reveal(), text) || repeatsPartOf(formEncoded(each.value.reveal()).reveal(), text));
    });
}

bool repeats(std::string_view text, const Credential& credential, const Secret& shown) {
    const auto in = [text](const Secret& form) { return repeatsPartOf(form.reveal(), text); };
    return in(shown) || in(formEncoded(shown.reveal())) || (showsSecret(credential.authentication) && in(basicCredentials(credential, shown)));
}

GrantParameters refreshTokenGrant(const Secret& refreshToken, std::string_view scopes) {
    GrantParameters grant;
    grant.push_back({"grant_type", Secret("refresh_token")});
    grant.push_back({"refresh_token", copyOf(refreshToken)});
    grant.push_back({"scope", Secret(scopes)});
    return grant;
}

bool isRefresh(const GrantParameters& grant) { return !grant.empty() && grant.front().value.reveal() == "refresh_token"; }

Secret formOf(const GrantParameters& grant) {
    SecretBuilder form(512);
    for (const auto& [name, value] : grant) parameter(form, name, value.reveal());
    return form.finish();
}

}  // namespace auth
