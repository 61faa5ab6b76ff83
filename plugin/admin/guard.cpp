#include "plugin/admin/guard.h"

#include "plugin/contract/letters.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include <algorithm>
#include <array>
#include <stdexcept>

namespace plugin::admin {

namespace {

/// As a Host header has it: an address of IPv6 in brackets.
std::string bracketed(const std::string& host) { return host.find(':') == std::string::npos ? lowerCase(host) : "[" + lowerCase(host) + "]"; }

/// Whether what follows a host is a port, or nothing.
bool isPort(std::string_view text) {
    constexpr std::size_t longest = 6;  // ":65535"
    if (text.empty()) return true;
    return text.size() > 1 && text.size() <= longest && text.front() == ':' && text.find_first_not_of("0123456789", 1) == std::string_view::npos;
}

/// Host = uri-host [ ":" port ] (RFC 9110, section 7.2); without a port it is 80, with TLS 443.
bool isOurs(std::string_view host, const Door& door) {
    const auto text = lowerCase(host);
    const auto suffix = ":" + std::to_string(door.port);
    const bool usual = door.port == (door.tls ? 443 : 80);
    const std::array own{std::string("localhost"), std::string("127.0.0.1"), std::string("[::1]"), bracketed(door.address)};
    if (std::any_of(own.begin(), own.end(), [&](const std::string& name) { return text == name + suffix || (usual && text == name); })) return true;
    return std::any_of(door.names.begin(), door.names.end(), [&](const std::string& each) {
        const auto name = bracketed(each);
        return text.starts_with(name) && isPort(std::string_view(text).substr(name.size()));
    });
}

bool proves(const std::optional<std::string>& authorization, const std::string& tokenDigest) {
    constexpr std::string_view scheme = "bearer ";
    if (!authorization || tokenDigest.empty() || lowerCase(std::string_view(*authorization).substr(0, scheme.size())) != scheme) return false;
    std::string_view given = *authorization;
    given.remove_prefix(scheme.size());
    while (given.starts_with(' ')) given.remove_prefix(1);
    while (given.ends_with(' ')) given.remove_suffix(1);
    const auto digest = digestOf(given);
    return digest.size() == tokenDigest.size() && CRYPTO_memcmp(digest.data(), tokenDigest.data(), digest.size()) == 0;
}

}  // namespace

std::string digestOf(std::string_view token) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    if (EVP_Digest(token.data(), token.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1)
        throw std::runtime_error("OpenSSL cannot make a digest");
    return {reinterpret_cast<const char*>(digest.data()), size};
}

Entry admit(const Asked& asked, const Door& door) {
    if (asked.origin || !asked.host || !isOurs(*asked.host, door)) return Entry::foreign;
    if (!door.callback.empty() && asked.path == door.callback) return asked.method == "GET" ? Entry::callback : Entry::wrongMethod;
    const bool open = asked.path == "/healthz" || asked.path == "/readyz" || asked.path == "/metrics";
    const bool tells = open && asked.path != "/healthz";  // of mailboxes
    const bool needsProof = !open || (tells && !asked.local);
    const bool proved = needsProof && proves(asked.authorization, door.tokenDigest);
    const bool briefly = needsProof && !proved && asked.path == "/readyz";
    if (needsProof && !proved && !briefly) return Entry::unproved;
    if (asked.method != "GET" && asked.method != "HEAD") return Entry::wrongMethod;
    if (briefly) return Entry::brief;
    return open ? Entry::open : Entry::proved;
}

}  // namespace plugin::admin
