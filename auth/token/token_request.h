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

/// A client_credentials request (RFC 6749 4.4.2): grant_type, scope as written (RFC 6749 3.3), the credential's own parameters, and the
/// client's authentication in exactly one place. `scopes` stand in for the credential's. Pure.
TokenRequest clientCredentialsRequest(const Credential& credential, const Secret& clientSecret, std::string_view scopes);

/// True where `text` repeats the secret, plain, form-encoded or as Basic sends it: such a text must not be shown.
bool repeats(std::string_view text, const Credential& credential, const Secret& clientSecret);

}  // namespace auth
