#include "auth/channel/proxy.h"

#include "auth/channel/socks_tunnel.h"

#include <algorithm>
#include <array>
#include <optional>

namespace auth {

using plugin::Code;
using plugin::Configuration;
using plugin::Key;
using plugin::KeyType;
using plugin::Problem;

namespace {

std::optional<std::string> usernameForm(std::string_view text) {
    if (std::any_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }))
        return "a user of a proxy cannot have a control character in its name";
    return std::nullopt;
}

std::optional<std::string> bypassForm(std::string_view text) {
    const auto ofEntry = [](char c) {
        const bool word = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || static_cast<unsigned char>(c) >= 0x80;
        return word || std::string_view("*.-_:[] \t,;").find(c) != std::string_view::npos;
    };
    const auto odd = std::find_if_not(text.begin(), text.end(), ofEntry);
    if (odd == text.end()) return std::nullopt;
    return std::string("entries are hosts or host:port, with * for any run of characters; '") + *odd + "' is in neither";
}

bool isOff(const Configuration& configuration, const std::string& key) { return configuration.text(key) == "false"; }

void report(std::vector<Problem>& problems, const Configuration& configuration, Code code, const std::string& key, std::string what,
            Problem::Severity severity = Problem::Severity::error) {
    problems.push_back({severity, code, key, std::move(what), configuration.place(key)});
}

/// A proxy that is named must be enabled: it is never passed by.
void checkNamed(const Configuration& configuration, const std::string& group, std::vector<Problem>& problems) {
    for (const auto& name : configuration.aliases(group)) {
        const auto prefix = group + "." + name + ".";
        if (isOff(configuration, prefix + "enabled")) continue;
        for (const auto& [below, alias] : configuration.below(prefix)) {
            const bool names = below == "proxy" || below.ends_with(".proxy");  // of all, or of one protocol
            if (!names || alias.empty() || !isOff(configuration, "proxy." + alias + ".enabled")) continue;
            const auto key = prefix + below;
            report(problems, configuration, Code::configConflict, key,
                   key + " names proxy " + alias + ", which is disabled: no connection would come about, since a named proxy is never passed by");
        }
    }
}

/// Who we are, as far as it goes with the proxy's type. Of a password only what is written here can be looked at.
void checkUser(const Configuration& configuration, const std::string& prefix, std::vector<Problem>& problems) {
    const auto type = configuration.text(prefix + "type");
    const auto user = configuration.text(prefix + "username"), password = configuration.text(prefix + "password");
    const bool socks = type == "socks4" || type == "socks5";
    if (socks && user.size() > maxSocksText)
        report(problems, configuration, Code::configBadValue, prefix + "username", "it is longer than the 255 octets SOCKS has room for");
    if (!socks && user.find(':') != std::string::npos)
        report(problems, configuration, Code::configBadValue, prefix + "username",
               "a user of an " + (type.empty() ? "http" : type) + " proxy cannot have a colon in its name (RFC 7617)");
    if (type == "socks4") {
        if (!password.empty())
            report(problems, configuration, Code::configConflict, prefix + "password",
                   "a socks4 proxy takes a user's name and no password; socks5 takes both");
        return;
    }
    if (!user.empty() && password.empty())
        report(problems, configuration, Code::configMissingKey, prefix + "username", prefix + "password is missing beside it");
    if (!password.empty() && user.empty())
        report(problems, configuration, Code::configMissingKey, prefix + "password", prefix + "username is missing beside it");
    const auto source = parseSecretSource(password);  // its form is looked at with the key's type
    if (type == "socks5" && source && source->kind == SecretSource::Kind::literal && source->literal.reveal().size() > maxSocksText)
        report(problems, configuration, Code::configBadValue, prefix + "password", "it is longer than the 255 octets SOCKS 5 has room for");
}

void checkOne(const Configuration& configuration, const std::string& prefix, std::vector<Problem>& problems) {
    checkUser(configuration, prefix, problems);
    if (!configuration.text(prefix + "truststore").empty() && configuration.text(prefix + "type") != "https")
        report(problems, configuration, Code::configConflict, prefix + "truststore",
               "only a proxy of type https shows a certificate; what is behind it is trusted by the .truststore of mailbox, credential or sink");
}

}  // namespace

void addProxyKeys(std::vector<Key>& all) {
    all.push_back({.pattern = "proxy.<alias>.type",
                   .type = KeyType::choice,
                   .fallback = "http",
                   .doc = "how the proxy is spoken to, whatever goes through it; http: CONNECT; https: the same inside TLS; socks4: with names",
                   .choices = {"http", "https", "socks4", "socks5"}});
    all.push_back({.pattern = "proxy.<alias>.host", .type = KeyType::host, .required = true, .doc = "name or address of the proxy"});
    all.push_back(
        {.pattern = "proxy.<alias>.port", .type = KeyType::integer, .required = true, .doc = "port of the proxy", .minimum = 1, .maximum = 65535});
    all.push_back({.pattern = "proxy.<alias>.username", .doc = "who we are to the proxy; none: nobody", .form = usernameForm});
    all.push_back({.pattern = "proxy.<alias>.password",
                   .type = KeyType::secret,
                   .doc = "goes with the username, but not for socks4: ${file:/path} and the like"});
    all.push_back({.pattern = "proxy.<alias>.truststore",
                   .reference = "truststore",
                   .doc = "https: truststore alias for the proxy's own certificate; none: the system's roots"});
    all.push_back({.pattern = "proxy.<alias>.enabled",
                   .type = KeyType::boolean,
                   .fallback = "true",
                   .doc = "false: who names it fails; as a default it is as if it were not there"});
    all.push_back({.pattern = "proxy.<alias>.default",
                   .type = KeyType::boolean,
                   .fallback = "false",
                   .doc = "true: for every connection that names no proxy; one alias at most"});
    all.push_back({.pattern = "proxy.<alias>.bypass",
                   .doc = "hosts (or host:port) reached without it, by comma or semicolon, with * as wildcard",
                   .form = bypassForm});
    all.push_back({.pattern = "proxy.fallback_to_direct",
                   .type = KeyType::boolean,
                   .fallback = "false",
                   .doc = "true: where the default proxy fails, the connection is tried without; a named one is never passed by"});
}

void checkProxies(const Configuration& configuration, std::vector<Problem>& problems) {
    std::string first, disabled;
    for (const auto& alias : configuration.aliases("proxy")) {
        const auto prefix = "proxy." + alias + ".";
        checkOne(configuration, prefix, problems);
        if (configuration.text(prefix + "default") != "true") continue;
        if (isOff(configuration, prefix + "enabled")) {
            disabled = prefix + "default";
            continue;
        }
        if (!first.empty())
            report(problems, configuration, Code::configConflict, prefix + "default", "there is a default proxy already: " + first);
        else
            first = alias;
    }
    if (first.empty() && !disabled.empty())
        report(problems, configuration, Code::configConflict, disabled, "the default proxy is disabled: connections that name none are direct",
               Problem::Severity::warning);
    for (const auto* group : {"mailbox", "credential", "sink", "alert"}) checkNamed(configuration, group, problems);
}

}  // namespace auth
