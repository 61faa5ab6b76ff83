#pragma once

#include "auth/secret.h"
#include "auth/token/credential.h"
#include "plugin/contract/clock.h"

#include <string>
#include <string_view>

namespace auth::login {

/// What ties the code to whoever asked for it (RFC 7636): the verifier stays here, only its hash goes through the browser.
struct ProofKey {
    Secret verifier;        ///< 43 characters of A-Z a-z 0-9 - _: 256 bits of chance
    std::string challenge;  ///< of S256, for the authorization request
};
ProofKey makeProofKey(plugin::Random& random);
/// BASE64URL(SHA256(verifier)), RFC 7636 4.2.
std::string codeChallenge(std::string_view verifier);

/// 22 characters of A-Z a-z 0-9 - _: what only the answer to this one request can repeat (RFC 6749 10.12).
std::string makeState(plugin::Random& random);

/// One authorization request, beside what the credential says.
struct AuthorizationRequest {
    std::string redirectUri;  ///< exactly as the token request will repeat it
    std::string scopes;       ///< as written; "": none are named
    std::string state;
    std::string challenge;
    bool prompt = true;  ///< prompt=consent
};

/// The URL a person's browser is sent to (RFC 6749 4.1.1, RFC 7636 4.3): the authorization endpoint with its own query kept (RFC 6749 3.1),
/// form-encoded, the credential's further parameters last. Holds no secret. Pure.
std::string authorizationUrl(const Credential& credential, const AuthorizationRequest& request);

}  // namespace auth::login
