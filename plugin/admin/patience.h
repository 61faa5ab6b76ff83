#pragma once

#include "plugin/contract/handle.h"

#include <Poco/Net/StreamSocket.h>
#include <Poco/Net/TCPServer.h>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <map>
#include <mutex>
#include <thread>

namespace plugin::admin {

/// Ends connections that take too long, so that a few who are slow on purpose do not keep everybody out. Each counts from when it is accepted.
/// Whatever is older than `longest` is shut down; while somebody waits to be served, what has not brought the head of its request within `head`
/// gets no more of it in, but not in the first half second it is served. Thread-safe; a thread of its own looks several times a second, as long as
/// there are any.
class Patience {
public:
    struct Limits {
        std::chrono::steady_clock::duration head, longest;
        std::size_t waiting;  ///< so many at most wait to be served
    };
    explicit Patience(Limits limits);
    Patience(const Patience&) = delete;
    Patience& operator=(const Patience&) = delete;
    ~Patience();

    /// One connection, for as long as it is served.
    class Served {
    public:
        Served(Patience& patience, const Poco::Net::StreamSocket& socket);
        Served(const Served&) = delete;
        Served& operator=(const Served&) = delete;
        ~Served();
        /// After the answer: takes in what the other side has sent and nobody has read, since a connection that is closed over it is reset, and takes
        /// the answer with it (RFC 9112 section 9.6). Blocks for a second and 1 MiB at most.
        void drain() const;

    private:
        Patience& patience_;
        const void* key_;
    };

    /// False: too many wait already.
    bool accept(const Poco::Net::StreamSocket& socket);
    void headIsWhole(const Poco::Net::StreamSocket& socket);
    enum class Which { headMissing, all };
    /// These are shut down, whether or not they have had their time.
    void lose(Which which);

private:
    struct Connection {
        Handle copy;  ///< of the descriptor: the number stays ours until the end; none, where no more were left
        std::chrono::steady_clock::time_point since;
        bool served = false, headIsWhole = false;
        std::chrono::steady_clock::time_point headBy{};  ///< once it is served
    };
    static Connection connection(const Poco::Net::StreamSocket& socket);
    void look();
    void loseSlow();
    std::size_t waiting() const;

    const Limits limits_;
    std::mutex mutex_{};
    std::condition_variable change_{};
    bool over_ = false;
    std::map<const void*, Connection> connections_{};  // by the socket's implementation
    std::thread watch_;
};

/// Asks a Patience whoever may come in.
class Doorkeeper final : public Poco::Net::TCPServerConnectionFilter {
public:
    explicit Doorkeeper(Patience& patience) : patience_(patience) {}
    bool accept(const Poco::Net::StreamSocket& socket) override { return patience_.accept(socket); }

private:
    Patience& patience_;
};

}  // namespace plugin::admin
