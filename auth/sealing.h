#pragma once

#include "auth/secret_source.h"
#include "plugin/contract/clock.h"
#include "plugin/contract/configuration.h"
#include "plugin/contract/result.h"

#include <optional>
#include <string>
#include <string_view>

namespace auth {

/// A key of 256 bits for AES-256-GCM (NIST SP 800-38D), and the id it goes by.
/// Sealed: octet 1 the version (1), 8 octets key id, 12 octets nonce, as many octets as the plain text, 16 octets tag. Nonces are random: one key
/// is good for 2^32 of them. What a value is bound to is authenticated with it, so that no value can be put in another's place. Pure.
class SealKey {
public:
    /// 64 hexadecimal digits, perhaps with a line end. Nothing: they are not.
    static std::optional<SealKey> parse(std::string_view text);
    /// The digits of a new key.
    static Secret fresh(plugin::Random& random);

    const std::string& id() const { return id_; }  ///< the first 8 octets of a SHA-256 over the key, hexadecimal
    std::string seal(std::string_view plain, std::string_view boundTo, plugin::Random& random) const;
    /// Nothing: sealed with another key, bound to something else, or not as it was.
    std::optional<Secret> open(std::string_view sealed, std::string_view boundTo) const;

private:
    SealKey(Secret bytes, std::string id) : bytes_(std::move(bytes)), id_(std::move(id)) {}
    Secret bytes_;
    std::string id_;
};

/// The id of the key something was sealed with. Nothing: it is not sealed, or by a version we do not know.
std::optional<std::string> sealedWith(std::string_view sealed);

/// The edge to the file of the key, so that a simulation can stand in. Thread-safe. Blocks.
class SealKeyFile {
public:
    virtual ~SealKeyFile() = default;
    virtual std::string path() const = 0;
    virtual plugin::Result<std::optional<Secret>> read() = 0;  ///< nothing: there is none
    /// Durable when it answers. Never in place of another: answers what the file holds then, ours or that of a process that was faster.
    virtual plugin::Result<Secret> make(const Secret& content) = 0;
};

/// Seals and opens with this instance's key: what `server.seal_key` names, else the key file, read anew each time. Thread-safe. Every member blocks.
/// Errors: storeSealed (askOperator), of the key's file or source.
class Sealer {
public:
    struct Parts {
        plugin::CurrentConfiguration configuration;
        SecretReader& secrets;
        SealKeyFile* file;  ///< null: there is no place for one
        plugin::Random& random;
        SecretReader* toSeal = nullptr;  ///< what the key is read with to seal something; null: `secrets`
    };
    explicit Sealer(Parts parts) : parts_(std::move(parts)) {}

    /// `name` says whose it is, for people: "the refresh token of credential a".
    plugin::Result<Secret> open(std::string_view sealed, std::string_view boundTo, const std::string& name);
    /// With `mayMake` a missing key file is made.
    plugin::Result<std::string> seal(std::string_view plain, std::string_view boundTo, bool mayMake);
    plugin::Result<std::optional<SealKey>> key();  ///< nothing: there is none yet

private:
    plugin::Result<std::optional<SealKey>> keyFrom(SecretReader& secrets);
    std::string where() const;
    plugin::Error noKey(std::string what) const;

    Parts parts_;
};

/// What a ${sealed:...} of the configuration is bound to.
inline constexpr std::string_view sealedForConfiguration = "configuration";

/// The machine's secrets, and those that are sealed. Thread-safe; what it was made of outlives it.
class OpeningReader final : public SecretReader {
public:
    OpeningReader(SecretReader& machine, Sealer& sealer) : machine_(machine), sealer_(sealer) {}
    plugin::Result<Content> file(const std::string& path) override { return machine_.file(path); }
    std::optional<Stamp> stamp(const std::string& path) override { return machine_.stamp(path); }
    std::optional<Secret> environment(const std::string& name) override { return machine_.environment(name); }
    plugin::Result<Secret> command(const std::vector<std::string>& words) override { return machine_.command(words); }
    plugin::Result<Secret> sealed(std::string_view bytes) override {
        return sealer_.open(bytes, sealedForConfiguration, "a sealed value of the configuration");
    }

private:
    SecretReader& machine_;
    Sealer& sealer_;
};

}  // namespace auth
