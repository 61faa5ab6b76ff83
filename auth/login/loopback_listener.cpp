#include "auth/login/loopback_listener.h"

#include "auth/channel/stream_channel.h"
#include "auth/login/redirect.h"
#include "plugin/contract/log.h"

#include <Poco/Net/SocketAddress.h>
#include <Poco/Net/StreamSocketImpl.h>

#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <system_error>
#include <utility>

namespace auth::login {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

constexpr unsigned maxConnections = 16;
constexpr std::chrono::seconds requestTime{10};
constexpr std::size_t maxHead = maxRedirect + 8 * 1024;  // a browser's own fields stay under 8 KiB
constexpr int attemptsForBoth = 8;                       // a port that is free on 127.0.0.1 may be taken on ::1

std::string_view reasonOf(int status) {
    switch (status) {
        case 200:
            return "OK";
        case 404:
            return "Not Found";
        default:
            return "Bad Request";
    }
}

/// No script, no reference to anywhere, and nothing of the address goes on to anybody.
std::string response(const Page& page) {
    const auto body = "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Postern</title></head>\n<body><p>" +
                      htmlText(page.text) + "</p></body></html>\n";
    return "HTTP/1.1 " + std::to_string(page.status) + " " + std::string(reasonOf(page.status)) +
           "\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\nConnection: close\r\nCache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n"
           "Content-Security-Policy: default-src 'none'\r\n\r\n" +
           body;
}

Error cannotListen(const std::string& where, int error) {
    return {Reaction::askOperator, Code::channelUnreachable,
            "nothing can be listened at for the browser to come back to " + where + ": " + std::generic_category().message(error)};
}

}  // namespace

std::optional<LoopbackUri> parseLoopbackUri(std::string_view uri) {
    for (const std::string_view host : {"localhost", "127.0.0.1", "[::1]"}) {
        const auto before = "http://" + std::string(host);
        if (!uri.starts_with(before)) continue;
        auto rest = uri.substr(before.size());
        LoopbackUri parsed;
        if (rest.starts_with(':')) {
            const auto end = std::min(rest.find_first_of("/?"), rest.size());
            const auto [last, error] = std::from_chars(rest.data() + 1, rest.data() + end, parsed.port);
            if (error != std::errc{} || last != rest.data() + end || parsed.port == 0) return std::nullopt;
            rest.remove_prefix(end);
        }
        if (!rest.empty() && rest.front() != '/' && rest.front() != '?') return std::nullopt;
        const auto mark = std::min(rest.find('?'), rest.size());
        parsed.host = host == "[::1]" ? "::1" : host;
        parsed.path = mark == 0 ? "/" : std::string(rest.substr(0, mark));
        if (mark < rest.size()) parsed.query = rest.substr(mark + 1);
        parsed.before = before;
        parsed.after = rest;
        return parsed;
    }
    return std::nullopt;
}

std::optional<std::string_view> targetOfGet(std::string_view requestLine) {
    if (!requestLine.starts_with("GET /")) return std::nullopt;
    requestLine.remove_prefix(4);
    const auto blank = requestLine.find(' ');
    if (blank == std::string_view::npos || !requestLine.substr(blank + 1).starts_with("HTTP/1.")) return std::nullopt;
    return requestLine.substr(0, blank);
}

/// A listening socket of one address. What it accepts is handed on as a descriptor.
class LoopbackListener::Socket {
public:
    Socket(plugin::Handle fd, std::uint16_t port, plugin::Loop& loop) : fd_(std::move(fd)), port_(port), ready_(loop.watch(fd_.get())) {}

