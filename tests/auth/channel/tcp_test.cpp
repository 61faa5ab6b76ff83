#include "tests/auth/channel/trusting.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>

using auth::Target;
using plugin::Code;
using plugin::Reaction;
using servers::TlsServer;

namespace {

std::uint16_t portOf(int fd, int (*ask)(int, sockaddr*, socklen_t*)) {
    sockaddr_in address{};
    socklen_t length = sizeof address;
    if (ask(fd, reinterpret_cast<sockaddr*>(&address), &length) != 0 || address.sin_family != AF_INET) return 0;
    return ntohs(address.sin_port);
}

/// Our end of a connection to this port.
int socketTo(std::uint16_t port) {
    for (int fd = 3; fd < 1024; ++fd)
        if (portOf(fd, ::getpeername) == port) return fd;
    FAIL("no socket is connected to port " << port);
    return -1;
}

int option(int fd, int level, int name) {
    int value = -1;
    socklen_t length = sizeof value;
    REQUIRE(::getsockopt(fd, level, name, &value, &length) == 0);
    return value;
}
void option(int fd, int level, int name, int value) { REQUIRE(::setsockopt(fd, level, name, &value, sizeof value) == 0); }

}  // namespace

SCENARIO("every socket is probed while it is silent", "[channel][tcp]") {
    const TlsServer server({}, [](TlsServer::Stream& stream) { stream.read(); });
    Trusting own;
    const auto channel = own.dial({.host = "127.0.0.1", .port = server.port(), .tls = Target::Tls::none});
    const int fd = socketTo(server.port());
    CHECK(option(fd, SOL_SOCKET, SO_KEEPALIVE) == 1);
    CHECK(option(fd, IPPROTO_TCP, TCP_KEEPIDLE) == 60);
    CHECK(option(fd, IPPROTO_TCP, TCP_KEEPINTVL) == 10);
    CHECK(option(fd, IPPROTO_TCP, TCP_KEEPCNT) == 3);
    CHECK(option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT) == 30'000);
    CHECK(option(fd, IPPROTO_TCP, TCP_NODELAY) == 1);
}

SCENARIO("a line that has died without a word is noticed", "[channel][tcp]") {
    const auto tls = GENERATE(Target::Tls::none, Target::Tls::implicit);
    std::promise<void> over;
    TlsServer::Options options;
    if (tls == Target::Tls::implicit) options.chain = {leaf()};
    const TlsServer server(options, [&](TlsServer::Stream& stream) {
        stream.write("hello");
        stream.readLine();
        stream.write("deaf");
        stream.deafen();
        over.get_future().wait();
    });
    Trusting own;
    auto target = own.to(server);
    target.tls = tls;
    const auto channel = own.dial(target);
    REQUIRE(own.read(*channel, 5) == "hello");
    own.write(*channel, "go\n");
    REQUIRE(own.read(*channel, 4) == "deaf");
    // The kernel's own times, only shorter: seconds are the least it knows.
    const int fd = socketTo(server.port());
    option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 1);
    option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 1);
    option(fd, IPPROTO_TCP, TCP_KEEPCNT, 1);
    option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 1000);
    const auto isDead = [&](const plugin::Error& error) {
        CHECK(error.code == Code::channelTimeout);
        CHECK(error.reaction == Reaction::reconnect);
        CHECK(error.what == "the line to 127.0.0.1:" + std::to_string(server.port()) + " is dead: nothing we sent was acknowledged");
    };
    char into[16];
    GIVEN("somebody who only waits") {
        auto got = own.world.run(channel->read(into, own.world.soon(), {}));
        REQUIRE_FALSE(got);
        isDead(got.error());
        THEN("it is not taken for an end in order afterwards") {
            got = own.world.run(channel->read(into, own.world.soon(), {}));
            REQUIRE_FALSE(got);
            isDead(got.error());
        }
    }
    GIVEN("somebody who asks and waits for the answer") {
        own.write(*channel, "question\n");
        auto got = own.world.run(channel->read(into, own.world.soon(), {}));
        REQUIRE_FALSE(got);
        isDead(got.error());
    }
    over.set_value();
}

// With the times of ours it takes two minutes: run it by its tag.
plugin::Task<void> pause(plugin::Deadline until) {
    auto wait = plugin::sleepUntil(until, {});
    co_await wait;
}

SCENARIO("a dead line is noticed within the times that are set", "[.slow][tcp]") {
    std::promise<void> over;
    const TlsServer server({}, [&](TlsServer::Stream& stream) {
        stream.readLine();
        stream.write("hello");
        stream.readLine();  // it has our word, so that we do not say it again and again
        stream.deafen();
        over.get_future().wait();
    });
    Trusting own;
    const auto channel = own.dial({.host = "127.0.0.1", .port = server.port(), .tls = Target::Tls::none});
    own.write(*channel, "go\n");
    REQUIRE(own.read(*channel, 5) == "hello");
    own.write(*channel, "thanks\n");
    own.world.run(pause(own.world.in(std::chrono::milliseconds(500))));
    const auto asks = GENERATE(true, false);
    if (asks) own.write(*channel, "question\n");
    const auto before = own.world.clock->steady();
    char into[16];
    auto got = own.world.run(channel->read(into, own.world.in(std::chrono::minutes(10)), {}));
    const auto took = std::chrono::duration_cast<std::chrono::seconds>(own.world.clock->steady() - before);
    REQUIRE_FALSE(got);
    CHECK(got.error().code == Code::channelTimeout);
    WARN((asks ? "unacknowledged: " : "silent: ") << took.count() << " s");
    CHECK(took < std::chrono::seconds(asks ? 60 : 100));
    over.set_value();
}
