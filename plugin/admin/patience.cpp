#include "plugin/admin/patience.h"

#include <Poco/Net/StreamSocketImpl.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>

namespace plugin::admin {

namespace {

constexpr std::chrono::milliseconds lookEvery{100};
constexpr std::chrono::milliseconds leastServed{500};  // a handshake of TLS waits for us as well
constexpr std::chrono::seconds longestDrain{1};
constexpr std::size_t mostDrained = 1U << 20;

using Clock = std::chrono::steady_clock;

}  // namespace

Patience::Patience(Limits limits) : limits_(limits), watch_([this] { look(); }) {}

Patience::~Patience() {
    {
        const std::lock_guard lock(mutex_);
        over_ = true;
    }
    change_.notify_all();
    watch_.join();
}

Patience::Connection Patience::connection(const Poco::Net::StreamSocket& socket) {
    return {Handle(::fcntl(socket.impl()->sockfd(), F_DUPFD_CLOEXEC, 0)), Clock::now()};  // where no descriptor is left it ends by its own time-out
}

Patience::Served::Served(Patience& patience, const Poco::Net::StreamSocket& socket) : patience_(patience), key_(socket.impl()) {
    const std::lock_guard lock(patience_.mutex_);
    auto found = patience_.connections_.find(key_);
    if (found == patience_.connections_.end()) found = patience_.connections_.emplace(key_, connection(socket)).first;
    found->second.served = true;
    found->second.headBy = std::max(found->second.since + patience_.limits_.head, Clock::now() + leastServed);
}

Patience::Served::~Served() {
    const std::lock_guard lock(patience_.mutex_);
    patience_.connections_.erase(key_);
}

void Patience::Served::drain() const {
    const int copy = [this] {
        const std::lock_guard lock(patience_.mutex_);
        return patience_.connections_.find(key_)->second.copy.get();  // ours to the end
    }();
    int unread = 0;
    if (copy < 0 || ::ioctl(copy, FIONREAD, &unread) != 0 || unread == 0) return;
    ::shutdown(copy, SHUT_WR);
    const auto until = Clock::now() + longestDrain;
    std::array<char, 16 * 1024> piece;
    for (std::size_t total = 0; total < mostDrained;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
        pollfd waiting{copy, POLLIN, 0};
        if (left <= 0 || ::poll(&waiting, 1, static_cast<int>(left)) <= 0) return;
        const auto count = ::recv(copy, piece.data(), piece.size(), MSG_DONTWAIT);
        if (count <= 0) return;
        total += static_cast<std::size_t>(count);
    }
}

bool Patience::accept(const Poco::Net::StreamSocket& socket) {
    const std::lock_guard lock(mutex_);
    if (waiting() >= limits_.waiting) return false;
    connections_.insert_or_assign(socket.impl(), connection(socket));  // what is there already was never served: it is gone
    change_.notify_all();
    return true;
}

void Patience::headIsWhole(const Poco::Net::StreamSocket& socket) {
    const std::lock_guard lock(mutex_);
    if (const auto found = connections_.find(socket.impl()); found != connections_.end()) found->second.headIsWhole = true;
}

void Patience::lose(Which which) {
    const std::lock_guard lock(mutex_);
    for (const auto& [key, each] : connections_)
        if (each.copy && (which == Which::all || !each.headIsWhole)) ::shutdown(each.copy.get(), SHUT_RDWR);
}

std::size_t Patience::waiting() const {
    return static_cast<std::size_t>(std::count_if(connections_.begin(), connections_.end(), [](const auto& each) { return !each.second.served; }));
}

void Patience::look() {
    std::unique_lock lock(mutex_);
    while (!over_) {
        change_.wait(lock, [&] { return over_ || !connections_.empty(); });
        change_.wait_for(lock, lookEvery, [&] { return over_; });
        loseSlow();
    }
}

/// What has come already can still be read behind SHUT_RD: whoever waits with a whole request is answered.
void Patience::loseSlow() {
    const auto now = Clock::now();
    const bool wanted = waiting() > 0;
    for (auto at = connections_.begin(); at != connections_.end();) {
        const auto& each = at->second;
        const bool old = now - each.since >= limits_.longest;
        if (old) ::shutdown(each.copy.get(), SHUT_RDWR);
        if (!old && wanted && each.served && !each.headIsWhole && now >= each.headBy) ::shutdown(each.copy.get(), SHUT_RD);
        if (old && !each.served) {  // nor will it be: it must not count as one who waits
            at = connections_.erase(at);
        } else {
            ++at;
        }
    }
}

}  // namespace plugin::admin
