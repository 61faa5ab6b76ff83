#include "auth/channel/stream_channel.h"

#include <stdexcept>
#include <utility>

namespace auth {

namespace {

using plugin::Deadline;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;
using plugin::Wake;

// Of a stream that always has more, before others get their turn.
constexpr std::size_t bytesBeforeYield = 1U << 20;

/// Lets the loop do everything else that is due.
struct Yield {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> waiter) const {
        waiter.promise().loop->ready(waiter);
    }
    void await_resume() const noexcept {}
};

}  // namespace

StreamChannel::StreamChannel(std::unique_ptr<TcpTransport> tcp, std::string name) : tcp_(std::move(tcp)), name_(std::move(name)) {}

StreamChannel::~StreamChannel() {
    while (!tls_.empty()) tls_.pop_back();  // each says goodbye through the one below
}

Task<Result<std::size_t>> StreamChannel::read(std::span<char> into, Deadline deadline, std::stop_token stop) {
    if (into.empty()) throw std::logic_error("a read into nothing");
    for (;;) {
        if (stop.stop_requested()) co_return givenUp(name_);
        if (movedSinceWait_ >= bytesBeforeYield) {
            movedSinceWait_ = 0;
            co_await Yield{};
        }
        const auto moved = top().tryRead(into);
        movedSinceWait_ += moved.bytes;
        if (moved.state == Transport::State::moved) co_return moved.bytes;
        if (moved.state == Transport::State::ended) co_return std::size_t{0};
        if (moved.state == Transport::State::failed) co_return top().failure();
        movedSinceWait_ = 0;
        auto wait = tcp_->event(moved.state).wait(deadline, stop);
        const auto woke = co_await wait;
        if (woke == Wake::timedOut) co_return timedOut(name_ + " sent nothing in time");
    }
}

Task<Result<void>> StreamChannel::write(std::string_view bytes, Deadline deadline, std::stop_token stop) {
    bool tookInput = false;
    for (;;) {
        if (stop.stop_requested()) co_return givenUp(name_);
        if (movedSinceWait_ >= bytesBeforeYield) {
            movedSinceWait_ = 0;
            co_await Yield{};
        }
        const bool all = bytes.empty();
        const auto moved = all ? top().tryFlush() : top().tryWrite(bytes);
        movedSinceWait_ += moved.bytes;
        bytes.remove_prefix(moved.bytes);
        if (moved.state == Transport::State::moved && all) break;
        if (moved.state == Transport::State::moved) continue;
        if (moved.state == Transport::State::failed) co_return top().failure();
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

std::string StreamChannel::security() const { return encrypted() ? tls_.back()->security() : "plain"; }

void StreamChannel::intendTls(std::shared_ptr<TlsContext> context, std::string host) {
    intent_ = std::make_unique<Intent>(Intent{std::move(context), std::move(host)});
}

/// Whatever was said in clear may have been said by anybody on the way; what comes now must be TLS (RFC 9051 section 11.1, CVE-2011-0411).
/// Bytes that arrive between this look and the server's answer to our hello are no TLS either, and fail the handshake.
Task<Result<void>> StreamChannel::startTls(Deadline deadline, std::stop_token stop) {
    if (!intent_) throw std::logic_error("TLS is begun on a channel that was not dialled for it, or a second time");
    if (stop.stop_requested()) co_return givenUp(name_);
    tcp_->event(Transport::State::wantRead).set();  // the kernel may hold what the loop has not told of
    char one = 0;
    const auto before = top().tryRead({&one, 1});
    switch (before.state) {
        case Transport::State::moved:
            co_return plugin::Error{Reaction::reconnect, plugin::Code::channelClearText,
                                    name_ + " said more in clear after it had agreed to begin TLS, or somebody on the way did"};
        case Transport::State::ended:
            co_return plugin::Error{Reaction::reconnect, plugin::Code::channelClosed, name_ + " closed the connection instead of beginning TLS"};
        case Transport::State::failed:
            co_return top().failure();
        case Transport::State::wantRead:
        case Transport::State::wantWrite:
            break;
    }
    auto begun = co_await beginTls(deadline, stop);
    co_return begun;
}

Task<Result<void>> StreamChannel::beginTls(Deadline deadline, std::stop_token stop) {
    auto& loop = co_await plugin::thisLoop();
    const auto intent = std::exchange(intent_, nullptr);
    TlsTransport::Peer peer{intent->host, name_};
    tls_.push_back(std::make_unique<TlsTransport>(top(), intent->context, std::move(peer), loop.clock()));
    auto shaken = co_await shakeHands(deadline, stop);
    co_return shaken;
}

Task<Result<void>> StreamChannel::shakeHands(Deadline deadline, std::stop_token stop) {
    auto& tls = *tls_.back();
    for (;;) {
        const auto moved = tls.tryHandshake();
        if (moved.state == Transport::State::moved) co_return Result<void>{};
        if (moved.state == Transport::State::failed) co_return tls.failure();
        auto wait = tcp_->event(moved.state).wait(deadline, stop);
        const auto woke = co_await wait;
        if (woke == Wake::timedOut) co_return timedOut(name_ + " did not finish the TLS handshake in time");
        if (woke == Wake::stopped) co_return givenUp(name_);
    }
}

void StreamChannel::continueAs(std::string name, std::string_view first) {
    top().giveBack(first);
    tcp_->rename(name);
    for (const auto& each : tls_) each->rename(name);
    tlsOfWay_ = tls_.size();
    name_ = std::move(name);
}

}  // namespace auth
