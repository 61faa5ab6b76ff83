#pragma once

#include "auth/secret.h"
#include "auth/token/credential.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace auth {

/// application/x-www-form-urlencoded of one name or value (RFC 6749 Appendix B): UTF-8 octets, space as "+", all but A-Z a-z 0-9 * - . _
/// as %XX with upper-case digits.
Secret formEncoded(std::string_view text);

/// What goes to a token endpoint, as POST with Content-Type application/x-www-form-urlencoded.
struct TokenRequest {
    Secret authorization{};  ///< value of the Authorization header; empty: no such header
    Secret body{};
};

/// One parameter of a request's body. Empty values are left out.
struct Parameter {
    std::string name;
    Secret value;
};

/// What a request asks with: grant_type first, then what belongs to that grant.
using GrantParameters = std::vector<Parameter>;

/// RFC 6749 4.4.2; `scopes` as written (RFC 6749 3.3).
GrantParameters clientCredentialsGrant(std::string_view scopes);
/// RFC 6749 4.1.3 with RFC 7636 4.5. redirectUri: exactly as the authorization request had it.
GrantParameters authorizationCodeGrant(const Secret& code, std::string_view redirectUri, const Secret& verifier);
/// RFC 8628 3.4.
GrantParameters deviceCodeGrant(const Secret& deviceCode);

/// What shows the token endpoint who asks, as the credential's authentication wants it: the client's secret, an assertion, or nothing.
struct ClientProof {
    Secret secret{};
};

/// Which endpoint of the provider is asked. The client shows who it is in the same way at both (RFC 8628 3.1).
enum class Endpoint { token, device };

/// The request of any grant: the grant's parameters, the credential's own for that endpoint, and the client's authentication in exactly one place.
/// Pure.
TokenRequest tokenRequest(const Credential& credential, const GrantParameters& grant, const ClientProof& proof, Endpoint at = Endpoint::token);

/// True where `text` repeats what a grant asks with (a code, a verifier, a refresh token): such a text must not be shown either.
bool repeatsGrant(std::string_view text, const GrantParameters& grant);

/// True where `text` repeats the secret or the assertion, plain, form-encoded or as Basic sends it: such a text must not be shown.
bool repeats(std::string_view text, const Credential& credential, const Secret& shown);

/// RFC 6749 6; `scopes` as written, "": those of the consent.
GrantParameters refreshTokenGrant(const Secret& refreshToken, std::string_view scopes);
bool isRefresh(const GrantParameters& grant);
/// The parameters of a grant, form-encoded.
Secret formOf(const GrantParameters& grant);

}  // namespace auth
