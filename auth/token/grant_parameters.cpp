#include "auth/token/grant_parameters.h"

#include "auth/token/provider_preset.h"

namespace auth {

bool belongsToUser(const Credential& credential) { return credential.grant == Grant::jwtBearer && credential.assertion.subject.empty(); }

plugin::Result<GrantParameters> grantParameters(const Credential& credential, std::string_view scopes, std::string_view user,
                                                const AssertionParts& parts) {
    if (credential.grant != Grant::jwtBearer) return clientCredentialsGrant(scopes);
    // Google reads the scopes in the assertion, all others (RFC 7521 4.1) beside it.
    const bool asClaim = !credential.assertion.keyFile.empty() || credential.tokenEndpoint == presetCalled("google")->tokenEndpoint({});
    auto assertion = bearerAssertion(credential, user, asClaim ? scopes : std::string_view{}, parts);
    if (!assertion) return assertion.error();
    GrantParameters grant;
    grant.push_back({"grant_type", Secret("urn:ietf:params:oauth:grant-type:jwt-bearer")});
    grant.push_back({"assertion", std::move(*assertion)});
    if (!asClaim) grant.push_back({"scope", Secret(scopes)});
    return grant;
}

}  // namespace auth
