#pragma once

#include "auth/channel/channel.h"
#include "auth/channel/http_parser.h"
#include "plugin/contract/result.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>

namespace auth {

/// A body that is not held in memory. `read` fills what it is given from `offset` on and answers how much that was, 0 only at the end; it may
/// be asked for the same octets again (a request that is repeated). An Error of it, or an end before `size` (retryLater channelHttpProtocol),
/// ends the request and the connection. It is not stopped: what it is asked for is waited for, past the request's deadline too.
struct HttpBody {
    std::uint64_t size = 0;  ///< exactly
    std::function<plugin::Task<plugin::Result<std::size_t>>(std::uint64_t offset, std::span<char> into)> read;
};

/// Headers and body are wiped when they have been sent. Host, Content-Length, Connection and Accept-Encoding are added; giving one of them, or
/// Transfer-Encoding, is a bug.
struct HttpRequest {
    std::string method = "GET";
    std::string url;  ///< absolute; plain http is the configuration's business
    HttpHeaders headers{};
    std::string body{};                        ///< Content-Length is sent for it, also when empty unless the method is GET or HEAD
    std::shared_ptr<const HttpBody> source{};  ///< instead of `body`; both is a bug
    std::string truststore{};                  ///< alias, as in Target
    std::string keystore{}, keyAlias{};        ///< as in Target
    std::string proxy{};                       ///< alias, as in Target; http:// goes through a tunnel too
    HttpLimits limits{};
};

struct HttpAnswer {
    int status = 0;
    HttpHeaders headers{};
    std::string body{};  ///< whole; empty when it was begun as a stream
};

/// HTTP/1.1 requests one after the other, over one kept connection where the other side allows it. Belongs to one loop, one request at a
/// time. No redirects, no compression, no cookies, no environment. Any status is an answer, not an error.
/// Errors: askOperator channelHttpProtocol (bad URL), reconnect channelHttpProtocol (not HTTP, past a limit), and those of Dialer and
/// Channel. They name scheme, host and port of the URL only. After an error the connection is gone, the next request dials anew.
/// A kept connection that turns out to be closed before one byte of the answer came is replaced, and the request sent once more, only
/// where that cannot do harm: the method is GET, HEAD, PUT, DELETE or OPTIONS (RFC 9110 section 9.2.2), or it carries Idempotency-Key.
/// An answer of 300 and above may come before the body is sent (RFC 9112 section 9.5): it is the answer, and the connection is not kept. With a
/// smaller one the body is sent to its end, and if that fails, the failure is the answer.
class HttpSession {
public:
    enum class Keep { yes, no };  ///< no: says "Connection: close"
    explicit HttpSession(Dialer& dialer, Keep keep = Keep::yes);
    ~HttpSession();
    HttpSession(const HttpSession&) = delete;
    HttpSession& operator=(const HttpSession&) = delete;

    plugin::Task<plugin::Result<HttpAnswer>> request(HttpRequest request, plugin::Deadline deadline, std::stop_token stop);

    /// The answer's head; its body is then taken with read(). Whatever is left of it at the next request or begin costs the connection.
    plugin::Task<plugin::Result<HttpAnswer>> begin(HttpRequest request, plugin::Deadline deadline, std::stop_token stop);
    /// Waits for body bytes and takes what is there. 0 = the body is whole. One that timed out or was stopped has taken nothing and may be repeated.
    plugin::Task<plugin::Result<std::size_t>> read(std::span<char> into, plugin::Deadline deadline, std::stop_token stop);

    void close();  ///< drops the connection

private:
    class Connection;
    Dialer& dialer_;
    const Keep keep_;
    std::unique_ptr<Connection> connection_;
};

/// Thread-safe: a connection of its own for each request ("Connection: close"), on the loop of the caller. For what is rare, as tokens are.
class HttpClient {
public:
    explicit HttpClient(Dialer& dialer) : dialer_(dialer) {}
    /// As HttpSession::request.
    plugin::Task<plugin::Result<HttpAnswer>> request(HttpRequest request, plugin::Deadline deadline, std::stop_token stop);

private:
    Dialer& dialer_;
};

}  // namespace auth
