#include "plugin/host/host_keys.h"

#include "plugin/host/value_form.h"

#include <utility>

namespace plugin::host {

namespace {

constexpr int largestPort = 65535;

std::optional<std::string> badAddress(std::string_view text) {
    if (text.empty() || parseAddress(text)) return std::nullopt;  // empty: no admin port
    return "not an address and a port, as in 127.0.0.1:8025 or [::1]:8025 (port 0 takes any free one; no value: no admin port)";
}

std::optional<std::string> badServerName(std::string_view text) {
    constexpr std::size_t longestName = 64;  // as an alias
    if (text.empty() || text.size() > longestName) return "a name of 1 to 64 characters is wanted";
    const auto bad = text.find_first_of(" \t\"\\");
    if (bad != std::string_view::npos)
        return "a name without blanks, quotation marks and backslashes is wanted; it holds " + characterName(text.substr(bad));
    return std::nullopt;
}

std::optional<std::string> badStore(std::string_view text) {
    if (text == "sqlite:") return std::nullopt;
    return "not \"sqlite:\", the database in server.data, which is the only store of this version";
}

Key planned(std::string pattern, std::string doc) {
    Key key{.pattern = std::move(pattern), .doc = std::move(doc)};
    key.planned = true;
    return key;
}

}  // namespace

std::optional<AddressAndPort> parseAddress(std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    auto host = text.substr(0, colon);
    const auto digits = text.substr(colon + 1);
    const auto port = parseInteger(digits);
    if (digits.empty() || digits.front() < '0' || digits.front() > '9' || !port || *port > largestPort) return std::nullopt;
    if (host.starts_with('[') && host.ends_with(']') && host.find(':') != std::string_view::npos)
        host = host.substr(1, host.size() - 2);
    else if (host.find_first_of("[]:") != std::string_view::npos)
        return std::nullopt;
    if (badHost(host)) return std::nullopt;
    return AddressAndPort{std::string(host), static_cast<int>(*port)};
}

std::vector<Key> hostKeys() {
    return {
        {.pattern = "server.name",
         .restart = true,
         .doc = "What this instance is called when it begins its log; else the machine's name",
         .form = badServerName},
        {.pattern = "server.data",
         .type = KeyType::path,
         .fallback = "./data",
         .restart = true,
         .doc = "Directory of everything the service remembers"},
        {.pattern = "server.seal_key",
         .type = KeyType::secret,
         .doc = "The key secrets are sealed with, 64 hexadecimal digits, from ${file:/path} or the like; else seal.key in server.data"},
        {.pattern = "server.threads",
         .type = KeyType::integer,
         .fallback = "2",
         .restart = true,
         .doc = "Loop threads; each carries thousands of mailboxes",
         .minimum = 1,
         .maximum = 32},
        {.pattern = "server.pidfile", .type = KeyType::path, .restart = true, .doc = "Where the process id is written; --pidfile goes before it"},

        {.pattern = "log.level",
         .type = KeyType::choice,
         .fallback = "information",
         .doc = "The least that is logged",
         .choices = {"error", "warning", "notice", "information", "debug", "trace"}},
        {.pattern = "log.format",
         .type = KeyType::choice,
         .fallback = "text",
         .restart = true,
         .doc = "key=value lines, or one JSON object a line",
         .choices = {"text", "json"}},
        {.pattern = "log.file", .type = KeyType::path, .restart = true, .doc = "Where the log goes; else standard error"},

        {.pattern = "admin.address",
         .fallback = "127.0.0.1:8025",
         .restart = true,
         .doc = "Where /healthz, /readyz and /metrics answer; no value: nowhere",
         .form = badAddress},
        planned("admin.public_url", "How the admin port is reached from outside"),
        planned("admin.host_names", "Names the admin port answers to"),
        planned("admin.tls.keystore", "The admin port's certificate"),
        planned("admin.tls.key_alias", "Which key of that keystore"),

        {.pattern = "store.url",
         .fallback = "sqlite:",
         .restart = true,
         .doc = "sqlite: is postern.db in server.data",
         .later = {"postgresql:", "postgres:"},
         .form = badStore},

        {.pattern = "package.path",
         .type = KeyType::path,
         .restart = true,
         .doc = "Directory of the packages; else packages beside the program, else <prefix>/lib/postern/packages"},
        {.pattern = "package.<name>.enabled", .type = KeyType::boolean, .fallback = "true", .restart = true, .doc = "Whether that package is loaded"},
    };
}

void checkHostKeys(const Configuration& configuration, std::vector<Problem>& problems) {
    const std::string key = "admin.address";
    const auto address = parseAddress(configuration.text(key));
    if (!address || isLoopback(address->host)) return;
    problems.push_back(Problem{Problem::Severity::error, Code::configNotInThisVersion, key,
                               "an admin port beyond this machine needs TLS, which it does not have in this version; use 127.0.0.1",
                               configuration.place(key)});
}

}  // namespace plugin::host
