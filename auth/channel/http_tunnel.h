#pragma once

#include "auth/channel/channel.h"
#include "auth/channel/http_parser.h"
#include "auth/secret.h"

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace auth {

/// Who we are to a proxy: user and password, and how they go over the wire.
struct ProxyUser {
    Secret password{};
    Secret basic{};  ///< Base64 of user:password (RFC 7617), UTF-8
    static ProxyUser make(std::string_view user, Secret password);
};

/// What an HTTP proxy is asked (RFC 9110 section 9.3.6): the way to host and port, with who we are where we say so. Pure.
Secret connectRequest(std::string_view host, std::uint16_t port, const ProxyUser* user);

/// Why the proxy did not dig the tunnel: what its status means, with its own words cut and escaped, unless they repeat a secret. Nothing:
/// the tunnel is there. The head has been read. Pure.
/// askOperator: channelProxyRefused (407), channelProxyForbidden (it does not want to), channelProxyProtocol (it does not know CONNECT).
/// reconnect: channelProxyFailed (it cannot reach the other side, or is busy).
std::optional<plugin::Error> connectFailure(const HttpParser& answer, const ProxyUser* user);

/// Asks for a tunnel on a channel that is connected to the proxy, and reads the answer's head: no body, no second try on one connection.
/// Answers what came after the head, the first bytes of the other side. `user` may be null; channel and user outlive the task.
/// Errors: those of connectFailure; reconnect channelProxyProtocol (no HTTP, past 16 KiB, cut within the head); those of the channel.
plugin::Task<plugin::Result<std::string>> openTunnel(Channel* channel, std::string host, std::uint16_t port, const ProxyUser* user,
                                                     plugin::Deadline deadline, std::stop_token stop);

}  // namespace auth
