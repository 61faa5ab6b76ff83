#include "auth/channel/http_client.h"

#include "auth/channel/tcp.h"
#include "auth/secret.h"
#include "plugin/contract/loop.h"

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
constexpr std::size_t smallestRead = 4096;   // for who waits with little room
// Of a body at a time. Up to this a request is taken by the buffers of any socket: nobody has to look for an answer while it is being sent.
constexpr std::size_t pieceSize = 64 * 1024;

/// What requests and token answers carry must not stay behind in freed memory.
void wipe(std::string& text) {
    if (!text.empty()) OPENSSL_cleanse(text.data(), text.size());
    text.clear();
}

/// As append(), but that what growing leaves behind is wiped.
void appendTo(std::string& text, std::string_view more) {
    if (text.capacity() - text.size() < more.size()) {
        std::string larger;
        larger.reserve(2 * (text.size() + more.size()));
        larger.append(text);
        text.swap(larger);
        wipe(larger);
    }
    text.append(more);
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
Secret serialize(const HttpRequest& request, const HttpUrl& url, bool keep) {
    for (const auto* ours : {"Host", "Content-Length", "Connection", "Accept-Encoding", "Transfer-Encoding"})
        if (request.headers.find(ours)) throw std::logic_error(std::string("a request brings its own ") + ours);
    auto expected = 512 + url.target.size() + request.body.size();
    for (const auto& [name, value] : request.headers.fields()) expected += name.size() + value.size() + 4;
    SecretBuilder wire(expected);
    wire.add(request.method).add(" ").add(url.target).add(" HTTP/1.1\r\nHost: ").add(url.authority).add("\r\n");
    for (const auto& [name, value] : request.headers.fields()) {
        if (name.empty() || !printableField(name) || name.find_first_of(": \t") != std::string::npos || !printableField(value))
            throw std::logic_error("a request has a header field that is no proper one: " + plugin::printable(name));
        wire.add(name).add(": ").add(value).add("\r\n");
    }
    wire.add("Accept-Encoding: identity\r\n");
    if (!keep) wire.add("Connection: close\r\n");
    if (request.source && !request.body.empty()) throw std::logic_error("a request has two bodies");
    const bool bodiless = !request.source && request.body.empty() && (request.method == "GET" || request.method == "HEAD");
    const auto length = request.source ? request.source->size : request.body.size();
    if (!bodiless) wire.add("Content-Length: ").add(std::to_string(length)).add("\r\n");
    wire.add("\r\n").add(request.body);
    return wire.finish();
}

/// RFC 9110 section 9.2.2, or the other side has been given the means to see the second one as a repetition.
bool repeatable(const HttpRequest& request) {
    constexpr std::array methods{"GET", "HEAD", "PUT", "DELETE", "OPTIONS"};
    return std::find(methods.begin(), methods.end(), request.method) != methods.end() || request.headers.find("Idempotency-Key").has_value();
}

Target targetOf(const HttpUrl& url, const HttpRequest& request) {
    return {.host = url.host,
            .port = url.port,
            .tls = url.tls ? Target::Tls::implicit : Target::Tls::none,
            .truststore = request.truststore,
            .proxy = request.proxy,
            .keystore = request.keystore,
            .keyAlias = request.keyAlias};
}

/// Gone from memory when it goes out of scope.
struct Wiped {
    std::string text;
    ~Wiped() { wipe(text); }
};

/// Sending and reading at the same time: each can end the other, and whoever asks for both can end both. Shared by them, since a loop that goes away
/// destroys their frames in any order.
struct Ends {
    std::stop_source sending{};
    std::stop_source reading{};
    bool sourceFailed = false;
};
struct EndsOther {  // also where a bug passes through
    std::shared_ptr<Ends> ends;
    std::stop_source* other;
    ~EndsOther() {
        if (other != nullptr) other->request_stop();
    }
};

}  // namespace

/// One connection and the answer that is being read from it.
class HttpSession::Connection {
public:
    Connection(std::unique_ptr<Channel> channel, HttpUrl url, Target target)
        : channel_(std::move(channel)), url_(std::move(url)), target_(std::move(target)) {}
    ~Connection() { OPENSSL_cleanse(buffer_.data(), buffer_.size()); }

    bool leadsTo(const Target& target) const { return target == target_; }

    /// The last answer is whole, the connection open, and nothing has come that nobody asked for.
    Task<bool> reusable(Deadline now, std::stop_token stop) {
        if (!sentWhole_ || !parser_.reusable() || !unread_.empty()) co_return false;
        std::array<char, 1> unwanted{};
        auto got = co_await channel_->read(unwanted, now, stop);
        co_return !got && got.error().code == plugin::Code::channelTimeout;
    }
    /// Nothing at all has come since the request was sent.
    bool silent() const { return silent_; }

