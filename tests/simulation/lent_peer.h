#pragma once

#include "tests/servers/memory_channel.h"
#include "tests/simulation/sim_network.h"

#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace simulation {

/// A server of tests/servers at the end of a simulated connection: what it says by itself it says when its time has come.
class Lent final : public Peer {
public:
    explicit Lent(std::shared_ptr<servers::Peer> peer) : peer_(std::move(peer)) {}
    void connected(Connection&) override {}
    void received(Connection& connection, std::string_view bytes) override {
        if (peer_->hasClosed()) return;
        say(connection, peer_->receive(bytes));
    }

private:
    void say(Connection& connection, std::string bytes) {
        if (!bytes.empty()) connection.send(std::move(bytes));
        if (peer_->hasClosed()) return connection.close();
        const auto silence = peer_->silence();
        if (!silence || waits_) return;
        waits_ = true;
        auto& loop = connection.loop();
        loop.at(loop.clock().steady() + *silence, [this, weak = connection.weak_from_this()] {
            const auto alive = weak.lock();  // and we with it
            if (!alive) return;
            waits_ = false;
            say(*alive, peer_->speak());
        });
    }
    std::shared_ptr<servers::Peer> peer_;
    bool waits_ = false;
};

}  // namespace simulation
