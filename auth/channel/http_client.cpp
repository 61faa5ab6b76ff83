#include "auth/channel/http_client.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <array>
#include <stdexcept>
#include <utility>
#include <vector>

namespace auth {

namespace {

using plugin::Deadline;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

constexpr std::size_t readSize = 16 * 1024;  // one TLS record

/// What requests and token answers carry must not stay behind in freed memory.
void wipe(std::string& text) {
    if (!text.empty()) OPENSSL_cleanse(text.data(), text.size());
    text.clear();
}

/// Where a request goes, as far as it may be told: path and query can hold what is nobody's business.
std::string origin(const HttpUrl& url) { return (url.tls ? "https://" : "http://") + url.authority; }

plugin::Error notHttp(const HttpUrl& url, std::string_view why) {
    return {Reaction::reconnect, plugin::Code::channelHttpProtocol, "the answer of " + origin(url) + " is no proper HTTP: " + std::string(why)};
}

bool printableField(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) >= 0x20 && c != 0x7f) || c == '\t'; });
}

/// The request as it goes over the wire, head and body.
std::string serialize(const HttpRequest& request, const HttpUrl& url, bool keep) {
    for (const auto* ours : {"Host", "Content-Length", "Connection", "Accept-Encoding", "Transfer-Encoding"})
        if (request.headers.find(ours)) throw std::logic_error(std::string("a request brings its own ") + ours);
    std::string wire;
    wire.reserve(512 + url.target.size() + request.body.size() + 64 * request.headers.fields().size());
    wire.append(request.method).append(" ").append(url.target).append(" HTTP/1.1\r\nHost: ").append(url.authority).append("\r\n");
    for (const auto& [name, value] : request.headers.fields()) {
        if (name.empty() || !printableField(name) || name.find_first_of(": \t") != std::string::npos || !printableField(value))
            throw std::logic_error("a request has a header field that is no proper one: " + plugin::printable(name));
        wire.append(name).append(": ").append(value).append("\r\n");
    }
    wire.append("Accept-Encoding: identity\r\n");
    if (!keep) wire.append("Connection: close\r\n");
    const bool bodiless = request.body.empty() && (request.method == "GET" || request.method == "HEAD");
    if (!bodiless) wire.append("Content-Length: ").append(std::to_string(request.body.size())).append("\r\n");
    wire.append("\r\n").append(request.body);
    return wire;
}

/// RFC 9110 section 9.2.2, or the other side has been given the means to see the second one as a repetition.
bool repeatable(const HttpRequest& request) {
    constexpr std::array methods{"GET", "HEAD", "PUT", "DELETE", "OPTIONS"};
    return std::find(methods.begin(), methods.end(), request.method) != methods.end() || request.headers.find("Idempotency-Key").has_value();
}

/// Gone from memory when it goes out of scope.
struct Wiped {
    std::string text;
    ~Wiped() { wipe(text); }
};

}  // namespace

/// One connection and the answer that is being read from it.
class HttpSession::Connection {
public:
    Connection(std::unique_ptr<Channel> channel, HttpUrl url, std::string truststore, std::string proxy)
        : channel_(std::move(channel)), url_(std::move(url)), truststore_(std::move(truststore)), proxy_(std::move(proxy)) {}
    ~Connection() { OPENSSL_cleanse(buffer_.data(), buffer_.size()); }

    bool fits(const HttpUrl& url, const HttpRequest& request) const {
        return url.tls == url_.tls && url.host == url_.host && url.port == url_.port && request.truststore == truststore_ && request.proxy == proxy_;
    }

    /// The last answer is whole, the connection open, and nothing has come that nobody asked for.
    Task<bool> reusable(Deadline now, std::stop_token stop) {
        if (!parser_.reusable() || !unread_.empty()) co_return false;
        auto got = co_await channel_->read(buffer_, now, stop);
        co_return !got && got.error().code == plugin::Code::channelTimeout;
    }
    /// Nothing at all has come since the request was sent.
    bool silent() const { return silent_; }

    /// Sends, and reads up to the end of the answer's head.
    Task<Result<HttpAnswer>> exchange(std::string_view wire, HttpLimits limits, bool toHead, Deadline deadline, std::stop_token stop) {
        parser_ = HttpParser(limits, toHead ? HttpParser::To::head : HttpParser::To::ordinary);
        unread_ = {};
        silent_ = true;
        auto written = co_await channel_->write(wire, deadline, stop);
        if (!written) co_return written.error();
        while (parser_.phase() == HttpParser::Phase::head) {
            auto fed = co_await step(deadline, stop);
            if (!fed) co_return fed.error();
        }
        co_return HttpAnswer{parser_.status(), parser_.headers(), {}};
    }

