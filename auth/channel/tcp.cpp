#include "auth/channel/tcp.h"

#include <Poco/Net/StreamSocketImpl.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <system_error>

namespace auth {

namespace {

// A parked mailbox says nothing for half an hour. Address translators on the way forget a silent connection after 4 minutes (Azure) or
// 5: a probe a minute keeps it alive, and tells within 90 s that the line is dead, which nothing else would.
constexpr int keepAliveIdleSeconds = 60;
constexpr int keepAliveIntervalSeconds = 10;
constexpr int keepAliveProbes = 3;
// What we sent and nobody acknowledges: the kernel's own patience would be a quarter of an hour.
constexpr unsigned unacknowledgedMilliseconds = 30'000;

std::string reason(int error) { return std::generic_category().message(error); }

plugin::Error socketError(int error, const std::string& name) {
    using plugin::Code;
    switch (error) {
        case ECONNREFUSED:
            return {plugin::Reaction::reconnect, Code::channelRefused, "nothing listens at " + name};
        case ETIMEDOUT:
            return {plugin::Reaction::reconnect, Code::channelTimeout, "the line to " + name + " is dead: nothing we sent was acknowledged"};
        case ENETUNREACH:
        case EHOSTUNREACH:
        case ENETDOWN:
        case EHOSTDOWN:
        case EADDRNOTAVAIL:
        case EAFNOSUPPORT:
        case EACCES:
        case EPERM:  // a firewall of this machine
            return {plugin::Reaction::reconnect, Code::channelUnreachable, name + " cannot be reached: " + reason(error)};
        case ECONNRESET:
        case EPIPE:
            return {plugin::Reaction::reconnect, Code::channelClosed, name + " has cut the connection"};
        default:
            return {plugin::Reaction::reconnect, Code::channelClosed, "the connection to " + name + " failed: " + reason(error)};
    }
}

template <class Value>
void option(int fd, int level, int name, Value value) {
    // Best effort: a connection without a keep-alive is better than none.
    ::setsockopt(fd, level, name, &value, sizeof value);
}

bool connected(int fd) {
    sockaddr_storage peer{};
    socklen_t length = sizeof peer;
    return ::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &length) == 0;
}

int pendingError(int fd) {
    int error = 0;
    socklen_t length = sizeof error;
    return ::getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length) == 0 ? error : errno;
}

}  // namespace

plugin::Error timedOut(std::string what) { return {plugin::Reaction::reconnect, plugin::Code::channelTimeout, std::move(what)}; }
plugin::Error givenUp(const std::string& name) {
    return {plugin::Reaction::retryLater, plugin::Code::channelStopped,
            "the connection to " + name + " was given up because the service is stopping"};
}

std::string hostAndPort(std::string_view host, std::uint16_t port) {
    const bool bare6 = host.find(':') != std::string_view::npos;
    return (bare6 ? "[" + std::string(host) + "]" : std::string(host)) + ":" + std::to_string(port);
}

TcpTransport::TcpTransport(Poco::Net::StreamSocket socket, std::unique_ptr<plugin::Descriptor> ready, std::string name)
    : socket_(std::move(socket)), ready_(std::move(ready)), name_(std::move(name)) {
    // "Not set" must mean that the kernel has said EAGAIN since: then a try costs no system call.
    ready_->readable.set();
    ready_->writable.set();
}

Transport::Moved TcpTransport::missed(plugin::Event& event, State want) {
    const int cause = errno;
    if (cause == EAGAIN || cause == EWOULDBLOCK) {
        event.reset();
        return {want};
    }
    error_ = cause;
    if (want == State::wantRead)
        readError_ = cause;
    else
        ready_->readable.set();  // what the other side said before is here, told of or not
    return {State::failed};
}

Transport::Moved TcpTransport::tryRead(std::span<char> into) {
    if (const auto taken = takeUnread(into); taken > 0) return {State::moved, taken};
    if (readError_ != 0) {
        error_ = readError_;
        return {State::failed};
    }
    if (!ready_->readable.isSet()) return {State::wantRead};
    ssize_t got = 0;
    do got = ::recv(socket_.impl()->sockfd(), into.data(), into.size(), 0);
    while (got < 0 && errno == EINTR);
    if (got > 0) return {State::moved, static_cast<std::size_t>(got)};
    if (got == 0) return {State::ended};
    return missed(ready_->readable, State::wantRead);
}

Transport::Moved TcpTransport::tryWrite(std::string_view bytes) {
    if (!ready_->writable.isSet()) return {State::wantWrite};
    ssize_t put = 0;
    do put = ::send(socket_.impl()->sockfd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    while (put < 0 && errno == EINTR);
    if (put > 0) return {State::moved, static_cast<std::size_t>(put)};
    return missed(ready_->writable, State::wantWrite);
}

plugin::Error TcpTransport::failure() const { return socketError(error_, name_); }

plugin::Task<plugin::Result<std::unique_ptr<TcpTransport>>> connectTcp(Poco::Net::SocketAddress address, std::string name, plugin::Deadline deadline,
                                                                       std::stop_token stop) {
    auto& loop = co_await plugin::thisLoop();
    // Made here and lent to Poco, whose own socket would be handed down to every program we start.
    const int fd = ::socket(address.af(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        co_return plugin::Error{plugin::Reaction::retryLater, plugin::Code::channelUnreachable, "no socket for " + name + ": " + reason(errno)};
    Poco::Net::StreamSocket socket(new Poco::Net::StreamSocketImpl(fd));
    option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    option(fd, IPPROTO_TCP, TCP_KEEPIDLE, keepAliveIdleSeconds);
    option(fd, IPPROTO_TCP, TCP_KEEPINTVL, keepAliveIntervalSeconds);
    option(fd, IPPROTO_TCP, TCP_KEEPCNT, keepAliveProbes);
    option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, unacknowledgedMilliseconds);

    const bool started = ::connect(fd, address.addr(), address.length()) == 0 || errno == EINPROGRESS;
    if (!started) co_return socketError(errno, name);
    auto ready = loop.watch(fd);
    while (!connected(fd)) {
        if (const int error = pendingError(fd); error != 0) co_return socketError(error, name);
        ready->writable.reset();
        auto wait = ready->writable.wait(deadline, stop);
        const auto woke = co_await wait;
        if (woke == plugin::Wake::timedOut) co_return timedOut(name + " did not accept the connection in time");
        if (woke == plugin::Wake::stopped) co_return givenUp(name);
    }
    co_return std::make_unique<TcpTransport>(std::move(socket), std::move(ready), std::move(name));
}

}  // namespace auth
