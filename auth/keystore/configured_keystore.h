#pragma once

#include "auth/keystore/keystore.h"
#include "auth/secret_source.h"
#include "plugin/contract/configuration.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace auth {

/// One keystore.<alias> of the configuration, typed. Passwords are sources, not values.
struct KeystoreSettings {
    std::string alias;
    bool pem = false;  ///< else PKCS#12
    std::string path;
    std::string name;  ///< keystoreName()
    std::optional<SecretSource> password{};
    std::vector<std::pair<std::string, SecretSource>> keyPasswords{};  ///< by key alias
};

/// Errors askOperator: channelKeystore, no such keystore; those of parseSecretSource.
plugin::Result<KeystoreSettings> keystoreSettings(const plugin::Configuration& configuration, const std::string& alias);

/// Reads the file and its passwords now, through `secrets`. Blocks, for a password from a command up to 10 s.
/// `stamp`, if given, becomes that of the file that was read.
/// Errors channelKeystore, which name the key of the configuration and never a password: askOperator; retryLater (a command was not done in
/// time); retryLater channelStopped (it was stopped). A keystore of Java's own kind is refused with the line that converts it.
plugin::Result<Keystore> readKeystore(const KeystoreSettings& settings, SecretReader& secrets, std::optional<SecretReader::Stamp>* stamp = nullptr);

/// The same from the alias.
plugin::Result<Keystore> configuredKeystore(const plugin::Configuration& configuration, const std::string& alias, SecretReader& secrets,
                                            std::optional<SecretReader::Stamp>* stamp = nullptr);

/// The certificates of truststore.<alias> as PEM, from the bytes of its file: PKCS#12 where it has a .password, else PEM, handed back as it is.
/// Blocks as above. Errors channelTruststore.
plugin::Result<std::string> truststorePem(const plugin::Configuration& configuration, const std::string& alias, std::string bytes,
                                          SecretReader& secrets);

/// "keystore.client.path = /etc/postern/client.p12": for errors about what is in it.
std::string keystoreName(const plugin::Configuration& configuration, const std::string& alias);

/// The keys of keystores, and what only their combination with those who name them shows.
void addKeystoreKeys(std::vector<plugin::Key>& all);
void checkKeystores(const plugin::Configuration& configuration, std::vector<plugin::Problem>& problems);

}  // namespace auth
