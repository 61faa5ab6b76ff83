#pragma once

#include <Poco/Net/TCPServer.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <set>

namespace plugin::admin {

/// Ends connections that take too long, so that a few who are slow on purpose do not keep everybody out: when somebody else comes, those that are
/// older than `longest` are shut down. Thread-safe.
class Patience {
public:
    explicit Patience(std::chrono::steady_clock::duration longest) : longest_(longest) {}
    Patience(const Patience&) = delete;
    Patience& operator=(const Patience&) = delete;

    /// One connection, for as long as it is served.
    class Served {
    public:
        Served(Patience& patience, int descriptor);
        Served(const Served&) = delete;
        Served& operator=(const Served&) = delete;
        ~Served();

    private:
        Patience& patience_;
        int copy_;  ///< of the descriptor: the number stays ours until the end
        std::chrono::steady_clock::time_point since_;
    };
    void lose();  ///< looks for those that have had their time

private:
    std::chrono::steady_clock::duration longest_;
    std::mutex mutex_{};
    std::set<std::pair<std::chrono::steady_clock::time_point, int>> served_{};
};

/// Looks at what is served whenever somebody connects; lets everybody in.
class Doorkeeper final : public Poco::Net::TCPServerConnectionFilter {
public:
    explicit Doorkeeper(Patience& patience) : patience_(patience) {}
    bool accept(const Poco::Net::StreamSocket&) override {
        patience_.lose();
        return true;
    }

private:
    Patience& patience_;
};

}  // namespace plugin::admin
