#include "auth/secret_source.h"

#include "auth/command_output.h"
#include "auth/sasl/base64.h"
#include "plugin/contract/configuration.h"
#include "plugin/contract/handle.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

namespace auth {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;

namespace {

Error unreadable(std::string what) { return Error{Reaction::askOperator, Code::configSecretSource, std::move(what)}; }

Error fileFailed(const std::string& path, int cause) {
    return unreadable("the file " + path + " cannot be read: " + std::generic_category().message(cause));
}

SecretReader::Stamp stampIn(const struct ::stat& status) {
    return {status.st_mtim.tv_sec, status.st_mtim.tv_nsec, static_cast<std::uint64_t>(status.st_size), status.st_ino};
}

class PosixSecretReader final : public SecretReader {
public:
    explicit PosixSecretReader(std::stop_token stop) : stop_(std::move(stop)) {}
    Result<Content> file(const std::string& path) override {
        const plugin::Handle file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
        if (!file) return fileFailed(path, errno);
        struct ::stat status {};
        if (::fstat(file.get(), &status) != 0) return fileFailed(path, errno);
        if (!S_ISREG(status.st_mode)) return unreadable(path + " is not a regular file");

        SecretBuilder content(static_cast<std::size_t>(status.st_size) + 1);
        std::array<char, 4096> piece;
        const Wiped wiped{piece};
        for (std::uint64_t total = 0;;) {
            const auto count = ::read(file.get(), piece.data(), piece.size());
            if (count < 0 && errno == EINTR) continue;
            if (count < 0) return fileFailed(path, errno);
            if (count == 0) return Content{content.finish(), stampIn(status)};
            total += static_cast<std::uint64_t>(count);
            if (total > maxFile) return unreadable("the file " + path + " is larger than " + std::to_string(maxFile) + " octets: that is no secret");
            content.add({piece.data(), static_cast<std::size_t>(count)});
        }
    }

    std::optional<Stamp> stamp(const std::string& path) override {
        struct ::stat status {};
        if (::stat(path.c_str(), &status) != 0) return std::nullopt;
        return stampIn(status);
    }

    std::optional<Secret> environment(const std::string& name) override {
        const char* value = ::getenv(name.c_str());
        if (value == nullptr) return std::nullopt;
        return Secret(value);
    }

    Result<Secret> command(const std::vector<std::string>& words) override { return commandOutput(words, stop_); }

private:
    struct Wiped {
        std::array<char, 4096>& piece;
        ~Wiped() { OPENSSL_cleanse(piece.data(), piece.size()); }
    };
    const std::stop_token stop_;
};

std::string_view withoutLineEnd(std::string_view text) {
    if (text.ends_with('\n')) text.remove_suffix(text.ends_with("\r\n") ? 2 : 1);
    return text;
}

/// It begins with "${" and ends with the "}" that closes it.
bool isSource(std::string_view written) {
    if (!written.starts_with("${")) return false;
    int open = 0;
    for (std::size_t i = 1; i < written.size(); ++i) {
        if (written[i] == '{') ++open;
        if (written[i] == '}' && --open == 0) return i + 1 == written.size();
    }
    return false;
}

/// What systemd lets a credential be called, so that it cannot lead out of its directory.
bool isCredentialName(std::string_view name) {
    const bool fine = std::all_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) > 0x20 && c != 0x7f && c != '/'; });
    return fine && !name.empty() && name != "." && name != "..";
}

/// The file a source stands for.
Result<std::string> pathOf(const SecretSource& source, SecretReader& reader) {
    if (source.kind == SecretSource::Kind::file) return source.name;
    const auto directory = reader.environment("CREDENTIALS_DIRECTORY");
    if (!directory || directory->empty())
        return unreadable(source.where() + " cannot be read: $CREDENTIALS_DIRECTORY is not set, as systemd does for services with LoadCredential=");
    return std::string(directory->reveal()) + "/" + source.name;
}