    /// The next piece of the body, inside the buffer; empty = the body is whole.
    Task<Result<std::string_view>> next(Deadline deadline, std::stop_token stop) {
        while (piece_.empty() && parser_.phase() != HttpParser::Phase::done) {
            auto fed = co_await step(deadline, stop);
            if (!fed) co_return fed.error();
        }
        co_return std::exchange(piece_, {});
    }
    void giveBack(std::string_view rest) { piece_ = rest; }
    std::optional<std::uint64_t> announced() const { return parser_.announced(); }

private:
    /// One step of the parser; waits only where nothing is left of what was read.
    Task<Result<void>> step(Deadline deadline, std::stop_token stop) {
        if (unread_.empty()) {
            auto got = co_await channel_->read(buffer_, deadline, stop);
            if (!got) co_return got.error();
            if (*got == 0 && silent_)
                co_return plugin::Error{Reaction::reconnect, plugin::Code::channelClosed, origin(url_) + " closed the connection without an answer"};
            if (*got == 0) parser_.end();
            silent_ = false;
            unread_ = std::string_view(buffer_.data(), *got);
        }
        const auto fed = parser_.feed(unread_);
        unread_.remove_prefix(fed.used);
        piece_ = fed.body;
        if (parser_.phase() == HttpParser::Phase::malformed) co_return notHttp(url_, parser_.why());
        co_return Result<void>{};
    }

    std::unique_ptr<Channel> channel_;
    HttpUrl url_;
    std::string truststore_;
    std::string proxy_;
    HttpParser parser_{HttpLimits{}};
    std::vector<char> buffer_ = std::vector<char>(readSize);
    std::string_view unread_{};  // of the buffer, not yet parsed
    std::string_view piece_{};   // of the buffer, body not yet taken
    bool silent_ = true;
};

HttpSession::HttpSession(Dialer& dialer, Keep keep) : dialer_(dialer), keep_(keep) {}
HttpSession::~HttpSession() = default;
void HttpSession::close() { connection_.reset(); }

Task<Result<HttpAnswer>> HttpSession::begin(HttpRequest request, Deadline deadline, std::stop_token stop) {
    const auto url = parseHttpUrl(request.url);
    if (!url)
        co_return plugin::Error{Reaction::askOperator, plugin::Code::channelHttpProtocol, "a URL is not of the form http[s]://host[:port]/path"};
    Wiped wire{serialize(request, *url, keep_ == Keep::yes)};
    const bool mayRepeat = repeatable(request);
    wipe(request.body);
    for (auto& field : request.headers.fields()) wipe(field.second);

    if (connection_) {
        auto& loop = co_await plugin::thisLoop();
        bool reuse = connection_->fits(*url, request);
        if (reuse) reuse = co_await connection_->reusable(loop.clock().steady(), stop);
        if (!reuse) connection_.reset();
    }
    for (;;) {
        const bool kept = connection_ != nullptr;
        if (!kept) {
            Target target{url->host, url->port, url->tls ? Target::Tls::implicit : Target::Tls::none, request.truststore, request.proxy};
            auto channel = co_await dialer_.dial(std::move(target), deadline, stop);
            if (!channel) co_return channel.error();
            connection_ = std::make_unique<Connection>(std::move(*channel), *url, request.truststore, request.proxy);
        }
        auto answer = co_await connection_->exchange(wire.text, request.limits, request.method == "HEAD", deadline, stop);
        if (answer) co_return answer;
        const bool again = kept && mayRepeat && connection_->silent() && answer.error().code == plugin::Code::channelClosed;
        connection_.reset();
        if (!again) co_return answer;
    }
}

Task<Result<std::size_t>> HttpSession::read(std::span<char> into, Deadline deadline, std::stop_token stop) {
    if (!connection_) throw std::logic_error("a body is read of no answer");
    auto piece = co_await connection_->next(deadline, stop);
    if (!piece) {
        connection_.reset();
        co_return piece.error();
    }
    const auto taken = std::min(into.size(), piece->size());
    std::copy_n(piece->begin(), taken, into.begin());
    connection_->giveBack(piece->substr(taken));
    co_return taken;
}

Task<Result<HttpAnswer>> HttpSession::request(HttpRequest request, Deadline deadline, std::stop_token stop) {
    auto answer = co_await begin(std::move(request), deadline, stop);
    if (!answer) co_return answer;
    if (const auto announced = connection_->announced()) answer->body.reserve(static_cast<std::size_t>(*announced));
    for (;;) {
        auto piece = co_await connection_->next(deadline, stop);
        if (!piece) {
            connection_.reset();
            wipe(answer->body);
            co_return piece.error();
        }
        if (piece->empty()) co_return answer;
        answer->body.append(*piece);
    }
}

Task<Result<HttpAnswer>> HttpClient::request(HttpRequest request, Deadline deadline, std::stop_token stop) {
    HttpSession session(dialer_, HttpSession::Keep::no);
    auto answer = co_await session.request(std::move(request), deadline, stop);
    co_return answer;
}

}  // namespace auth
