#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace plugin {

enum class Level { error, warning, notice, information, debug, trace };

/// One `key=value` of a log line. No secret, no subject, no address of a mail, no body. Text from servers: pass it through printable().
struct Field {
    std::string_view key;
    std::string value;
    Field(std::string_view name, std::string text) : key(name), value(std::move(text)) {}
    Field(std::string_view name, std::string_view text) : key(name), value(text) {}
    Field(std::string_view name, const char* text) : key(name), value(text) {}
    Field(std::string_view name, std::int64_t number) : key(name), value(std::to_string(number)) {}
    Field(std::string_view name, std::uint64_t number) : key(name), value(std::to_string(number)) {}
    Field(std::string_view name, int number) : key(name), value(std::to_string(number)) {}
    Field(std::string_view name, unsigned number) : key(name), value(std::to_string(number)) {}
};

/// Thread-safe. `logger` is the folder's name ("listener.imap", "auth.token").
class Log {
public:
    virtual ~Log() = default;
    virtual bool enabled(Level level) const = 0;
    virtual void write(Level level, std::string_view logger, std::string_view message, const std::vector<Field>& fields) = 0;

    void error(std::string_view logger, std::string_view message, const std::vector<Field>& fields = {}) {
        write(Level::error, logger, message, fields);
    }
    void warning(std::string_view logger, std::string_view message, const std::vector<Field>& fields = {}) {
        write(Level::warning, logger, message, fields);
    }
    void notice(std::string_view logger, std::string_view message, const std::vector<Field>& fields = {}) {
        write(Level::notice, logger, message, fields);
    }
    void information(std::string_view logger, std::string_view message, const std::vector<Field>& fields = {}) {
        write(Level::information, logger, message, fields);
    }
    void debug(std::string_view logger, std::string_view message, const std::vector<Field>& fields = {}) {
        if (enabled(Level::debug)) write(Level::debug, logger, message, fields);
    }
    void trace(std::string_view logger, std::string_view message, const std::vector<Field>& fields = {}) {
        if (enabled(Level::trace)) write(Level::trace, logger, message, fields);
    }
};

/// Server text for a log line or an error: control characters and non-ASCII octets escaped, cut at `limit`.
inline std::string printable(std::string_view text, std::size_t limit = 200) {
    static constexpr char hex[] = "0123456789abcdef";
    std::string out;
    for (const char c : text) {
        if (out.size() >= limit) return out + "...";
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte >= 0x7f) {
            out += "\\x";
            out += hex[byte >> 4];
            out += hex[byte & 15];
        } else {
            out += c;
        }
    }
    return out;
}

using Labels = std::vector<std::pair<std::string, std::string>>;

/// Thread-safe. What /metrics shows. Names are the contract's (README, "Metrics").
class Metrics {
public:
    enum class Kind { counter, gauge };
    virtual ~Metrics() = default;
    virtual void describe(std::string_view name, Kind kind, std::string_view help) = 0;
    virtual void add(std::string_view name, const Labels& labels, double amount) = 0;
    virtual void set(std::string_view name, const Labels& labels, double value) = 0;
    /// Forgets every sample, of every name, with this label: what it stood for is no more. A collector that still sets it brings it back.
    /// Only for those that keep samples; others have nothing to do.
    virtual void forget(std::string_view label, std::string_view value) {
        static_cast<void>(label);
        static_cast<void>(value);
    }
    /// Called at each scrape, for values that are ages or are cheaper to ask than to keep. Answers the id for removeCollector.
    virtual int addCollector(std::function<void()> collect) = 0;
    virtual void removeCollector(int id) = 0;
};

}  // namespace plugin
