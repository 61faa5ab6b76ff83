// slow_link PORT MILLISECONDS: a line with a long way on it. Listens on a free port of 127.0.0.1 (printed as "port=N") and relays each connection
// to PORT, every octet MILLISECONDS later in either direction, however many there are: a delay, no limit of bandwidth, no loss, no slow start.
// What a client sends first is held back by a round trip more, as long as it would have waited to be connected. Ends on SIGTERM.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <list>
#include <string>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Time = Clock::time_point;

constexpr std::size_t chunk = 64 * 1024;
constexpr std::size_t onTheWay = 64 << 20;  ///< more than any test has; then the sender waits

sockaddr_in local(int port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<std::uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

/// One direction. Empty octets are the end of the stream.
struct Way {
    int from, to;
    Time notBefore;  ///< nothing arrives earlier
    struct Piece {
        Time due;
        std::string bytes;
    };
    std::deque<Piece> pieces{};
    std::size_t size = 0;
    bool ended = false;  ///< nothing more to read
    bool closed = false;

    bool reads() const { return !ended && size < onTheWay; }
    void read(Clock::duration delay) {
        std::string bytes(chunk, '\0');
        const auto got = ::recv(from, bytes.data(), bytes.size(), MSG_DONTWAIT);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
        ended = got <= 0;
        bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
        size += bytes.size();
        pieces.push_back({std::max(Clock::now(), notBefore) + delay, std::move(bytes)});
    }
    bool isDue(Time time) const { return !pieces.empty() && pieces.front().due <= time; }
    void write() {
        while (isDue(Clock::now())) {
            auto& bytes = pieces.front().bytes;
            if (bytes.empty()) {
                ::shutdown(to, SHUT_WR);
                closed = true;
            } else {
                const auto put = ::send(to, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
                if (put < 0 && (errno == EAGAIN || errno == EINTR)) return;
                if (put < 0) closed = ended = true;
                size -= put < 0 ? bytes.size() : static_cast<std::size_t>(put);
                bytes.erase(0, put < 0 ? bytes.size() : static_cast<std::size_t>(put));
                if (!bytes.empty()) return;
            }
            pieces.pop_front();
        }
    }
};

struct Line {
    Way out, in;
};

}  // namespace

int main(int count, char** arguments) {
    if (count != 3) return 64;
    const auto delay = std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double, std::milli>(std::atof(arguments[2])));
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto address = local(0);
    socklen_t length = sizeof address;
    if (::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || ::listen(listener, 64) != 0 ||
        ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length) != 0)
        return 1;
    std::printf("port=%d\n", ntohs(address.sin_port));
    std::fflush(stdout);

    std::list<Line> lines;
    for (;;) {
        std::vector<pollfd> set{{listener, POLLIN, 0}};
        auto next = Time::max();
        const auto time = Clock::now();
        const auto watch = [&](const Way& way) {
            if (way.reads()) set.push_back({way.from, POLLIN, 0});
            if (way.isDue(time)) set.push_back({way.to, POLLOUT, 0});
            if (!way.pieces.empty() && !way.isDue(time)) next = std::min(next, way.pieces.front().due);
        };
        for (const auto& line : lines) watch(line.out), watch(line.in);
        const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(next - time);
        const timespec patience{static_cast<time_t>(left.count() / 1'000'000'000), static_cast<long>(left.count() % 1'000'000'000)};
        ::ppoll(set.data(), set.size(), next == Time::max() ? nullptr : &patience, nullptr);

        if ((set[0].revents & POLLIN) != 0) {
            const int client = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
            const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
            const auto far = local(std::atoi(arguments[1]));
            if (client < 0 || ::connect(server, reinterpret_cast<const sockaddr*>(&far), sizeof far) != 0) return 1;
            const int yes = 1;
            for (const int fd : {client, server}) ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
            lines.push_back({{client, server, Clock::now() + 2 * delay}, {server, client, Time{}}});
        }
        for (auto& line : lines)
            for (auto* const way : {&line.out, &line.in}) {
                if (way->reads()) way->read(delay);
                way->write();
            }
        std::erase_if(lines, [](const Line& line) {
            if (!line.out.closed || !line.in.closed) return false;
            ::close(line.out.from);
            ::close(line.out.to);
            return true;
        });
    }
}
