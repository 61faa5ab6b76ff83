#include "auth/channel/proxy.h"

#include "auth/channel/tcp.h"
#include "plugin/contract/letters.h"

#include <algorithm>
#include <array>
#include <optional>

namespace auth {

namespace {

using plugin::Code;
using plugin::Configuration;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;

std::string keyOf(const std::string& alias, std::string_view part) { return "proxy." + alias + "." + std::string(part); }

/// A switch nobody wrote has its default, also in a configuration that was not completed.
bool isOn(const Configuration& configuration, const std::string& key, bool otherwise) {
    return configuration.has(key) ? configuration.boolean(key) : otherwise;
}

/// `*` stands for any run of characters, also for none.
bool fits(std::string_view pattern, std::string_view text) {
    std::size_t at = 0, in = 0, retryAt = std::string_view::npos, retryIn = 0;
    while (in < text.size()) {
        if (at < pattern.size() && pattern[at] == '*') {
            retryAt = ++at;
            retryIn = in;
        } else if (at < pattern.size() && pattern[at] == text[in]) {
            ++at;
            ++in;
        } else if (retryAt != std::string_view::npos) {
            at = retryAt;
            in = ++retryIn;
        } else {
            return false;
        }
    }
    return pattern.find_first_not_of('*', at) == std::string_view::npos;
}

/// By comma as lists are, and by semicolon as other products have it.
std::vector<std::string> bypassList(const std::string& written) {
    auto text = written;
    std::replace(text.begin(), text.end(), ';', ',');
    auto list = plugin::parseList(text);
    std::erase(list, "");
    return list;
}

struct TypeName {
    std::string_view name;
    Proxy::Type type;
};
constexpr std::array types{TypeName{"http", Proxy::Type::http}, TypeName{"https", Proxy::Type::https}, TypeName{"socks4", Proxy::Type::socks4},
                           TypeName{"socks5", Proxy::Type::socks5}};

/// Nothing: there is no such type. One that nobody wrote is http.
std::optional<Proxy::Type> typeOf(std::string_view written) {
    if (written.empty()) return Proxy::Type::http;
    const auto* const found = std::find_if(types.begin(), types.end(), [&](const TypeName& each) { return each.name == written; });
    return found == types.end() ? std::nullopt : std::optional(found->type);
}

Result<std::shared_ptr<const Proxy>> proxyNamed(const Configuration& configuration, const std::string& alias) {
    auto proxy = std::make_shared<Proxy>();
    proxy->alias = alias;
    proxy->host = configuration.text(keyOf(alias, "host"));
    const auto port = plugin::parseInteger(configuration.text(keyOf(alias, "port")));
    if (proxy->host.empty() || !port || *port < 1 || *port > 65535)
        return Error{Reaction::askOperator, Code::configUnknownReference, "there is no proxy " + alias + ", or it has no host and port"};
    proxy->port = static_cast<std::uint16_t>(*port);
    const auto type = typeOf(configuration.text(keyOf(alias, "type")));
    if (!type) return Error{Reaction::askOperator, Code::configBadValue, "proxy " + alias + " is of a type there is not"};
    proxy->type = *type;
    proxy->username = configuration.text(keyOf(alias, "username"));
    proxy->truststore = configuration.text(keyOf(alias, "truststore"));
    proxy->bypass = bypassList(configuration.text(keyOf(alias, "bypass")));
    if (proxy->wantsPassword()) {
        auto source = parseSecretSource(configuration.text(keyOf(alias, "password")));
        if (!source) return Error{source.error().reaction, source.error().code, proxy->name() + ": " + source.error().what};
        proxy->password = std::move(*source);
    }
    return std::shared_ptr<const Proxy>(std::move(proxy));
}

std::string defaultAlias(const Configuration& configuration) {
    for (const auto& alias : configuration.aliases("proxy"))
        if (isOn(configuration, keyOf(alias, "default"), false) && isOn(configuration, keyOf(alias, "enabled"), true)) return alias;
    return {};
}

}  // namespace

std::string Proxy::name() const {
    const auto* const own = std::find_if(types.begin(), types.end(), [this](const TypeName& each) { return each.type == type; });
    const auto kind = type == Type::http ? std::string{} : std::string(own->name) + " ";
    return kind + "proxy " + alias + " " + hostAndPort(host, port);
}

bool bypasses(std::string_view entry, std::string_view host, std::uint16_t port) {
    const auto pattern = plugin::lowerCase(entry);
    auto name = plugin::lowerCase(host);
    if (name.size() > 1 && name.ends_with('.')) name.pop_back();
    const auto withPort = hostAndPort(name, port);
    if (fits(pattern, name) || fits(pattern, withPort)) return true;
    const bool address6 = name.find(':') != std::string::npos;
    return address6 && fits(pattern, "[" + name + "]");
}

Result<Way> wayTo(const Configuration& configuration, const Target& target) {
    const bool named = !target.proxy.empty();
    const auto alias = named ? target.proxy : defaultAlias(configuration);
    if (alias.empty()) return Way{};
    if (named && !isOn(configuration, keyOf(alias, "enabled"), true))
        return Error{Reaction::askOperator, Code::channelProxyDisabled,
                     hostAndPort(target.host, target.port) + " is to be reached through proxy " + alias + ", which is disabled"};
    auto proxy = proxyNamed(configuration, alias);
    if (!proxy) return proxy.error();
    const auto& list = (*proxy)->bypass;
    if (std::any_of(list.begin(), list.end(), [&](const std::string& entry) { return bypasses(entry, target.host, target.port); })) return Way{};
    return Way{std::move(*proxy), !named && isOn(configuration, "proxy.fallback_to_direct", false)};
}

}  // namespace auth
