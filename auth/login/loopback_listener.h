#pragma once

#include "plugin/contract/handle.h"
#include "plugin/contract/loop.h"
#include "plugin/contract/result.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

namespace auth::login {

/// A redirect URI this machine can listen at (RFC 8252 7.3): http, and the host localhost, 127.0.0.1 or [::1]. Of all other URIs the browser's
/// address has to be pasted.
struct LoopbackUri {
    std::string host;        ///< "localhost", "127.0.0.1", "::1"
    std::uint16_t port = 0;  ///< 0: none is written, so any free one
    std::string path;        ///< what a request line must say before the "?"; at least "/"
    std::string query{};     ///< of the URI itself (RFC 6749 3.1.2); ""
    std::string before{};    ///< the URI up to where the port goes
    std::string after{};     ///< and the rest
    std::string withPort(std::uint16_t chosen) const { return before + ":" + std::to_string(chosen) + after; }
};
std::optional<LoopbackUri> parseLoopbackUri(std::string_view uri);

/// What a browser gets to see.
struct Page {
    int status = 200;
    std::string text{};  ///< plain; it is escaped
};

/// The path and query of "GET /path?query HTTP/1.1", the first line of a request. Nothing: another method, or no request of HTTP/1.x. Pure.
std::optional<std::string_view> targetOfGet(std::string_view requestLine);

/// Waits for a browser on this machine's own addresses, 127.0.0.1 and (for localhost) ::1. At most 16 connections at a time, 24 KiB and 10 s for a
/// request; one request for each connection. Belongs to one loop.
class LoopbackListener {
public:
    /// Opens the port. Errors askOperator channelUnreachable: it cannot be had. Blocks for no longer than the kernel.
    static plugin::Result<std::unique_ptr<LoopbackListener>> open(plugin::Loop& loop, LoopbackUri uri);
    ~LoopbackListener();
    LoopbackListener(const LoopbackListener&) = delete;
    LoopbackListener& operator=(const LoopbackListener&) = delete;

    std::string uri() const;  ///< as it goes into the requests: with the port

    /// Serves until stopped, and ends only when the last connection is closed. `answer` gets the query of each GET for exactly this path; all else is
    /// 404. The page goes out before the next thing is done.
    using Answer = std::function<Page(std::string_view query)>;
    plugin::Task<void> serve(Answer answer, std::stop_token stop);

private:
    class Socket;
    struct Open;
    LoopbackListener(LoopbackUri uri, std::unique_ptr<Socket> four, std::unique_ptr<Socket> six);
    Page pageFor(std::string_view head, const Answer& answer) const;
    plugin::Task<void> acceptAll(Socket* socket, const Answer* answer, std::stop_token stop);
    plugin::Task<void> talk(plugin::Handle connection, const Answer* answer, std::stop_token stop);

    LoopbackUri uri_;
    std::uint16_t port_ = 0;
    std::unique_ptr<Socket> four_, six_;  ///< one of them may be missing
    unsigned open_ = 0;
    plugin::Event changed_{};
};

}  // namespace auth::login
