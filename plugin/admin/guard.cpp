#include "plugin/admin/guard.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <array>

namespace plugin::admin {

namespace {

std::string lower(std::string_view text) {
    std::string out(text);
    std::transform(out.begin(), out.end(), out.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return out;
}

/// Host = uri-host [ ":" port ] (RFC 9110, section 7.2); without a port it is 80.
bool isOurs(std::string_view host, const Door& door) {
    const auto text = lower(host);
    const auto suffix = ":" + std::to_string(door.port);
    const std::array names{std::string("localhost"), std::string("127.0.0.1"), std::string("[::1]"),
                           door.address.find(':') == std::string::npos ? lower(door.address) : "[" + lower(door.address) + "]"};
    return std::any_of(names.begin(), names.end(),
                       [&](const std::string& name) { return text == name + suffix || (door.port == 80 && text == name); });
}

bool proves(const std::optional<std::string>& authorization, const std::string& token) {
    constexpr std::string_view scheme = "bearer ";
    if (!authorization || token.empty() || lower(std::string_view(*authorization).substr(0, scheme.size())) != scheme) return false;
    std::string_view given = *authorization;
    given.remove_prefix(scheme.size());
    while (given.starts_with(' ')) given.remove_prefix(1);
    while (given.ends_with(' ')) given.remove_suffix(1);
    return given.size() == token.size() && CRYPTO_memcmp(given.data(), token.data(), token.size()) == 0;  // its length is no secret
}

}  // namespace

Entry admit(const Asked& asked, const Door& door) {
    if (asked.origin || !asked.host || !isOurs(*asked.host, door)) return Entry::foreign;
    const bool open = asked.path == "/healthz" || asked.path == "/readyz" || asked.path == "/metrics";
    if (!open && !proves(asked.authorization, door.token)) return Entry::unproved;
    if (asked.method != "GET" && asked.method != "HEAD") return Entry::wrongMethod;
    return open ? Entry::open : Entry::proved;
}

}  // namespace plugin::admin
