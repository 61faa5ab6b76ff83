#pragma once

#include "auth/channel/channel.h"
#include "tests/simulation/sim_loop.h"

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

namespace simulation {

class Connection;

/// What a server does with one connection. Called on the loop of the process that dialled.
class Peer {
public:
    virtual ~Peer() = default;
    virtual void connected(Connection& connection) = 0;
    virtual void received(Connection& connection, std::string_view bytes) = 0;
};

/// What may happen to a connection, drawn anew for each.
struct Weather {
    std::uint64_t refuseOneIn = 0;   ///< 0 = never
    std::uint64_t cutOneIn = 0;      ///< after any byte of either direction
    std::uint64_t stallOneIn = 0;    ///< after any byte of the server's: nothing more, and no end
    std::uint64_t cutWithin = 4000;  ///< octets within which the cut or stall comes
};

/// The wire between one simulated process and the servers, behind auth::Dialer. Bytes arrive late, in pieces, and sometimes not at all.
class SimNetwork final : public auth::Dialer {
public:
    using Accept = std::function<std::unique_ptr<Peer>()>;
    SimNetwork(SimLoop& loop, Dice& dice) : loop_(loop), dice_(dice) {}
    ~SimNetwork() override;

    void listen(std::uint16_t port, Accept accept) { servers_[port] = std::move(accept); }
    void setWeather(Weather weather) { weather_ = weather; }
    /// A server that hears and says nothing, on any connection, and closes none; or that hears everything late.
    struct Link {
        bool mute = false;
        std::chrono::milliseconds slowness{};
    };
    void setLink(std::uint16_t port, Link link) { links_[port] = link; }
    /// Down: every connection is reset, and none can be made.
    void setDown(bool down);
    /// Asked before each piece that travels; true: the process has died meanwhile, and nothing travels any more.
    void setHook(std::function<bool()> dead) { dead_ = std::move(dead); }
    std::uint64_t dials() const { return dials_; }
    /// The `line`-th line from now on that passes, of whatever connection and direction, is the last of its connection. 0: none is cut.
    void cutAfterLine(std::uint64_t line, bool reset) { cutAfterLine_ = line, cutResets_ = reset; }
    /// The same, behind the octet.
    void cutAfterOctet(std::uint64_t octet, bool reset) { cutAfterOctet_ = octet, cutResets_ = reset; }
    std::uint64_t lines() const { return lines_; }  ///< that have passed
    std::uint64_t octets() const { return octets_; }

    plugin::Task<plugin::Result<std::unique_ptr<auth::Channel>>> dial(auth::Target target, plugin::Deadline deadline, std::stop_token stop) override;

private:
    friend class Connection;
    friend class SimChannel;
    SimLoop& loop_;
    Dice& dice_;
    Weather weather_{};
    bool down_ = false;
    std::function<bool()> dead_ = [] { return false; };
    std::map<std::uint16_t, Accept> servers_{};
    std::map<std::uint16_t, Link> links_{};
    const Link& link(std::uint16_t port) const;
    std::set<std::shared_ptr<Connection>> open_{};
    std::size_t passes(std::string_view bytes);
    std::uint64_t dials_ = 0, lines_ = 0, octets_ = 0, cutAfterLine_ = 0, cutAfterOctet_ = 0;
    bool cutResets_ = false;
};

/// One connection, as the server sees it.
class Connection : public std::enable_shared_from_this<Connection> {
public:
    Connection(SimNetwork& network, std::uint16_t port, std::unique_ptr<Peer> peer);
    void send(std::string bytes);
    void close();  ///< in order, after what was sent
    SimLoop& loop();

private:
    friend class SimNetwork;
    friend class SimChannel;
    enum class End { none, orderly, reset };
    void arriveAtServer(std::string bytes);
    void arriveAtClient(std::string bytes);
    void end(End how);
    plugin::Steady later(plugin::Steady& last);

    SimNetwork* network_;
    std::uint16_t port_;
    std::unique_ptr<Peer> peer_;
    plugin::Event readable_{};
    std::string toClient_{};
    End end_ = End::none;
    bool gone_ = false;                                                       ///< the client has let go
    std::optional<std::uint64_t> cutServer_{}, cutClient_{}, stallServer_{};  ///< octets still to pass
    plugin::Steady lastToClient_{}, lastToServer_{};
};

}  // namespace simulation
