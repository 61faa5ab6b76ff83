#pragma once

#include "auth/secret.h"
#include "plugin/contract/result.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace auth {

/// Where a secret comes from, as a configuration value says it: `${file:/path}`, `${env:NAME}`, `${credential:name}` (a file in
/// $CREDENTIALS_DIRECTORY, as systemd's LoadCredential= makes them), `${command:/program argument ...}` (its standard output; run anew each
/// time the secret is needed), `${sealed:...}` (sealing.h), or the value itself. Only a value that begins with `${` and ends with its `}` is a
/// source; `$${` at the beginning is a literal `${`.
struct SecretSource {
    enum class Kind { literal, file, environment, credential, command, sealed };
    Kind kind = Kind::literal;
    std::string name{};  ///< path, variable, credential or command line; of sealed: its Base64; empty for a literal
    Secret literal{};    ///< of a literal: the secret

    /// "the file /run/secret", "the command /usr/bin/pass", "the configuration": never the value, and no argument, which may be one.
    std::string where() const;
};

/// Errors askOperator: PO-1011 for unknown, nameless or badly written ones.
plugin::Result<SecretSource> parseSecretSource(std::string_view written);

/// The edge to files, environment and programs, so that a simulation can stand in. Thread-safe. Every member may block: call it through offload.
class SecretReader {
public:
    /// Tells one content of a file from the next without reading it.
    struct Stamp {
        std::int64_t seconds = 0, nanoseconds = 0;  ///< last modification
        std::uint64_t size = 0, inode = 0;
        bool operator==(const Stamp&) const = default;
    };
    struct Content {
        Secret secret;  ///< every octet of the file
        Stamp stamp{};
    };
    static constexpr std::uint64_t maxFile = 1U << 20;  ///< larger than any secret, and than keystores with many certificates

    virtual ~SecretReader() = default;
    /// Errors askOperator PO-1011: missing, not readable, not a regular file (a pipe would give its content only once), over maxFile.
    virtual plugin::Result<Content> file(const std::string& path) = 0;
    virtual std::optional<Stamp> stamp(const std::string& path) = 0;  ///< nothing: no such file
    virtual std::optional<Secret> environment(const std::string& name) = 0;
    /// As commandOutput() (command_output.h): up to 10 s, less where it is stopped.
    virtual plugin::Result<Secret> command(const std::vector<std::string>& words) = 0;
    /// What was sealed for the configuration. Errors storeSealed. A reader that has no key refuses.
    virtual plugin::Result<Secret> sealed(std::string_view bytes) {
        static_cast<void>(bytes);
        return plugin::Error{plugin::Reaction::askOperator, plugin::Code::storeSealed, "sealed secrets cannot be read here"};
    }
};
/// When `stop` is requested the programs that run are ended, and none is started any more.
std::unique_ptr<SecretReader> makeSecretReader(std::stop_token stop = {});

/// Reads a secret now. Of a file and of a command's output one final LF or CRLF is dropped. Blocks for a file, and for a command up to 10 s.
/// `stamp`, if given, becomes the stamp of the file that was read.
/// Errors PO-1011: the source cannot be read or is empty (askOperator), the command was not done in time (retryLater); PO-2010: it was stopped
/// (retryLater). The text names the source, never the value.
plugin::Result<Secret> readSecret(const SecretSource& source, SecretReader& reader, std::optional<SecretReader::Stamp>* stamp = nullptr);

/// Of a source that is a file (`file:`, `credential:`): whether another content could be told by a stamp.
bool hasStamp(const SecretSource& source);
/// That stamp now; nothing: there is no such file. Blocks for the disk.
std::optional<SecretReader::Stamp> stampOf(const SecretSource& source, SecretReader& reader);

}  // namespace auth
