#pragma once

#include "auth/keystore/keystore.h"
#include "auth/secret_source.h"
#include "plugin/contract/configuration.h"

#include <optional>
#include <string>
#include <vector>

namespace auth {

/// Reads keystore.<alias> now: its file and its password, through `secrets`. Blocks, for a password from a command up to 10 s.
/// `stamp`, if given, becomes that of the file that was read.
/// Errors channelKeystore, which name the key of the configuration and never the password: askOperator; retryLater (the command was not done in
/// time).
plugin::Result<Keystore> configuredKeystore(const plugin::Configuration& configuration, const std::string& alias, SecretReader& secrets,
                                            std::optional<SecretReader::Stamp>* stamp = nullptr);

/// "keystore.client.path = /etc/postern/client.p12": for errors about what is in it.
std::string keystoreName(const plugin::Configuration& configuration, const std::string& alias);

/// The keys of keystores, and what only their combination with those who name them shows.
void addKeystoreKeys(std::vector<plugin::Key>& all);
void checkKeystores(const plugin::Configuration& configuration, std::vector<plugin::Problem>& problems);

}  // namespace auth
