#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace Poco::Net {
class ServerSocket;
class StreamSocket;
}  // namespace Poco::Net

namespace servers {

/// An HTTP proxy on loopback whose tunnels end where the test says: a program that asks for the host and port of a provider reaches a server of the
/// test's, and its configuration stays as its users write it. One thread for each connection. Thread-safe.
class Tunnel {
public:
    /// "host:port" → port of this machine.
    explicit Tunnel(std::map<std::string, std::uint16_t> ways);
    ~Tunnel();
    Tunnel(const Tunnel&) = delete;
    Tunnel& operator=(const Tunnel&) = delete;

    std::uint16_t port() const { return port_; }
    /// Whoever does not show these by Basic gets 407. Set while nobody asks.
    void demand(const std::string& user, const std::string& password);
    void deny(const std::string& target);    ///< 403 for this "host:port"
    std::vector<std::string> asked() const;  ///< "host:port" of every request, in order

private:
    void acceptAll();
    void serve(Poco::Net::StreamSocket& client);
    std::string answer(const std::string& head);  ///< the status line; "": the tunnel is dug
    void pass(Poco::Net::StreamSocket& client, Poco::Net::StreamSocket& server) const;

    const std::map<std::string, std::uint16_t> ways_;
    mutable std::mutex mutex_{};
    std::string credentials_{};
    std::vector<std::string> denied_{}, asked_{};
    std::unique_ptr<Poco::Net::ServerSocket> listening_{};
    std::uint16_t port_ = 0;
    std::atomic<bool> stopping_{false};
    std::vector<std::thread> sessions_{};
    std::thread acceptor_{};
};

}  // namespace servers
