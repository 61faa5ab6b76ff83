#pragma once

#include "auth/token/assertion.h"
#include "auth/token/credential.h"
#include "auth/token/token_request.h"

#include <optional>

namespace auth {

/// Reads or makes what shows who we are, as the credential's authentication wants it; anew for every request. Blocks: call it through offload.
/// Errors: of the secret's source, of assertions (assertion.h).
plugin::Result<ClientProof> clientProof(const Credential& credential, const AssertionParts& parts);

/// Of a credential that shows something from a file (a secret, a key, an assertion): whether another content could be told by a stamp.
bool hasStamp(const Credential& credential);
/// That stamp now; nothing: there is no such file. Blocks for the disk.
std::optional<SecretReader::Stamp> stampOf(const Credential& credential, SecretReader& secrets);

}  // namespace auth
