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

std::optional<std::string> badNames(std::string_view text) {
    for (const auto& name : parseList(text))
        if (const auto bad = badHost(name)) return shown(name) + " " + *bad + "; write names without scheme, port and path";
    return std::nullopt;
}

std::optional<std::string> badPublicUrl(std::string_view text) {
    if (text.find('?') == std::string_view::npos) return std::nullopt;
    return "the URL has a query (?...); it is what \"/oauth-callback\" is written behind";
}

/// The host of a URL that has been judged; of IPv6 without brackets.
std::string hostOf(std::string_view url) {
    auto authority = url.substr(url.find("://") + 3);
    authority = authority.substr(0, authority.find_first_of("/?#"));
    if (authority.starts_with('[')) return std::string(authority.substr(1, authority.find(']') - 1));
    return std::string(authority.substr(0, authority.find(':')));
}

bool isPlain(const std::string& url) { return url.size() > 4 && (url[4] == ':'); }  // http:, in any case

void addAdminKeys(std::vector<Key>& all) {
    all.push_back(
        {.pattern = "admin.address",
         .fallback = "127.0.0.1:8025",
         .restart = true,
         .doc = "Where /healthz, /readyz, /metrics and /oauth-callback answer; beyond this machine with admin.tls.keystore; no value: nowhere",
         .form = badAddress});
    all.push_back({.pattern = "admin.public_url",
                   .type = KeyType::url,
                   .restart = true,
                   .doc = "How browsers reach the admin port; <public_url>/oauth-callback is the redirect URI for sign-ins that end there",
                   .form = badPublicUrl});
    all.push_back({.pattern = "admin.host_names",
                   .type = KeyType::list,
                   .restart = true,
                   .doc = "Names the admin port answers to, beside this machine's own and that of admin.public_url",
                   .form = badNames});
    all.push_back({.pattern = "admin.tls.keystore",
                   .reference = "keystore",
                   .restart = true,
                   .doc = "Keystore alias of the admin port's key and certificate: it speaks HTTPS then; looked at again when its file has changed"});
    all.push_back({.pattern = "admin.tls.key_alias", .doc = "Which key of that keystore; may be left out where it holds exactly one"});
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
    std::vector<Key> all{
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
    addAdminKeys(all);
    return all;
}

namespace {

class AdminCheck {
public:
    AdminCheck(const Configuration& configuration, std::vector<Problem>& problems) : configuration_(configuration), problems_(problems) {}

    void run() {
        const auto written = configuration_.text("admin.address");
        const auto address = parseAddress(written);
        if (address && !isLoopback(address->host) && keystore_.empty())
            report(Code::configMissingKey, "admin.tls.keystore", "admin.address",
                   "an admin port beyond this machine speaks TLS: name a keystore with its key and certificate, or use 127.0.0.1");
        if (!alias_.empty()) checkAlias();
        if (!url_.empty()) checkUrl();
        if (!written.empty()) return;
        for (const std::string key : {"admin.tls.keystore", "admin.public_url"})
            if (configuration_.has(key)) report(Code::configConflict, key, key, "admin.address has no value: there is no admin port", warning);
    }

private:
    static constexpr auto warning = Problem::Severity::warning;

    void report(Code code, const std::string& key, const std::string& at, std::string what, Problem::Severity severity = Problem::Severity::error) {
        problems_.push_back(Problem{severity, code, key, std::move(what), configuration_.place(at)});
    }
    void checkAlias() {
        const std::string key = "admin.tls.key_alias";
        if (keystore_.empty()) report(Code::configMissingKey, "admin.tls.keystore", key, "the keystore which this key is in");
    }
    void checkUrl() {
        const std::string key = "admin.public_url";
        if (isPlain(url_) && !keystore_.empty())
            report(Code::configConflict, key, key, "the admin port speaks TLS (admin.tls.keystore): its URL begins with https://");
        if (!isPlain(url_) && keystore_.empty())
            report(Code::configConflict, key, key,
                   "https, but the admin port itself speaks no TLS: name admin.tls.keystore, unless a reverse proxy on this machine does that",
                   warning);
    }

    const Configuration& configuration_;
    std::vector<Problem>& problems_;
    std::string keystore_ = configuration_.text("admin.tls.keystore"), alias_ = configuration_.text("admin.tls.key_alias"),
                url_ = configuration_.text("admin.public_url");
};

}  // namespace

void checkHostKeys(const Configuration& configuration, std::vector<Problem>& problems) { AdminCheck(configuration, problems).run(); }

std::string publicPath(const Configuration& configuration) {
    const auto url = configuration.text("admin.public_url");
    const auto begin = url.find('/', url.find("://") + 3);
    auto path = url.empty() || begin == std::string::npos ? std::string() : url.substr(begin);
    while (path.ends_with('/')) path.pop_back();
    return path;
}

std::vector<std::string> adminNames(const Configuration& configuration) {
    auto names = configuration.list("admin.host_names");
    if (const auto url = configuration.text("admin.public_url"); !url.empty()) names.push_back(hostOf(url));
    return names;
}

}  // namespace plugin::host
