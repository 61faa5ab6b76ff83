#pragma once

#include "auth/token/assertion.h"
#include "auth/token/credential.h"
#include "auth/token/token_request.h"

#include <string_view>

namespace auth {

/// Whether a token of this credential belongs to one user alone, who is then part of its identity.
bool belongsToUser(const Credential& credential);

/// What a request for such a token asks with, for grants that need nothing but the configuration: client_credentials (RFC 6749 4.4.2), jwt_bearer
/// (RFC 7523 2.1). Made anew for every request. Blocks: call it through offload. Errors: of assertions.
plugin::Result<GrantParameters> grantParameters(const Credential& credential, std::string_view scopes, std::string_view user,
                                                const AssertionParts& parts);

}  // namespace auth