    /// Sends, and reads up to the end of the answer's head. `wire` outlives the task.
    Task<Result<HttpAnswer>> exchange(std::string_view wire, std::shared_ptr<const HttpBody> source, HttpLimits limits, bool toHead,
                                      Deadline deadline, std::stop_token stop) {
        room_ = readSize;
        parser_ = HttpParser(limits, toHead ? HttpParser::To::head : HttpParser::To::ordinary);
        unread_ = {};
        silent_ = true;
        if (source || wire.size() > pieceSize) {
            auto answer = co_await exchangeAtOnce(wire, std::move(source), deadline, stop);
            co_return answer;
        }
        auto written = co_await channel_->write(wire, deadline, stop);
        // Where the connection broke, reading knows as much as writing, and perhaps why.
        if (!written && written.error().code != plugin::Code::channelClosed) co_return written.error();
        auto head = co_await readHead(deadline, stop);
        co_return head;
    }

    /// The next piece of the body, inside the buffer; empty = the body is whole. most  whoever wants little at a time waits with little
    Task<Result<std::string_view>> next(Deadline deadline, std::stop_token stop, std::size_t most = readSize) {
        room_ = std::clamp(most, smallestRead, readSize);
        while (piece_.empty() && parser_.phase() != HttpParser::Phase::done) {
            auto fed = co_await step(deadline, stop);
            if (!fed) co_return fed.error();
        }
        if (piece_.empty() && unread_.empty()) makeRoom(0);
        co_return std::exchange(piece_, {});
    }
    void giveBack(std::string_view rest) { piece_ = rest; }
    std::optional<std::uint64_t> announced() const { return parser_.announced(); }

private:
    /// Reads while it sends: an answer may come before everything is sent, and whoever gives it may take no more.
    Task<Result<HttpAnswer>> exchangeAtOnce(std::string_view wire, std::shared_ptr<const HttpBody> source, Deadline deadline, std::stop_token stop) {
        auto& loop = co_await plugin::thisLoop();
        const auto ends = std::make_shared<Ends>();
        const std::stop_callback both(stop, [ends] {
            ends->sending.request_stop();
            ends->reading.request_stop();
        });
        sentWhole_ = false;
        auto sender = plugin::start(loop, send(wire, std::move(source), ends, deadline));
        auto reader = plugin::start(loop, hear(ends, deadline));
        auto heard = reader->wait(Deadline::max(), {});  // both live in this frame: neither is left behind
        co_await heard;
        auto over = sender->wait(Deadline::max(), {});
        co_await over;
        const auto& sent = sender->get();
        auto& head = reader->get();
        sentWhole_ = static_cast<bool>(sent);
        // A success of what did not arrive is none; and where the connection broke, reading knows as much as writing.
        const bool pointless = head && head->status < 300;
        if (!sent && (pointless || (!head && ends->sourceFailed))) co_return sent.error();
        co_return std::move(head);
    }

