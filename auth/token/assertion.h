#pragma once

#include "auth/secret.h"
#include "auth/secret_source.h"
#include "auth/token/credential.h"
#include "plugin/contract/clock.h"
#include "plugin/contract/result.h"

#include <string_view>

namespace auth {

/// What making an assertion takes. All outlive it.
struct AssertionParts {
    SecretReader& secrets;
    plugin::Clock& clock;
    plugin::Random& random;
};

// Both are made anew for every attempt, with an id of its own: servers refuse one they have seen. Its time begins 30 s ago, for clocks that differ.
// Both block: for the files, and for passwords from commands up to 10 s each. Errors: of keystores (channelKeystore) and key files
// (configSecretSource); askOperator configConflict, the key cannot sign so; askOperator tokenCredentialIncomplete.

/// Who we are (RFC 7523 section 3). Issuer and subject are the client id, and the audience is the token endpoint, unless the settings say otherwise.
plugin::Result<Secret> clientAssertion(const Credential& credential, const AssertionParts& parts);

/// For whom we ask (RFC 7523 section 2.1). The issuer is else the client id, or with a key file its client_email; the subject is else `user`; the
/// audience is else the token endpoint. `scopes`, unless empty, become a claim.
plugin::Result<Secret> bearerAssertion(const Credential& credential, std::string_view user, std::string_view scopes, const AssertionParts& parts);

}  // namespace auth
