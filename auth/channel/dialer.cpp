#include "auth/channel/channel.h"
#include "auth/channel/tcp.h"
#include "auth/channel/tls_context.h"
#include "auth/channel/tls_transport.h"

#include <netdb.h>

#include <algorithm>
#include <utility>
#include <vector>

namespace auth {

namespace {

using plugin::Deadline;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;
using plugin::Wake;

constexpr std::size_t maxHost = 253;  // RFC 1035 section 2.3.4, as text
// Of a stream that always has more, before others get their turn.
constexpr std::size_t bytesBeforeYield = 1U << 20;
// Without a deadline an address that swallows everything must not keep us from the next one.
constexpr auto patiencePerAddress = std::chrono::seconds(30);

using Addresses = std::vector<Poco::Net::SocketAddress>;

/// Lets the loop do everything else that is due.
struct Yield {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> waiter) const {
        waiter.promise().loop->ready(waiter);
    }
    void await_resume() const noexcept {}
};

class StreamChannel final : public Channel {
public:
    StreamChannel(std::unique_ptr<TcpTransport> tcp, std::unique_ptr<TlsTransport> tls, std::string name)
        : tcp_(std::move(tcp)), tls_(std::move(tls)), top_(tls_ ? static_cast<Transport&>(*tls_) : *tcp_), name_(std::move(name)) {}

    Task<Result<std::size_t>> read(std::span<char> into, Deadline deadline, std::stop_token stop) override {
        if (into.empty()) throw std::logic_error("a read into nothing");
        for (;;) {
            if (stop.stop_requested()) co_return givenUp(name_);
            if (movedSinceWait_ >= bytesBeforeYield) {
                movedSinceWait_ = 0;
                co_await Yield{};
            }
            const auto moved = top_.tryRead(into);
            movedSinceWait_ += moved.bytes;
            if (moved.state == Transport::State::moved) co_return moved.bytes;
            if (moved.state == Transport::State::ended) co_return std::size_t{0};
            if (moved.state == Transport::State::failed) co_return top_.failure();
            movedSinceWait_ = 0;
            auto wait = tcp_->event(moved.state).wait(deadline, stop);
            const auto woke = co_await wait;
            if (woke == Wake::timedOut) co_return timedOut(name_ + " sent nothing in time");
        }
    }

    Task<Result<void>> write(std::string_view bytes, Deadline deadline, std::stop_token stop) override {
        bool tookInput = false;
        for (;;) {
            if (stop.stop_requested()) co_return givenUp(name_);
            if (movedSinceWait_ >= bytesBeforeYield) {
                movedSinceWait_ = 0;
                co_await Yield{};
            }
            const bool all = bytes.empty();
            const auto moved = all ? top_.tryFlush() : top_.tryWrite(bytes);
            movedSinceWait_ += moved.bytes;
            bytes.remove_prefix(moved.bytes);
            if (moved.state == Transport::State::moved && all) break;
            if (moved.state == Transport::State::moved) continue;
            if (moved.state == Transport::State::failed) co_return top_.failure();
            tookInput |= moved.state == Transport::State::wantRead;
            movedSinceWait_ = 0;
            auto wait = tcp_->event(moved.state).wait(deadline, stop);
            const auto woke = co_await wait;
            if (woke == Wake::timedOut) co_return timedOut(name_ + " did not take in time what was sent");
        }
        // TLS may have read the reader's bytes while it waited for its own: no readiness of the socket will tell of them.
        if (tookInput) tcp_->event(Transport::State::wantRead).set();
        co_return Result<void>{};
    }

    std::string security() const override { return tls_ ? tls_->security() : "plain"; }

private:
    std::unique_ptr<TcpTransport> tcp_;
    std::unique_ptr<TlsTransport> tls_;
    Transport& top_;
    std::string name_;
    std::size_t movedSinceWait_ = 0;
};

Result<Addresses> lookUp(const std::string& host, std::uint16_t port, int flags) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_NUMERICSERV | flags;
    addrinfo* found = nullptr;
    const int error = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
    if (error != 0) {
        const bool unknown = error == EAI_NONAME || error == EAI_NODATA || error == EAI_ADDRFAMILY;
        return plugin::Error{unknown ? Reaction::askOperator : Reaction::reconnect, plugin::Code::channelNameNotFound,
                             "the name " + plugin::printable(host) + " cannot be resolved: " + ::gai_strerror(error)};
    }
    const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> list(found, &::freeaddrinfo);
    Addresses addresses;
    for (const auto* one = found; one != nullptr; one = one->ai_next)
        if (one->ai_family == AF_INET || one->ai_family == AF_INET6) addresses.emplace_back(one->ai_addr, one->ai_addrlen);
    return addresses;
}

/// What has to be known before the first packet.
struct Prepared {
    Addresses addresses;
    std::shared_ptr<TlsContext> context;  // null for Tls::none
};

class SystemDialer final : public Dialer {
public:
    SystemDialer(std::shared_ptr<const plugin::Configuration> configuration, plugin::Log& log)
        : contexts_(std::make_shared<TlsContexts>(std::move(configuration), log)), log_(log) {}

