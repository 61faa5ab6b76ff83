#include "tests/simulation/sim_network.h"

#include <algorithm>
#include <cstring>
#include <utility>

namespace simulation {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;
using plugin::Wake;

class SimChannel final : public auth::Channel {
public:
    explicit SimChannel(std::shared_ptr<Connection> connection) : connection_(std::move(connection)) {}
    ~SimChannel() override {
        connection_->gone_ = true;
        if (connection_->network_ != nullptr) connection_->network_->open_.erase(connection_);
    }

    Task<Result<std::size_t>> read(std::span<char> into, plugin::Deadline deadline, std::stop_token stop) override {
        while (connection_->toClient_.empty()) {
            if (connection_->end_ == Connection::End::orderly) co_return std::size_t{0};
            if (connection_->end_ == Connection::End::reset) co_return Error{Reaction::reconnect, Code::channelClosed, "the connection was reset"};
            connection_->readable_.reset();
            auto wait = connection_->readable_.wait(deadline, stop);
            const auto why = co_await wait;
            if (why == Wake::timedOut) co_return Error{Reaction::reconnect, Code::channelTimeout, "no answer in time"};
            if (why == Wake::stopped) co_return Error{Reaction::retryLater, Code::channelStopped, "stopped"};
        }
        auto& waiting = connection_->toClient_;
        const auto count = std::min(into.size(), waiting.size());
        std::memcpy(into.data(), waiting.data(), count);
        waiting.erase(0, count);
        co_return count;
    }
    Task<Result<void>> write(std::string_view bytes, plugin::Deadline, std::stop_token stop) override {
        if (stop.stop_requested()) co_return Error{Reaction::retryLater, Code::channelStopped, "stopped"};
        if (connection_->end_ == Connection::End::reset) co_return Error{Reaction::reconnect, Code::channelClosed, "the connection was reset"};
        auto& connection = *connection_;
        std::string all(bytes);
        const auto slowness = connection.network_->link(connection.port_).slowness;
        connection.network_->loop_.at(connection.later(connection.lastToServer_) + slowness,
                                      [weak = connection_->weak_from_this(), sent = std::move(all)] {
                                          if (const auto alive = weak.lock()) alive->arriveAtServer(sent);
                                      });
        co_return Result<void>{};
    }
    std::string security() const override { return "simulated"; }

private:
    std::shared_ptr<Connection> connection_;
};

SimNetwork::~SimNetwork() {
    for (const auto& connection : open_) connection->network_ = nullptr;
}

void SimNetwork::setDown(bool down) {
    down_ = down;
    if (!down) return;
    for (const auto& connection : std::set(open_)) connection->end(Connection::End::reset);
}

Task<Result<std::unique_ptr<auth::Channel>>> SimNetwork::dial(auth::Target target, plugin::Deadline deadline, std::stop_token stop) {
    ++dials_;
    auto pause = plugin::sleepUntil(std::min(deadline, loop_.clock().steady() + std::chrono::microseconds(100 + dice_.below(30'000))), stop);
    if (co_await pause == Wake::stopped) co_return Error{Reaction::retryLater, Code::channelStopped, "stopped"};
    const auto server = servers_.find(target.port);
    if (down_ || server == servers_.end() || (weather_.refuseOneIn != 0 && dice_.oneIn(weather_.refuseOneIn)))
        co_return Error{Reaction::reconnect, Code::channelRefused, target.host + " refused the connection"};
    auto connection = std::make_shared<Connection>(*this, target.port, server->second());
    open_.insert(connection);
    const auto within = [this] { return dice_.below(dice_.oneIn(2) ? 200 : weather_.cutWithin); };
    if (weather_.cutOneIn != 0 && dice_.oneIn(weather_.cutOneIn)) (dice_.oneIn(3) ? connection->cutClient_ : connection->cutServer_) = within();
    if (weather_.stallOneIn != 0 && dice_.oneIn(weather_.stallOneIn)) connection->stallServer_ = within();
    loop_.post([weak = std::weak_ptr(connection)] {
        if (const auto alive = weak.lock()) alive->peer_->connected(*alive);
    });
    std::unique_ptr<auth::Channel> channel = std::make_unique<SimChannel>(connection);
    co_return std::move(channel);
}

/// Where these bytes have to be cut, npos: nowhere.
std::size_t SimNetwork::passes(std::string_view bytes) {
    octets_ += bytes.size();
    if (cutAfterOctet_ != 0 && bytes.size() >= cutAfterOctet_) return static_cast<std::size_t>(std::exchange(cutAfterOctet_, 0));
    if (cutAfterOctet_ != 0) cutAfterOctet_ -= bytes.size();
    for (std::size_t at = bytes.find('\n'); at != std::string_view::npos; at = bytes.find('\n', at + 1)) {
        ++lines_;
        if (cutAfterLine_ != 0 && --cutAfterLine_ == 0) return at + 1;
    }
    return std::string_view::npos;
}

const SimNetwork::Link& SimNetwork::link(std::uint16_t port) const {
    static const Link usual;
    const auto found = links_.find(port);
    return found == links_.end() ? usual : found->second;
}

Connection::Connection(SimNetwork& network, std::uint16_t port, std::unique_ptr<Peer> peer)
    : network_(&network), port_(port), peer_(std::move(peer)) {}

SimLoop& Connection::loop() { return network_->loop_; }

/// Bytes of one direction keep their order.
plugin::Steady Connection::later(plugin::Steady& last) {
    const auto takes = std::chrono::microseconds(network_->dice_.oneIn(20) ? network_->dice_.below(3'000'000) : 50 + network_->dice_.below(5'000));
    return last = std::max(last, network_->loop_.clock().steady() + takes);
}

void Connection::send(std::string bytes) {
    if (network_ == nullptr || network_->link(port_).mute) return;
    while (!bytes.empty()) {
        const auto size = std::min<std::size_t>(bytes.size(), 1 + network_->dice_.below(bytes.size() > 20'000 ? 60'000 : 3'000));
        network_->loop_.at(later(lastToClient_), [weak = weak_from_this(), piece = bytes.substr(0, size)] {
            if (const auto alive = weak.lock()) alive->arriveAtClient(piece);
        });
        bytes.erase(0, size);
    }
}

void Connection::close() {
    if (network_ == nullptr) return;
    network_->loop_.at(later(lastToClient_), [weak = weak_from_this()] {
        if (const auto alive = weak.lock()) alive->end(End::orderly);
    });
}

void Connection::arriveAtServer(std::string bytes) {
    if (end_ != End::none || network_ == nullptr || network_->dead_() || network_->link(port_).mute) return;
    if (cutClient_) {
        if (*cutClient_ < bytes.size()) {
            bytes.resize(*cutClient_);
            if (!bytes.empty()) peer_->received(*this, bytes);  // the server acts on what it got; its answer finds nobody
            return end(End::reset);
        }
        *cutClient_ -= bytes.size();
    }
    if (const auto cut = network_->passes(bytes); cut != std::string::npos) {
        bytes.resize(cut);
        if (!gone_) peer_->received(*this, bytes);  // it has acted, and nobody hears of that
        return end(network_->cutResets_ ? End::reset : End::orderly);
    }
    if (!gone_) peer_->received(*this, bytes);
}

void Connection::arriveAtClient(std::string bytes) {
    if (end_ != End::none || gone_ || network_ == nullptr || network_->dead_()) return;
    if (stallServer_) {
        if (*stallServer_ < bytes.size()) bytes.resize(*stallServer_);
        *stallServer_ -= bytes.size();
    }
    if (cutServer_ && *cutServer_ < bytes.size()) {
        toClient_ += bytes.substr(0, *cutServer_);
        return end(network_->dice_.oneIn(2) ? End::reset : End::orderly);
    }
    if (cutServer_) *cutServer_ -= bytes.size();
    if (bytes.empty()) return;
    if (const auto cut = network_->passes(bytes); cut != std::string::npos) {
        toClient_ += bytes.substr(0, cut);
        return end(network_->cutResets_ ? End::reset : End::orderly);
    }
    toClient_ += bytes;
    readable_.set();
}

void Connection::end(End how) {
    if (end_ != End::none) return;
    end_ = how;
    readable_.set();
}

}  // namespace simulation
