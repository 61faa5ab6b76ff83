#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace auth {

/// Header fields in the order they came; names compare without regard to case (RFC 9110 section 5.1).
class HttpHeaders {
public:
    HttpHeaders() = default;
    HttpHeaders(std::initializer_list<std::pair<std::string, std::string>> fields) : fields_(fields) {}

    void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
    /// The first field of that name. The view lives as long as the headers are not changed.
    std::optional<std::string_view> find(std::string_view name) const;
    /// Of all fields of that name, in the order they came. Live as long.
    std::vector<std::string_view> all(std::string_view name) const;
    const std::vector<std::pair<std::string, std::string>>& fields() const { return fields_; }
    std::vector<std::pair<std::string, std::string>>& fields() { return fields_; }

private:
    std::vector<std::pair<std::string, std::string>> fields_{};
};

/// What an answer may be at most. Past it the answer is refused, not cut.
struct HttpLimits {
    std::size_t header = 64 * 1024;    ///< status lines, fields, interim answers, trailers: all together
    std::uint64_t body = 1024 * 1024;  ///< without the framing of chunks
};

/// One HTTP/1.x answer, taken in pieces of any size (RFC 9110, 9112). Pure: no socket, no clock.
/// Interim answers (1xx) are skipped, trailers checked and dropped, transfer codings other than "chunked" refused.
/// What two parties could read in two ways is refused: Transfer-Encoding beside Content-Length, two lengths, folded lines, blanks before
/// the colon, line ends that are not CR LF, control characters (RFC 9112 sections 2.2, 5.1, 5.2, 6.3, 7.1).
class HttpParser {
public:
    enum class Phase {
        head,       ///< status line and fields are still coming
        body,       ///< status() and headers() hold; body bytes are coming
        done,       ///< the answer is whole; nothing more is taken
        malformed,  ///< why() tells; nothing more is taken
    };
    /// What was asked decides where the answer ends (RFC 9112 section 6.3).
    enum class To {
        ordinary,
        head,     ///< no body follows, whatever the fields say
        connect,  ///< done after the head: behind a 2xx comes the tunnel, whatever the fields say, and nobody wants another one's body
    };
    explicit HttpParser(HttpLimits limits, To to = To::ordinary) : limits_(limits), to_(to) {}

    struct Fed {
        std::size_t used = 0;     ///< bytes of the input that were taken
        std::string_view body{};  ///< a piece of the body, inside the input; may be empty
    };
    /// Takes at least one byte unless the input is empty or the phase is done or malformed; at most up to the end of one piece of the body:
    /// call it until everything is taken.
    Fed feed(std::string_view input);
    /// The stream has ended. Fine only where the body runs until then, or after done.
    void end();

    Phase phase() const noexcept { return phase_; }
    std::string_view why() const noexcept { return why_; }
    int status() const noexcept { return status_; }
    const std::string& reason() const noexcept { return reason_; }  ///< behind the status, as it came; often empty
    const HttpHeaders& headers() const noexcept { return headers_; }
    /// The connection may carry another request once this answer is done.
    bool reusable() const noexcept { return phase_ == Phase::done && keepAlive_; }
    /// As announced; nothing: chunked or until the end of the stream.
    std::optional<std::uint64_t> announced() const noexcept { return announced_; }

private:
    enum class Expect { statusLine, field, exactly, untilEnd, chunkSize, chunkData, chunkEnd, trailer };

    std::size_t takeLine(std::string_view input);
    void line();
    void statusLine();
    void field();
    void headDone();
    void framing();
    void chunkSize();
    void finish(bool keepAlive);
    void refuse(std::string_view why);

    HttpLimits limits_;
    To to_;
    Phase phase_ = Phase::head;
    Expect expect_ = Expect::statusLine;
    std::string_view why_{};  // points to literals only
    std::string line_{};
    std::size_t headBytes_ = 0;
    int status_ = 0;
    std::string reason_{};
    bool http11_ = false;
    bool keepAlive_ = false;
    HttpHeaders headers_{};
    std::optional<std::uint64_t> announced_{};
    std::uint64_t left_ = 0;  // of the body or the chunk
    std::uint64_t bodyBytes_ = 0;
};

/// An absolute http:// or https:// URL, taken apart; nothing is decoded or rewritten.
struct HttpUrl {
    bool tls = true;
    std::string host;        ///< without the brackets of an IPv6 address
    std::uint16_t port = 0;  ///< 80 or 443 if none is written
    std::string target;      ///< path and query as written, at least "/"; no fragment
    std::string authority;   ///< for the Host field: with brackets, and with the port unless it is the usual one
};
/// Nothing: another scheme, a user name (it would be a secret in a URL), no host, a bad port, or a character no URL has.
std::optional<HttpUrl> parseHttpUrl(std::string_view text);

}  // namespace auth