    /// Ends the reading only where no answer can come any more: a write that fails may have met an early answer and its end.
    Task<Result<void>> send(std::string_view wire, std::shared_ptr<const HttpBody> source, std::shared_ptr<Ends> ends, Deadline deadline) {
        const auto stop = ends->sending.get_token();
        auto written = co_await channel_->write(wire, deadline, stop);
        if (!written || !source) co_return written;
        Wiped piece{std::string(static_cast<std::size_t>(std::min<std::uint64_t>(pieceSize, source->size)), '\0')};
        for (std::uint64_t at = 0; at < source->size;) {
            if (stop.stop_requested()) co_return givenUp(origin(url_));
            const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(piece.text.size(), source->size - at));
            auto got = co_await take(source.get(), at, std::span(piece.text).first(wanted), ends);
            if (!got) co_return got.error();
            written = co_await channel_->write(std::string_view(piece.text).substr(0, *got), deadline, stop);
            if (!written) co_return written;
            at += *got;
        }
        co_return Result<void>{};
    }

    /// At least one octet of the body, or why there is none.
    Task<Result<std::size_t>> take(const HttpBody* source, std::uint64_t at, std::span<char> into, std::shared_ptr<Ends> ends) {
        EndsOther unless{ends, &ends->reading};
        auto got = co_await source->read(at, into);
        if (got && *got > into.size()) throw std::logic_error("a body gave more than it was asked for");
        ends->sourceFailed = !got || *got == 0;
        if (!got) co_return got;
        if (*got == 0)
            co_return plugin::Error{Reaction::retryLater, plugin::Code::channelHttpProtocol,
                                    "a request to " + origin(url_) + " was not sent whole: its body ended after " + std::to_string(at) + " of " +
                                        std::to_string(source->size) + " octets"};
        unless.other = nullptr;
        co_return got;
    }

    /// The head while the request is being sent. Ends the sending where nobody wants the rest; behind a success the rest is still owed.
    Task<Result<HttpAnswer>> hear(std::shared_ptr<Ends> ends, Deadline deadline) {
        EndsOther unless{ends, &ends->sending};
        auto head = co_await readHead(deadline, ends->reading.get_token());
        if (head && head->status < 300) unless.other = nullptr;
        co_return head;
    }

    Task<Result<HttpAnswer>> readHead(Deadline deadline, std::stop_token stop) {
        while (parser_.phase() == HttpParser::Phase::head) {
            auto fed = co_await step(deadline, stop);
            if (!fed) co_return fed.error();
        }
        co_return HttpAnswer{parser_.status(), parser_.headers(), {}};
    }

    /// One step of the parser; waits only where nothing is left of what was read.
    Task<Result<void>> step(Deadline deadline, std::stop_token stop) {
        if (unread_.empty()) {
            makeRoom(room_);
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

    /// Connections are kept for long: between two answers there is no buffer.
    void makeRoom(std::size_t octets) {
        if (buffer_.size() == octets) return;
        OPENSSL_cleanse(buffer_.data(), buffer_.size());
        buffer_ = std::vector<char>(octets);
    }

    std::unique_ptr<Channel> channel_;
    HttpUrl url_;
    Target target_;
    HttpParser parser_{HttpLimits{}};
    std::vector<char> buffer_{};
    std::size_t room_ = readSize;
    std::string_view unread_{};  // of the buffer, not yet parsed
    std::string_view piece_{};   // of the buffer, body not yet taken
    bool silent_ = true;
    bool sentWhole_ = true;
};

HttpSession::HttpSession(Dialer& dialer, Keep keep) : dialer_(dialer), keep_(keep) {}
HttpSession::~HttpSession() = default;
void HttpSession::close() { connection_.reset(); }

Task<Result<HttpAnswer>> HttpSession::begin(HttpRequest request, Deadline deadline, std::stop_token stop) {
    auto url = parseHttpUrl(request.url);
    wipe(request.url);
    if (!url)
        co_return plugin::Error{Reaction::askOperator, plugin::Code::channelHttpProtocol, "a URL is not of the form http[s]://host[:port]/path"};
    const auto wire = serialize(request, *url, keep_ == Keep::yes);
    const auto target = targetOf(*url, request);
    const bool mayRepeat = repeatable(request);
    wipe(url->target);  // with a refresh token in it, where a provider wants that
    wipe(request.body);
    for (auto& field : request.headers.fields()) wipe(field.second);

    if (connection_) {
        auto& loop = co_await plugin::thisLoop();
        bool reuse = connection_->leadsTo(target);
        if (reuse) reuse = co_await connection_->reusable(loop.clock().steady(), stop);
        if (!reuse) connection_.reset();
    }
    for (;;) {
        const bool kept = connection_ != nullptr;
        if (!kept) {
            auto channel = co_await dialer_.dial(target, deadline, stop);
            if (!channel) co_return channel.error();
            connection_ = std::make_unique<Connection>(std::move(*channel), *url, target);
        }
        auto answer = co_await connection_->exchange(wire.reveal(), request.source, request.limits, request.method == "HEAD", deadline, stop);
        if (answer) co_return answer;
        const bool again = kept && mayRepeat && connection_->silent() && answer.error().code == plugin::Code::channelClosed;
        connection_.reset();
        if (!again) co_return answer;
    }
}

Task<Result<std::size_t>> HttpSession::read(std::span<char> into, Deadline deadline, std::stop_token stop) {
    if (!connection_) throw std::logic_error("a body is read of no answer");
    auto piece = co_await connection_->next(deadline, stop, into.size());
    if (!piece) {
        const auto code = piece.error().code;
        if (code != plugin::Code::channelTimeout && code != plugin::Code::channelStopped) connection_.reset();  // else nothing was taken (channel.h)
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
        appendTo(answer->body, *piece);
    }
}

Task<Result<HttpAnswer>> HttpClient::request(HttpRequest request, Deadline deadline, std::stop_token stop) {
    HttpSession session(dialer_, HttpSession::Keep::no);
    auto answer = co_await session.request(std::move(request), deadline, stop);
    co_return answer;
}

}  // namespace auth