Result<Secret> readNow(const SecretSource& source, SecretReader& reader, std::optional<SecretReader::Stamp>* stamp) {
    switch (source.kind) {
        case SecretSource::Kind::literal:
            return copyOf(source.literal);
        case SecretSource::Kind::environment: {
            auto value = reader.environment(source.name);
            if (!value) return unreadable(source.where() + " is not set");
            return std::move(*value);
        }
        case SecretSource::Kind::command: {
            const auto words = plugin::parseCommand(source.name);
            auto output = reader.command(words ? *words : std::vector<std::string>{source.name});
            if (!output) return output;
            return Secret(withoutLineEnd(output->reveal()));
        }
        case SecretSource::Kind::sealed: {
            const auto bytes = sasl::decodeBase64(source.name);
            if (!bytes) return unreadable("${sealed:...} is not what `postern seal` writes");
            return reader.sealed(bytes->reveal());
        }
        case SecretSource::Kind::file:
        case SecretSource::Kind::credential:
            break;
    }
    const auto path = pathOf(source, reader);
    if (!path) return path.error();
    auto content = reader.file(*path);
    if (!content) return content.error();
    if (stamp != nullptr) *stamp = content->stamp;
    return Secret(withoutLineEnd(content->secret.reveal()));
}

}  // namespace

std::string SecretSource::where() const {
    switch (kind) {
        case Kind::file:
            return "the file " + name;
        case Kind::environment:
            return "the environment variable " + name;
        case Kind::credential:
            return "the credential " + name;
        case Kind::command: {
            const auto words = plugin::parseCommand(name);
            return "the command " + (words ? words->front() : std::string{});
        }
        case Kind::sealed:
            return "the sealed value in the configuration";
        case Kind::literal:
            break;
    }
    return "the configuration";
}

Result<SecretSource> parseSecretSource(std::string_view written) {
    if (written.starts_with("$${")) return SecretSource{SecretSource::Kind::literal, {}, Secret(written.substr(1))};
    if (!isSource(written)) return SecretSource{SecretSource::Kind::literal, {}, Secret(written)};

    const auto inside = written.substr(2, written.size() - 3);
    const auto colon = inside.find(':');
    const auto kind = inside.substr(0, colon);
    const auto name = colon == std::string_view::npos ? std::string_view{} : inside.substr(colon + 1);
    using Kind = SecretSource::Kind;
    const auto known = kind == "file"         ? std::optional(Kind::file)
                       : kind == "env"        ? std::optional(Kind::environment)
                       : kind == "credential" ? std::optional(Kind::credential)
                       : kind == "command"    ? std::optional(Kind::command)
                       : kind == "sealed"     ? std::optional(Kind::sealed)
                                              : std::nullopt;
    // Whatever else stands there may be a mistyped secret: it is not repeated.
    if (!known)
        return unreadable(
            "a secret's source is ${file:/path}, ${env:NAME}, ${credential:name}, ${command:/program} or ${sealed:...}; a literal that begins with "
            "${ is "
            "written $${");
    if (name.empty() || name.find('\0') != std::string_view::npos) return unreadable("${" + std::string(kind) + ":} names nothing");
    if (known == Kind::credential && !isCredentialName(name)) return unreadable("${credential:...} names no plain file name");
    if (known == Kind::command && !plugin::parseCommand(name))
        return unreadable("${command:...} begins with the absolute path of a program, and each quote in it is closed");
    if (known == Kind::sealed && !sasl::decodeBase64(name)) return unreadable("${sealed:...} is not what `postern seal` writes");
    return SecretSource{*known, std::string(name), Secret{}};
}

Result<Secret> readSecret(const SecretSource& source, SecretReader& reader, std::optional<SecretReader::Stamp>* stamp) {
    auto secret = readNow(source, reader, stamp);
    if (secret && secret->empty()) return unreadable(source.where() + " holds an empty secret");
    return secret;
}

bool hasStamp(const SecretSource& source) { return source.kind == SecretSource::Kind::file || source.kind == SecretSource::Kind::credential; }

std::optional<SecretReader::Stamp> stampOf(const SecretSource& source, SecretReader& reader) {
    if (!hasStamp(source)) return std::nullopt;
    const auto path = pathOf(source, reader);
    if (!path) return std::nullopt;
    return reader.stamp(*path);
}

std::unique_ptr<SecretReader> makeSecretReader(std::stop_token stop) { return std::make_unique<PosixSecretReader>(std::move(stop)); }

}  // namespace auth
