#pragma once

#include "auth/channel/channel.h"
#include "plugin/contract/loop.h"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace servers {

/// The other end of a MemoryChannel: octets in, octets out, at once.
class Peer {
public:
    virtual ~Peer() = default;
    virtual std::string greeting() = 0;
    /// What the client sent; may be half a line. Answers what goes back.
    virtual std::string receive(std::string_view bytes) = 0;
    virtual bool hasClosed() const { return false; }  ///< after what it answered last
    /// It has something to say by itself, so long after it was heard or spoke last; none: it has not.
    virtual std::optional<std::chrono::milliseconds> silence() const { return std::nullopt; }
    virtual std::string speak() { return {}; }  ///< once that is over
    virtual bool startTls() { return false; }   ///< may TLS begin now?
};

/// What the network does on the way to the client.
struct Link {
    std::size_t chunk = 0;                  ///< octets per read at most; 0: as many as there are
    std::optional<std::size_t> cutAfter{};  ///< so many octets arrive, then the stream ends
    bool pauses = false;                    ///< each read and write suspends first
    bool blackHole = false;                 ///< what the client sends does not arrive, and nobody says so
};

/// A Channel without a socket. A read that would wait for ever runs into its deadline, by the loop's clock.
class MemoryChannel final : public auth::Channel {
public:
    MemoryChannel(plugin::Loop& loop, std::shared_ptr<Peer> peer, Link link) : loop_(loop), peer_(std::move(peer)), link_(link) {
        pending_ = peer_->greeting();
    }

    plugin::Task<plugin::Result<std::size_t>> read(std::span<char> into, plugin::Deadline deadline, std::stop_token stop) override {
        if (link_.pauses) co_await plugin::sleepUntil(loop_.clock().steady() + std::chrono::milliseconds{1}, stop);
        for (;;) {
            if (stop.stop_requested()) co_return plugin::Error{plugin::Reaction::retryLater, plugin::Code::channelStopped, "stopped"};
            auto ready = std::min(into.size(), pending_.size() - taken_);
            if (link_.chunk > 0) ready = std::min(ready, link_.chunk);
            if (link_.cutAfter) ready = std::min(ready, *link_.cutAfter - total_);
            if (ready > 0) {
                std::memcpy(into.data(), pending_.data() + taken_, ready);
                taken_ += ready;
                total_ += ready;
                if (taken_ == pending_.size()) pending_.clear(), taken_ = 0;
                co_return ready;
            }
            if (peer_->hasClosed() || (link_.cutAfter && total_ == *link_.cutAfter)) co_return std::size_t{0};
            const auto silence = peer_->silence();
            if (silence && !speaksAt_) speaksAt_ = loop_.clock().steady() + *silence;
            const bool speaks = speaksAt_ && *speaksAt_ <= deadline;
            auto pause = plugin::sleepUntil(speaks ? *speaksAt_ : deadline, stop);
            const auto why = co_await pause;
            if (why == plugin::Wake::stopped) continue;
            if (!speaks) co_return plugin::Error{plugin::Reaction::reconnect, plugin::Code::channelTimeout, "the server says nothing"};
            speaksAt_.reset();
            pending_ += peer_->speak();
        }
    }

    plugin::Task<plugin::Result<void>> write(std::string_view bytes, plugin::Deadline, std::stop_token stop) override {
        if (link_.pauses) co_await plugin::sleepUntil(loop_.clock().steady() + std::chrono::milliseconds{1}, stop);
        if (stop.stop_requested()) co_return plugin::Error{plugin::Reaction::retryLater, plugin::Code::channelStopped, "stopped"};
        if (peer_->hasClosed()) co_return plugin::Error{plugin::Reaction::reconnect, plugin::Code::channelClosed, "closed"};
        if (link_.blackHole) co_return plugin::Result<void>{};
        pending_ += peer_->receive(bytes);
        co_return plugin::Result<void>{};
    }

    plugin::Task<plugin::Result<void>> startTls(plugin::Deadline, std::stop_token) override {
        if (secured_ || !peer_->startTls()) throw std::logic_error("TLS is begun where nobody agreed to it");
        if (taken_ < pending_.size())
            co_return plugin::Error{plugin::Reaction::reconnect, plugin::Code::channelTlsHandshake, "octets before TLS that nobody has read"};
        secured_ = true;
        co_return plugin::Result<void>{};
    }
    std::string security() const override { return secured_ ? "TLSv1.3 in memory" : "plain"; }

private:
    plugin::Loop& loop_;
    std::shared_ptr<Peer> peer_;
    Link link_;
    std::string pending_{};
    std::size_t taken_ = 0;  ///< of pending_
    std::size_t total_ = 0;  ///< octets handed out
    std::optional<plugin::Steady> speaksAt_{};
    bool secured_ = false;
};

/// Dials the same peer each time it is asked, or answers with `refuses`.
class MemoryDialer final : public auth::Dialer {
public:
    explicit MemoryDialer(std::shared_ptr<Peer> peer, Link link = {}) : peer_(std::move(peer)), link_(link) {}
    std::optional<plugin::Error> refuses{};
    std::size_t dialled = 0;

    plugin::Task<plugin::Result<std::unique_ptr<auth::Channel>>> dial(auth::Target, plugin::Deadline, std::stop_token) override {
        ++dialled;
        if (refuses) co_return *refuses;
        auto& loop = co_await plugin::thisLoop();
        co_return std::unique_ptr<auth::Channel>{std::make_unique<MemoryChannel>(loop, peer_, link_)};
    }

private:
    std::shared_ptr<Peer> peer_;
    Link link_;
};

}  // namespace servers