    Task<Result<std::unique_ptr<Channel>>> dial(Target target, Deadline deadline, std::stop_token stop) override {
        const auto name = hostAndPort(target.host, target.port);
        const bool possible =
            !target.host.empty() && target.host != "." && target.host.size() <= maxHost && plugin::printable(target.host, maxHost) == target.host;
        if (!possible)
            co_return plugin::Error{Reaction::askOperator, plugin::Code::channelNameNotFound,
                                    "no host can be called '" + plugin::printable(target.host) + "'"};
        if (stop.stop_requested()) co_return givenUp(name);
        auto prepared = co_await prepare(target, deadline, stop);
        if (!prepared) co_return prepared.error();
        auto tcp = co_await connectAny(std::move(prepared->addresses), name, deadline, stop);
        if (!tcp) co_return tcp.error();
        std::unique_ptr<TlsTransport> tls;
        if (target.tls == Target::Tls::implicit) {
            auto& loop = co_await plugin::thisLoop();
            tls = std::make_unique<TlsTransport>(**tcp, std::move(prepared->context), TlsTransport::Peer{target.host, name}, loop.clock());
            auto agreed = co_await shakeHands(tcp->get(), tls.get(), name, deadline, stop);
            if (!agreed) co_return agreed.error();
        }
        const bool resumed = tls && tls->resumed();
        auto channel = std::make_unique<StreamChannel>(std::move(*tcp), std::move(tls), name);
        if (log_.enabled(plugin::Level::debug))
            log_.debug("auth.channel", "connected", {{"to", name}, {"security", channel->security()}, {"resumed", resumed ? "yes" : "no"}});
        co_return std::unique_ptr<Channel>(std::move(channel));
    }

private:
    /// A name lookup cannot be given up; at the deadline it is left to end by itself.
    Task<Result<Prepared>> prepare(Target target, Deadline deadline, std::stop_token stop) {
        const bool tls = target.tls == Target::Tls::implicit;
        Prepared known;
        if (auto numeric = lookUp(target.host, target.port, AI_NUMERICHOST); numeric) known.addresses = std::move(*numeric);
        if (tls && target.truststore.empty()) known.context = contexts_->systemIfLoaded();
        if (!known.addresses.empty() && (!tls || known.context)) co_return known;

        auto& loop = co_await plugin::thisLoop();
        auto answer = std::make_shared<plugin::Shared<Result<Prepared>>>();
        loop.work([answer, known, target, tls, contexts = contexts_]() mutable {
            try {
                answer->set(finish(std::move(known), target, tls, *contexts));
            } catch (...) {  // handed on to the coroutine that waits
                answer->fail(std::current_exception());
            }
        });
        auto wait = answer->wait(deadline, stop);
        const auto woke = co_await wait;
        if (woke == Wake::timedOut) co_return timedOut("the name " + target.host + " was not resolved in time");
        if (woke == Wake::stopped) co_return givenUp(hostAndPort(target.host, target.port));
        co_return answer->get();
    }

    static Result<Prepared> finish(Prepared known, const Target& target, bool tls, TlsContexts& contexts) {
        if (tls && !known.context) {
            auto context = contexts.forTruststore(target.truststore);
            if (!context) return context.error();
            known.context = std::move(*context);
        }
        if (known.addresses.empty()) {
            auto found = lookUp(target.host, target.port, 0);
            if (!found) return found.error();
            known.addresses = std::move(*found);
        }
        return known;
    }

    /// One after the other; each gets its share of the time left. Of several errors the one that tells most is answered.
    Task<Result<std::unique_ptr<TcpTransport>>> connectAny(Addresses addresses, std::string name, Deadline deadline, std::stop_token stop) {
        auto& loop = co_await plugin::thisLoop();
        std::optional<plugin::Error> told;
        for (std::size_t i = 0; i < addresses.size(); ++i) {
            const auto now = loop.clock().steady();
            const auto left = static_cast<Deadline::rep>(addresses.size() - i);
            const auto share = left == 1 || deadline <= now  ? deadline
                               : deadline == Deadline::max() ? now + patiencePerAddress
                                                             : now + (deadline - now) / left;
            auto tcp = co_await connectTcp(addresses[i], name, share, stop);
            if (tcp || tcp.error().code == plugin::Code::channelStopped) co_return tcp;
            if (!told || tcp.error().code != plugin::Code::channelUnreachable) told = tcp.error();
        }
        if (!told) told = plugin::Error{Reaction::reconnect, plugin::Code::channelNameNotFound, name + " has no address we can use"};
        co_return *told;
    }

    Task<Result<void>> shakeHands(TcpTransport* tcp, TlsTransport* tls, std::string name, Deadline deadline, std::stop_token stop) {
        for (;;) {
            const auto moved = tls->tryHandshake();
            if (moved.state == Transport::State::moved) co_return Result<void>{};
            if (moved.state == Transport::State::failed) co_return tls->failure();
            auto wait = tcp->event(moved.state).wait(deadline, stop);
            const auto woke = co_await wait;
            if (woke == Wake::timedOut) co_return timedOut(name + " did not finish the TLS handshake in time");
            if (woke == Wake::stopped) co_return givenUp(name);
        }
    }

    const std::shared_ptr<TlsContexts> contexts_;  // shared with lookups nobody waits for any more
    plugin::Log& log_;
};

}  // namespace

std::unique_ptr<Dialer> makeDialer(std::shared_ptr<const plugin::Configuration> configuration, plugin::Log& log) {
    return std::make_unique<SystemDialer>(std::move(configuration), log);
}

}  // namespace auth
