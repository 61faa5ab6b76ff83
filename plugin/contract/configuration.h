#pragma once

#include "plugin/contract/codes.h"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plugin {

/// Where a setting stands. Line 0: it stands nowhere (a missing key).
struct Place {
    std::string file;
    int line = 0;
};

struct Problem {
    enum class Severity { error, warning };
    Severity severity = Severity::error;
    Code code;
    std::string key;
    std::string what;  ///< for people, without the value of a secret
    Place place{};
};

enum class KeyType {
    text,         ///< as written
    boolean,      ///< true|false
    integer,      ///< decimal, within minimum..maximum
    duration,     ///< number and unit: ms s m h d; within minimum..maximum seconds
    size,         ///< number and unit: B kB MB GB (1000), KiB MiB GiB (1024)
    list,         ///< by comma, "\," is a comma, blanks trimmed
    words,        ///< by blanks
    url,          ///< absolute http:// or https://; http to loopback only, with a warning
    host,         ///< name or address, no scheme and no port
    path,         ///< a file or directory; relative ones count from the working directory at start
    choice,       ///< one of `choices`
    secret,       ///< literal (with a warning) or ${file:…} ${env:…} …
    maybeSecret,  ///< the same, but what is literal need not be a secret: no warning
};

/// One key a part declares: the host validates, completes and documents with the union of all declarations.
struct Key {
    std::string pattern;  ///< "mailbox.<alias>.host": parts in <> stand for one alias or name
    KeyType type = KeyType::text;
    std::string fallback{};                 ///< the default, as it would be written; empty = none
    bool required = false;                  ///< for each alias its group has
    std::string reference{};                ///< the value (or each item of a list) names an alias of this group
    bool restart = false;                   ///< a change needs a restart, a reload refuses it
    std::string doc{};                      ///< one line
    std::vector<std::string> choices{};     ///< for choice
    std::vector<std::string> later{};       ///< values that are planned: refused as "not in this version"
    std::int64_t minimum = 0, maximum = 0;  ///< for integer and duration (seconds); 0, 0 = any
    /// A further check of the value's form: what is wrong with it, or nothing.
    std::function<std::optional<std::string>(std::string_view)> form{};
    bool planned = false;  ///< the whole key is "not in this version"
};

/// Values as they are written. Nothing: the text is not of that form.
std::optional<std::chrono::milliseconds> parseDuration(std::string_view text);
std::optional<std::uint64_t> parseSize(std::string_view text);
std::optional<std::int64_t> parseInteger(std::string_view text);
std::optional<bool> parseBoolean(std::string_view text);
std::vector<std::string> parseList(std::string_view text);
std::vector<std::string> parseWords(std::string_view text);
/// A program and its arguments: words separated by blanks; what stands in '...' or "..." is taken as it is. No shell: no variables, no
/// escapes, no wildcards. Nothing: a quote is not closed, or the first word is no absolute path.
std::optional<std::vector<std::string>> parseCommand(std::string_view text);

/// Names this machine itself, whatever a name server says: localhost, 127.0.0.0/8, ::1.
bool isLoopback(std::string_view host);

/// An immutable snapshot: validated, completed with defaults. Getters of another type than declared, or of an undeclared key, are bugs
/// (std::logic_error). Values of secrets are their sources, never the secret (a literal one: its text).
class Configuration {
public:
    struct Setting {
        std::string value;
        Place place{};
        bool given = false;  ///< false: the default
    };

    Configuration() = default;
    explicit Configuration(std::map<std::string, Setting, std::less<>> settings) : settings_(std::move(settings)) {}

    /// The aliases of a group ("mailbox", "sink" …), sorted, each once, in the case they were first written.
    std::vector<std::string> aliases(std::string_view group) const;
    /// All that begins with a prefix: key without the prefix → value, e.g. "mailbox.a.rule.".
    std::map<std::string, std::string> below(std::string_view prefix) const;

    bool has(std::string_view key) const;          ///< given, or with a default
    std::string text(std::string_view key) const;  ///< "" if it has neither
    bool boolean(std::string_view key) const;
    std::int64_t integer(std::string_view key) const;
    std::chrono::milliseconds duration(std::string_view key) const;
    std::uint64_t size(std::string_view key) const;
    std::vector<std::string> list(std::string_view key) const;
    std::vector<std::string> words(std::string_view key) const;
    Place place(std::string_view key) const;
    const std::map<std::string, Setting, std::less<>>& settings() const { return settings_; }

private:
    const Setting& at(std::string_view key) const;
    std::map<std::string, Setting, std::less<>> settings_;
};

/// Thread-safe. The snapshot in force, for all who hold a copy of this: a reload puts another one in its place.
/// Take it once for what belongs together.
class CurrentConfiguration {
public:
    template <class Snapshot>
    CurrentConfiguration(std::shared_ptr<Snapshot> first) : shared_(std::make_shared<Held>(std::move(first))) {}

    std::shared_ptr<const Configuration> get() const {
        const std::lock_guard lock(shared_->mutex);
        return shared_->snapshot;
    }
    void replace(std::shared_ptr<const Configuration> next) {
        const std::lock_guard lock(shared_->mutex);
        shared_->snapshot.swap(next);
    }

private:
    struct Held {
        explicit Held(std::shared_ptr<const Configuration> first) : snapshot(std::move(first)) {}
        std::mutex mutex{};
        std::shared_ptr<const Configuration> snapshot;
    };
    std::shared_ptr<Held> shared_;
};

}  // namespace plugin
