#include "plugin/runtime/runtime.h"

#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <array>
#include <cerrno>
#include <string>

using namespace plugin;

namespace {

struct Pair {
    std::array<int, 2> ends{};
    Pair() { REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0); }
    ~Pair() {
        for (const int end : ends)
            if (end >= 0) ::close(end);
    }
};

Task<std::string> readAll(int fd) {
    auto& loop = co_await thisLoop();
    const auto watched = loop.watch(fd);
    std::string all;
    std::array<char, 1000> buffer{};
    for (;;) {
        const auto count = ::read(fd, buffer.data(), buffer.size());
        if (count > 0) {
            all.append(buffer.data(), static_cast<std::size_t>(count));
        } else if (count < 0 && errno == EAGAIN) {
            watched->readable.reset();
            co_await watched->readable.wait(Deadline::max(), {});
        } else {
            co_return all;
        }
    }
}

Task<void> writeAll(int& fd, std::size_t size) {
    auto& loop = co_await thisLoop();
    const auto watched = loop.watch(fd);
    for (std::size_t sent = 0; sent < size;) {
        const std::string piece(std::min<std::size_t>(size - sent, 5000), 'x');
        const auto count = ::write(fd, piece.data(), piece.size());
        if (count > 0) {
            sent += static_cast<std::size_t>(count);
        } else {
            watched->writable.reset();
            co_await watched->writable.wait(Deadline::max(), {});
        }
    }
    ::shutdown(fd, SHUT_WR);
}

}  // namespace

SCENARIO("bytes pass through a watched socket until its end, though reader and writer must wait for each other", "[loop]") {
    const auto clock = makeSystemClock();
    auto workers = makeWorkerPool(1, [](std::exception_ptr) {});
    const auto loop = makeEpollLoop(*clock, *workers, [](std::exception_ptr) {});
    Pair pair;
    std::string got;
    loop->spawn([](Pair& sockets, std::string& out, EpollLoop& quitting) -> Task<void> {
        auto& here = co_await thisLoop();
        auto writer = start(here, writeAll(sockets.ends[1], 3'000'000));
        out = co_await readAll(sockets.ends[0]);
        co_await writer->wait(Deadline::max(), {});
        quitting.quit();
    }(pair, got, *loop));
    loop->run();
    REQUIRE(got.size() == 3'000'000);
    REQUIRE(got == std::string(3'000'000, 'x'));
}
