#include "auth/keystore/configured_keystore.h"

#include "auth/keystore/key_entry.h"

namespace auth {

using plugin::Configuration;
using plugin::KeyType;
using plugin::Problem;
using plugin::Result;

namespace {

bool isPem(const Configuration& configuration, const std::string& alias) { return configuration.text("keystore." + alias + ".type") == "pem"; }

}  // namespace

std::string keystoreName(const Configuration& configuration, const std::string& alias) {
    return "keystore." + alias + ".path = " + configuration.text("keystore." + alias + ".path");
}

Result<Keystore> configuredKeystore(const Configuration& configuration, const std::string& alias, SecretReader& secrets,
                                    std::optional<SecretReader::Stamp>* stamp) {
    const auto prefix = "keystore." + alias;
    const auto path = configuration.text(prefix + ".path");
    if (path.empty()) return keystoreError(prefix, "there is no such keystore, or it has no .path");
    Secret password;
    if (const auto written = configuration.text(prefix + ".password"); !written.empty()) {
        const auto source = parseSecretSource(written);
        auto read = source ? readSecret(*source, secrets) : Result<Secret>(source.error());
        if (!read) return plugin::Error{read.error().reaction, plugin::Code::channelKeystore, prefix + ".password: " + read.error().what};
        password = std::move(*read);
    }
    const auto content = secrets.file(path);
    if (!content) return keystoreError(prefix + ".path", content.error().what);
    if (stamp != nullptr) *stamp = content->stamp;
    const auto bytes = content->secret.reveal();
    const auto name = keystoreName(configuration, alias);
    if (bytes.empty()) return keystoreError(name, "the file is empty");
    return isPem(configuration, alias) ? readPem(bytes, password, alias, name) : readPkcs12(bytes, password, name);
}

void addKeystoreKeys(std::vector<plugin::Key>& all) {
    all.push_back({.pattern = "keystore.<alias>.type",
                   .type = KeyType::choice,
                   .fallback = "pkcs12",
                   .doc = "pkcs12: any number of keys, each with a name; pem: one key and its certificates, called as the keystore",
                   .choices = {"pkcs12", "pem"},
                   .later = {"jks"}});
    all.push_back({.pattern = "keystore.<alias>.path",
                   .type = KeyType::path,
                   .required = true,
                   .doc = "file with keys and their certificates; looked at again when it has changed"});
    all.push_back({.pattern = "keystore.<alias>.password", .type = KeyType::secret, .doc = "of the file and its keys: ${file:/path} and the like"});
}

/// The one key of a PEM keystore has no other name.
void checkKeystores(const Configuration& configuration, std::vector<Problem>& problems) {
    for (const std::string group : {"credential", "mailbox", "sink"})
        for (const auto& name : configuration.aliases(group)) {
            const auto prefix = group + "." + name + ".";
            const auto keystore = configuration.text(prefix + "keystore");
            const auto key = configuration.text(prefix + "key_alias");
            if (keystore.empty() || key.empty() || key == keystore || !isPem(configuration, keystore)) continue;
            problems.push_back({Problem::Severity::error, plugin::Code::configConflict, prefix + "key_alias",
                                "a PEM keystore holds one key, called as the keystore: leave it out, or write " + keystore,
                                configuration.place(prefix + "key_alias")});
        }
}

}  // namespace auth
