#include "auth/keystore/configured_keystore.h"

#include "auth/keystore/key_description.h"
#include "auth/keystore/key_entry.h"

#include <algorithm>

namespace auth {

using plugin::Configuration;
using plugin::KeyType;
using plugin::Problem;
using plugin::Result;

namespace {

std::string textOf(const Configuration& configuration, const std::string& alias, const char* part) {
    return configuration.text("keystore." + alias + "." + part);
}

bool isPem(const Configuration& configuration, const std::string& alias) { return textOf(configuration, alias, "type") == "pem"; }

plugin::Error named(const std::string& key, plugin::Error error) {
    if (error.code != plugin::Code::channelStopped) error.code = plugin::Code::channelKeystore;
    error.what = key + ": " + error.what;
    return error;
}

/// As a shell takes it.
std::string quoted(const std::string& path) {
    constexpr std::string_view plain = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-+,:@%";
    if (path.find_first_not_of(plain) == std::string::npos) return path;
    std::string text = "'";
    for (const char c : path) text += c == '\'' ? std::string("'\\''") : std::string(1, c);
    return text + "'";
}

/// What turns a keystore of Java's own kind into one that is read here. `type` as keytool calls it.
std::string conversion(const std::string& type, const std::string& path) {
    const auto dot = path.rfind('.');
    const bool hasEnding = dot != std::string::npos && path.find('/', dot) == std::string::npos && dot > 0 && path[dot - 1] != '/';
    const auto target = (hasEnding ? path.substr(0, dot) : path) + ".p12";
    return "convert it with `keytool -importkeystore -srckeystore " + quoted(path) + " -srcstoretype " + type + " -destkeystore " + quoted(target) +
           " -deststoretype PKCS12`";
}

/// Nothing: it is no keystore of Java's own kind.
std::optional<std::string> javaRefusal(std::string_view bytes, const std::string& path) {
    const bool jks = bytes.starts_with("\xfe\xed\xfe\xed");
    if (!jks && !bytes.starts_with("\xce\xce\xce\xce")) return std::nullopt;
    const std::string type = jks ? "JKS" : "JCEKS";
    return "it is a " + type + " file, which only Java reads; " + conversion(type, path);
}

}  // namespace

std::string keystoreName(const Configuration& configuration, const std::string& alias) {
    return "keystore." + alias + ".path = " + textOf(configuration, alias, "path");
}

Result<KeystoreSettings> keystoreSettings(const Configuration& configuration, const std::string& alias) {
    const auto prefix = "keystore." + alias;
    KeystoreSettings settings{alias, isPem(configuration, alias), textOf(configuration, alias, "path"), keystoreName(configuration, alias)};
    if (settings.path.empty()) return keystoreError(prefix, "there is no such keystore, or it has no .path");
    if (const auto written = textOf(configuration, alias, "password"); !written.empty()) {
        auto source = parseSecretSource(written);
        if (!source) return named(prefix + ".password", source.error());
        settings.password = std::move(*source);
    }
    constexpr std::string_view ending = ".password";
    for (const auto& [name, written] : configuration.below(prefix + ".key.")) {
        if (!name.ends_with(ending)) continue;
        auto source = parseSecretSource(written);
        if (!source) return named(prefix + ".key." + name, source.error());
        settings.keyPasswords.emplace_back(name.substr(0, name.size() - ending.size()), std::move(*source));
    }
    return settings;
}

Result<Keystore> readKeystore(const KeystoreSettings& settings, SecretReader& secrets, std::optional<SecretReader::Stamp>* stamp) {
    const auto prefix = "keystore." + settings.alias;
    Secret password;
    if (settings.password) {
        auto read = readSecret(*settings.password, secrets);
        if (!read) return named(prefix + ".password", read.error());
        password = std::move(*read);
    }
    KeyPasswords ofKeys;
    for (const auto& [alias, source] : settings.keyPasswords) {
        auto read = readSecret(source, secrets);
        if (!read) return named(prefix + ".key." + alias + ".password", read.error());
        ofKeys.emplace(alias, std::move(*read));
    }
    const auto content = secrets.file(settings.path);
    if (!content) return keystoreError(prefix + ".path", content.error().what);
    if (stamp != nullptr) *stamp = content->stamp;
    const auto bytes = content->secret.reveal();
    if (bytes.empty()) return keystoreError(settings.name, "the file is empty");
    if (auto refusal = javaRefusal(bytes, settings.path)) return keystoreError(settings.name, *refusal);
    auto keystore =
        settings.pem ? readPem(bytes, password, settings.alias, settings.name, ofKeys) : readPkcs12(bytes, password, settings.name, ofKeys);
    if (!keystore) return keystore;
    for (const auto& [alias, unused] : ofKeys)
        if (std::none_of(keystore->begin(), keystore->end(), [&called = alias](const auto& each) { return each.isCalled(called); }))
            return named(prefix + ".key." + alias + ".password", keyCalled(*keystore, alias, settings.name).error());
    return keystore;
}

Result<Keystore> configuredKeystore(const Configuration& configuration, const std::string& alias, SecretReader& secrets,
                                    std::optional<SecretReader::Stamp>* stamp) {
    const auto settings = keystoreSettings(configuration, alias);
    if (!settings) return settings.error();
    return readKeystore(*settings, secrets, stamp);
}

Result<std::string> truststorePem(const Configuration& configuration, const std::string& alias, std::string bytes, SecretReader& secrets) {
    const auto prefix = "truststore." + alias;
    const auto path = configuration.text(prefix + ".path");
    const auto name = prefix + ".path = " + path;
    const auto refused = [](plugin::Error error) {
        error.code = plugin::Code::channelTruststore;
        return error;
    };
    if (auto refusal = javaRefusal(bytes, path)) return refused(keystoreError(name, *refusal));
    const auto written = configuration.text(prefix + ".password");
    const bool der = bytes.starts_with("\x30\x82") || bytes.starts_with("\x30\x80");  // SEQUENCE: what is not text
    if (written.empty() && der) return refused(keystoreError(name, "it is no PEM file; a PKCS#12 file needs .password"));
    if (written.empty()) return bytes;
    const auto source = parseSecretSource(written);
    const auto password = source ? readSecret(*source, secrets) : Result<Secret>(source.error());
    if (!password) return refused(named(prefix + ".password", password.error()));
    const auto certificates = readPkcs12Certificates(bytes, *password, name);
    if (!certificates) return refused(certificates.error());
    std::string pem;
    for (const auto& each : *certificates) pem += pemOf(*each);
    return pem;
}

void addKeystoreKeys(std::vector<plugin::Key>& all) {
    all.push_back({.pattern = "keystore.<alias>.type",
                   .type = KeyType::choice,
                   .fallback = "pkcs12",
                   .doc =
                       "pkcs12: any number of keys, each with a name; pem: the same as text, a key without a name is called as the keystore or, of "
                       "several, by its number",
                   .choices = {"pkcs12", "pem", "jks", "jceks"}});
    all.push_back({.pattern = "keystore.<alias>.path",
                   .type = KeyType::path,
                   .required = true,
                   .doc = "file with keys and their certificates; looked at again when it has changed"});
    all.push_back({.pattern = "keystore.<alias>.password", .type = KeyType::secret, .doc = "of the file and its keys: ${file:/path} and the like"});
    all.push_back(
        {.pattern = "keystore.<alias>.key.<key_alias>.password", .type = KeyType::secret, .doc = "of one key, where it is not that of the file"});
    all.push_back({.pattern = "truststore.<alias>.path",
                   .type = KeyType::path,
                   .required = true,
                   .doc = "PEM file, or with a password PKCS#12 file, with the certificates that are trusted in place of the system's"});
    all.push_back({.pattern = "truststore.<alias>.password", .type = KeyType::secret, .doc = "of a PKCS#12 file: ${file:/path} and the like"});
}

namespace {

/// Keystores only Java reads.
void checkKeystore(const Configuration& configuration, const std::string& alias, std::vector<Problem>& problems) {
    const auto prefix = "keystore." + alias + ".";
    const auto type = configuration.text(prefix + "type");
    if (type != "jks" && type != "jceks") return;
    problems.push_back({Problem::Severity::error, plugin::Code::configBadValue, prefix + "type",
                        "only Java reads " + type + "; " + conversion(type == "jks" ? "JKS" : "JCEKS", configuration.text(prefix + "path")) +
                            ", and name the new file with type = pkcs12",
                        configuration.place(prefix + "type")});
}

}  // namespace

void checkKeystores(const Configuration& configuration, std::vector<Problem>& problems) {
    for (const auto& alias : configuration.aliases("keystore")) checkKeystore(configuration, alias, problems);
}

}  // namespace auth