    struct Opened {
        std::unique_ptr<Socket> socket{};
        int error = 0;
    };
    static Opened open(plugin::Loop& loop, const std::string& host, std::uint16_t port) {
        const Poco::Net::SocketAddress address(host, port);
        plugin::Handle listening(::socket(address.af(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        if (!listening) return {nullptr, errno};
        const int fd = listening.get(), one = 1;
        if (address.af() == AF_INET6) ::setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
        if (port != 0) ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);  // of a sign-in just before this one
        sockaddr_storage bound{};
        socklen_t length = sizeof bound;
        if (::bind(fd, address.addr(), address.length()) != 0 || ::listen(fd, static_cast<int>(maxConnections)) != 0 ||
            ::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &length) != 0)
            return {nullptr, errno};
        const auto chosen = Poco::Net::SocketAddress(reinterpret_cast<const sockaddr*>(&bound), length).port();
        return {std::make_unique<Socket>(std::move(listening), chosen, loop), 0};
    }

    std::uint16_t port() const { return port_; }
    plugin::Event& readable() { return ready_->readable; }
    /// None: nobody is there just now.
    plugin::Handle accept() {
        int fd = -1;
        do fd = ::accept4(fd_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
        if (fd < 0) ready_->readable.reset();
        return plugin::Handle(fd);
    }

private:
    plugin::Handle fd_;
    std::uint16_t port_;
    std::unique_ptr<plugin::Descriptor> ready_;  // ends before the descriptor it watches
};

LoopbackListener::LoopbackListener(LoopbackUri uri, std::unique_ptr<Socket> four, std::unique_ptr<Socket> six)
    : uri_(std::move(uri)), port_(four ? four->port() : six->port()), four_(std::move(four)), six_(std::move(six)) {}
LoopbackListener::~LoopbackListener() = default;

std::string LoopbackListener::uri() const { return uri_.withPort(port_); }

Result<std::unique_ptr<LoopbackListener>> LoopbackListener::open(plugin::Loop& loop, LoopbackUri uri) {
    const auto made = [&](std::unique_ptr<Socket> four, std::unique_ptr<Socket> six) {
        return std::unique_ptr<LoopbackListener>(new LoopbackListener(uri, std::move(four), std::move(six)));
    };
    if (uri.host == "::1") {
        auto six = Socket::open(loop, "::1", uri.port);
        if (!six.socket) return cannotListen(hostAndPort("::1", uri.port), six.error);
        return made(nullptr, std::move(six.socket));
    }
    for (int attempt = 1;; ++attempt) {
        auto four = Socket::open(loop, "127.0.0.1", uri.port);
        if (!four.socket) return cannotListen(hostAndPort("127.0.0.1", uri.port), four.error);
        if (uri.host != "localhost") return made(std::move(four.socket), nullptr);
        // A browser may take either for localhost: nobody else must be found at the other one.
        auto six = Socket::open(loop, "::1", four.socket->port());
        const bool none = six.error == EADDRNOTAVAIL || six.error == EAFNOSUPPORT;  // this machine has no IPv6
        if (six.socket || none) return made(std::move(four.socket), std::move(six.socket));
        if (uri.port != 0 || attempt == attemptsForBoth) return cannotListen(hostAndPort("::1", four.socket->port()), six.error);
    }
}

Task<void> LoopbackListener::serve(Answer answer, std::stop_token stop) {
    auto& loop = co_await plugin::thisLoop();
    std::vector<std::shared_ptr<plugin::Shared<plugin::Nothing>>> accepting;
    for (auto* socket : {four_.get(), six_.get()})
        if (socket != nullptr) accepting.push_back(plugin::start(loop, acceptAll(socket, &answer, stop)));
    for (const auto& each : accepting) {
        auto ended = each->wait(plugin::Deadline::max(), {});
        co_await ended;
    }
    while (open_ > 0) {
        changed_.reset();
        auto changed = changed_.wait(plugin::Deadline::max(), {});
        co_await changed;
    }
}

Task<void> LoopbackListener::acceptAll(Socket* socket, const Answer* answer, std::stop_token stop) {
    auto& loop = co_await plugin::thisLoop();
    while (!stop.stop_requested()) {
        auto connection = socket->accept();
        if (!connection) {
            auto ready = socket->readable().wait(plugin::Deadline::max(), stop);
            co_await ready;
        } else if (open_ < maxConnections) {
            ++open_;
            loop.spawn(talk(std::move(connection), answer, stop));
        }
    }
}

/// One of the connections that are open: counted by whoever accepts it.
struct LoopbackListener::Open {
    LoopbackListener& listener;
    ~Open() {
        --listener.open_;
        listener.changed_.set();
    }
};

Page LoopbackListener::pageFor(std::string_view head, const Answer& answer) const {
    const auto target = targetOfGet(head.substr(0, head.find("\r\n")));
    const auto mark = target ? std::min(target->find('?'), target->size()) : 0;
    if (!target || target->substr(0, mark) != uri_.path) return {404, "There is nothing here."};
    return answer(target->substr(std::min(mark + 1, target->size())));
}

Task<void> LoopbackListener::talk(plugin::Handle connection, const Answer* answer, std::stop_token stop) {
    auto& loop = co_await plugin::thisLoop();
    const Open counted{*this};  // until after the channel is closed
    const auto deadline = loop.clock().steady() + requestTime;
    const std::string name = "the browser";
    const int fd = connection.release();
    Poco::Net::StreamSocket socket(new Poco::Net::StreamSocketImpl(fd));
    StreamChannel channel(std::make_unique<TcpTransport>(socket, loop.watch(fd), name), name);
    std::string head;
    std::vector<char> buffer(4096);
    while (head.find("\r\n\r\n") == std::string::npos) {
        auto got = co_await channel.read(buffer, deadline, stop);
        if (!got || *got == 0 || head.size() + *got > maxHead) co_return;
        head.append(buffer.data(), *got);
    }
    const auto wire = response(pageFor(head, *answer));
    // Past a stop too: whoever sits before the browser wants to see how it ended. One that has gone is no failure: what it brought is here.
    auto written = co_await channel.write(wire, deadline, {});
    static_cast<void>(written);
}

}  // namespace auth::login
