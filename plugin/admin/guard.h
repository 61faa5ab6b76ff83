#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plugin::admin {

/// What of a request decides whether it is answered.
struct Asked {
    std::string method;
    std::string path;  ///< without the query
    std::optional<std::string> host{};
    std::optional<std::string> origin{};
    std::optional<std::string> authorization{};
    bool local = true;  ///< by a peer on this machine
};

/// The port's own side.
struct Door {
    std::string address;  ///< the connection came to: "127.0.0.1", "::1"
    std::uint16_t port = 0;
    std::string tokenDigest;           ///< digestOf() what stands in admin.token; empty lets nobody in
    std::vector<std::string> names{};  ///< further hosts that are ours, without a port; an address of IPv6 without brackets
    bool tls = false;                  ///< decides which port a Host header without one means
    std::string callback{};            ///< where browsers bring answers of providers to; "": nowhere
};

enum class Entry {
    callback,    ///< with GET alone
    open,        ///< one of /healthz, /readyz, /metrics
    brief,       ///< /readyz, without its reasons: a peer elsewhere that has not shown the token
    proved,      ///< another path, with the token
    foreign,     ///< 403: a page of a browser (Origin), or a name that is not ours (DNS rebinding)
    unproved,    ///< 401
    wrongMethod  ///< 405: only GET and HEAD
};

/// SHA-256, 32 octets: the port needs to know no more of its token than this.
std::string digestOf(std::string_view token);

/// Pure. The token is compared in constant time (RFC 6750, section 2.1: "Bearer" in any case). This machine's own names and addresses have to come
/// with the port, which is part of them; `names` are good with any: a reverse proxy has its own. Peers elsewhere need the token for /metrics, which
/// names mailboxes and credentials, and for the reasons of /readyz.
Entry admit(const Asked& asked, const Door& door);

}  // namespace plugin::admin
