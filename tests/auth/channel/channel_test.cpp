#include "tests/auth/channel/trusting.h"

#include <future>
#include <optional>
#include <thread>

using auth::Target;
using plugin::Code;
using plugin::Reaction;
using servers::Certificate;
using servers::makeCertificate;
using servers::TlsServer;

namespace {

using ChannelPtr = std::unique_ptr<auth::Channel>;

/// The kinds of server a stream must be the same with.
TlsServer::Options kind(const std::string& name) {
    if (name == "plain") return {};
    if (name == "TLS 1.2") return {.chain = {leaf()}, .maxVersion = TLS1_2_VERSION};
    return {.chain = {leaf()}};
}
Target target(const std::string& name, const TlsServer& server) {
    return {.host = "127.0.0.1", .port = server.port(), .tls = name == "plain" ? Target::Tls::none : Target::Tls::implicit, .truststore = "own"};
}

/// Bytes that are different at each place, so that a lost or doubled piece shows.
std::string pattern(std::size_t size) {
    std::string bytes(size, '\0');
    std::uint32_t state = 1;
    for (auto& byte : bytes) {
        state = state * 1664525 + 1013904223;
        byte = static_cast<char>(state >> 24);
    }
    return bytes;
}

plugin::Task<plugin::Result<std::string>> bothWays(auth::Channel* channel, const std::string* bytes, plugin::Loop* loop, plugin::Deadline deadline) {
    auto writing = plugin::start(*loop, channel->write(*bytes, deadline, {}));
    auto back = co_await readExactly(channel, bytes->size(), deadline);
    auto wait = writing->wait(deadline, {});
    co_await wait;
    auto written = writing->get();
    if (!written) co_return written.error();
    co_return back;
}

}  // namespace

SCENARIO("what is sent arrives, both ways at once", "[channel]") {
    const auto name = GENERATE(as<std::string>{}, "plain", "TLS 1.2", "TLS 1.3");
    GIVEN("a server that sends everything back, over " + name) {
        const TlsServer server(kind(name), [](TlsServer::Stream& stream) {
            for (auto bytes = stream.read(); !bytes.empty(); bytes = stream.read()) stream.write(bytes);
        });
        Trusting own;
        auto channel = own.world.dial(target(name, server));
        REQUIRE(channel);
        CHECK((*channel)->security().substr(0, 5) == (name == "plain" ? "plain" : "TLSv1"));
        const auto bytes = pattern(8U << 20);
        auto back = own.world.run(bothWays(channel->get(), &bytes, own.world.loop.get(), own.world.soon()));
        THEN("all of it comes back in order") {
            REQUIRE(back);
            REQUIRE((*back == bytes));
        }
    }
}

SCENARIO("a read takes what several records hold", "[channel]") {
    GIVEN("a server that sends many small records and then one word") {
        const TlsServer server({.chain = {leaf()}}, [](TlsServer::Stream& stream) {
            stream.readLine();
            for (int i = 0; i < 100; ++i) stream.write("0123456789");
            stream.readLine();
        });
        Trusting own;
        auto channel = own.dial(server);
        REQUIRE(own.world.run(channel->write("go\n", own.world.soon(), {})));
        auto all = own.world.run(readExactly(channel.get(), 1000, own.world.soon()));
        REQUIRE(all);
        REQUIRE(all->size() == 1000);
        THEN("no byte was taken from what comes later") {
            char one[1];
            auto nothing = own.world.run(channel->read(one, own.world.in(std::chrono::milliseconds(20)), {}));
            REQUIRE_FALSE(nothing);
            REQUIRE(nothing.error().code == Code::channelTimeout);
        }
    }
}

SCENARIO("an orderly end is told from a cut", "[channel]") {
    Trusting own;
    char into[64];
    GIVEN("a server that says goodbye") {
        const auto name = GENERATE(as<std::string>{}, "plain", "TLS 1.2", "TLS 1.3");
        const TlsServer server(kind(name), [](TlsServer::Stream& stream) {
            stream.write("last");
            stream.goodbye();
            stream.read();
        });
        auto channel = own.world.dial(target(name, server));
        REQUIRE(channel);
        THEN("the last bytes come, then the end, again and again, over " + name) {
            auto last = own.world.run(readExactly(channel->get(), 4, own.world.soon()));
            REQUIRE(*last == "last");
            for (int i = 0; i < 2; ++i) REQUIRE(*own.world.run((*channel)->read(into, own.world.soon(), {})) == 0);
        }
    }
    GIVEN("a server that cuts TLS") {
        const auto name = GENERATE(as<std::string>{}, "TLS 1.2", "TLS 1.3");
        const TlsServer server(kind(name), [](TlsServer::Stream& stream) {
            stream.write("half");
            stream.cut();
        });
        auto channel = own.world.dial(target(name, server));
        REQUIRE(channel);
        THEN("the bytes before the cut come, then an error, over " + name) {
            auto all = own.world.run(readExactly(channel->get(), 4, own.world.soon()));
            REQUIRE(*all == "half");
            auto end = own.world.run((*channel)->read(into, own.world.soon(), {}));
            REQUIRE_FALSE(end);
            CHECK(end.error().code == Code::channelClosed);
            CHECK(end.error().reaction == Reaction::reconnect);
        }
    }
    GIVEN("a server that resets") {
        const auto name = GENERATE(as<std::string>{}, "plain", "TLS 1.3");
        const TlsServer server(kind(name), [](TlsServer::Stream& stream) {
            stream.readLine();
            stream.reset();
        });
        auto channel = own.world.dial(target(name, server));
        REQUIRE(channel);
        REQUIRE(own.world.run((*channel)->write("go\n", own.world.soon(), {})));
        auto end = own.world.run((*channel)->read(into, own.world.soon(), {}));
        THEN("it is an error over " + name) {
            REQUIRE_FALSE(end);
            REQUIRE(end.error().code == Code::channelClosed);
        }
    }
}

SCENARIO("a port that cannot be used is told by what is wrong with it", "[channel]") {
    Trusting own;
    GIVEN("a port where nothing listens") {
        const auto port = servers::closedPort();
        auto channel = own.world.dial({.host = "127.0.0.1", .port = port, .truststore = "own"});
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == Code::channelRefused);
        CHECK(channel.error().reaction == Reaction::reconnect);
        CHECK(channel.error().what == "nothing listens at 127.0.0.1:" + std::to_string(port));
    }
    GIVEN("a server that greets in clear where TLS is wanted") {
        const TlsServer server({}, [](TlsServer::Stream& stream) {
            stream.write("* OK [CAPABILITY IMAP4rev1] ready\r\n");
            stream.read();
        });
        auto channel = own.world.dial(own.to(server));
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == Code::channelNotTls);
    }
    GIVEN("a server that hangs up when it is greeted with TLS") {
        const TlsServer server({}, [](TlsServer::Stream& stream) { stream.read(); });
        auto channel = own.world.dial(own.to(server));
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == Code::channelClosed);
    }
    GIVEN("a server that has only TLS 1.1") {
        const TlsServer server({.chain = {leaf()}, .minVersion = TLS1_VERSION, .maxVersion = TLS1_1_VERSION}, [](TlsServer::Stream&) {});
        auto channel = own.world.dial(own.to(server));
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == Code::channelTlsHandshake);
        CHECK(channel.error().reaction == Reaction::reconnect);
    }
    GIVEN("a server that wants a certificate of us") {
        const auto version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
        const TlsServer server({.chain = {leaf()}, .maxVersion = version, .demandsClientCertificate = true}, [](TlsServer::Stream&) {});
        auto channel = own.world.dial(own.to(server));
        // In TLS 1.3 the client is through before the server has looked.
        char into[16];
        const auto error = channel ? own.world.run((*channel)->read(into, own.world.soon(), {})).error() : channel.error();
        CHECK(error.code == Code::channelTlsHandshake);
        CHECK(error.reaction == Reaction::askOperator);
        CHECK(error.what.find("demands a client certificate, and no .keystore is named for it") != std::string::npos);
    }
    GIVEN("a server that wants a certificate of us and is gone before we have looked at what it says") {
        const TlsServer server({.chain = {leaf()}, .demandsClientCertificate = true}, [](TlsServer::Stream&) {});
        auto channel = own.world.dial(own.to(server));
        std::optional<plugin::Error> error;
        if (!channel) error = channel.error();
        for (int i = 0; i < 10'000 && !error; ++i) {  // until the kernel has heard that nobody is there
            const auto written = own.world.run((*channel)->write("a001 NOOP\r\n", own.world.soon(), {}));
            if (!written) error = written.error();
            std::this_thread::yield();
        }
        REQUIRE(error);
        CHECK(error->code == Code::channelTlsHandshake);
        CHECK(error->reaction == Reaction::askOperator);
        CHECK(error->what.find("demands a client certificate, and no .keystore is named for it") != std::string::npos);
    }
    GIVEN("a name nobody has") {
        auto channel = own.world.dial({.host = "no-such-host.invalid", .port = 993});
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == Code::channelNameNotFound);
    }
    GIVEN("something that is no name") {
        const auto host = GENERATE(as<std::string>{}, "", ".", "a\nb", std::string("a\0b", 3), std::string(300, 'a'));
        auto channel = own.world.dial({.host = host, .port = 993});
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == Code::channelNameNotFound);
        CHECK(channel.error().reaction == Reaction::askOperator);
    }
}

SCENARIO("nobody waits past the deadline", "[channel]") {
    Trusting own;
    const auto brief = std::chrono::milliseconds(50);
    GIVEN("a port that swallows connections") {
        const servers::Blackhole hole;
        auto channel = own.world.dial({.host = "127.0.0.1", .port = hole.port(), .truststore = "own"}, own.world.in(brief));
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == Code::channelTimeout);
        CHECK(channel.error().reaction == Reaction::reconnect);
    }
    GIVEN("a server that takes the connection and never answers") {
        const TlsServer server({}, [](TlsServer::Stream& stream) {
            while (!stream.read().empty()) {
            }
        });
        auto channel = own.world.dial(own.to(server), own.world.in(brief));
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == Code::channelTimeout);
        CHECK(channel.error().what.find("TLS handshake") != std::string::npos);
    }
    GIVEN("a server that is silent for a while") {
        const TlsServer server({.chain = {leaf()}}, [](TlsServer::Stream& stream) {
            stream.readLine();
            stream.write("at last");
            stream.read();
        });
        auto channel = own.dial(server);
        char into[64];
        auto nothing = own.world.run(channel->read(into, own.world.in(brief), {}));
        REQUIRE_FALSE(nothing);
        CHECK(nothing.error().code == Code::channelTimeout);
        THEN("the read may be repeated") {
            REQUIRE(own.world.run(channel->write("now\n", own.world.soon(), {})));
            REQUIRE(*own.world.run(readExactly(channel.get(), 7, own.world.soon())) == "at last");
        }
    }
    GIVEN("a server that does not read") {
        std::promise<void> over;
        const TlsServer server({.chain = {leaf()}, .receiveBuffer = 4096}, [&](TlsServer::Stream&) { over.get_future().wait(); });
        auto channel = own.dial(server);
        const auto bytes = pattern(16U << 20);
        auto written = own.world.run(channel->write(bytes, own.world.in(brief), {}));
        over.set_value();
        REQUIRE_FALSE(written);
        CHECK(written.error().code == Code::channelTimeout);
    }
}

SCENARIO("whoever waits is stopped", "[channel]") {
    Trusting own;
    std::stop_source stop;
    GIVEN("a server that never finishes the handshake") {
        const TlsServer server({}, [&](TlsServer::Stream& stream) {
            stream.read();
            stop.request_stop();
            stream.read();
        });
        auto channel = own.world.run(own.world.dialer->dial(own.to(server), own.world.soon(), stop.get_token()));
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == Code::channelStopped);
        CHECK(channel.error().reaction == Reaction::retryLater);
    }
    GIVEN("a port that swallows connections") {
        const servers::Blackhole hole;
        own.world.loop->at(own.world.in(std::chrono::milliseconds(10)), [&] { stop.request_stop(); });
        auto channel = own.world.run(own.world.dialer->dial({.host = "127.0.0.1", .port = hole.port()}, own.world.soon(), stop.get_token()));
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == Code::channelStopped);
    }
    GIVEN("a server that says nothing") {
        const TlsServer server({.chain = {leaf()}}, [&](TlsServer::Stream& stream) {
            stream.readLine();
            stop.request_stop();
            stream.read();
        });
        auto channel = own.dial(server);
        REQUIRE(own.world.run(channel->write("go\n", own.world.soon(), {})));
        char into[64];
        auto got = own.world.run(channel->read(into, own.world.soon(), stop.get_token()));
        REQUIRE_FALSE(got);
        CHECK(got.error().code == Code::channelStopped);
    }
    GIVEN("a service that is stopping already") {
        stop.request_stop();
        auto channel = own.world.run(own.world.dialer->dial({.host = "localhost", .port = 1}, own.world.soon(), stop.get_token()));
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == Code::channelStopped);
    }
}

SCENARIO("TLS may do its own business while we wait", "[channel][tls]") {
    Trusting own;
    GIVEN("a server that changes its keys, asks for ours and hands out tickets before it speaks") {
        const TlsServer server({.chain = {leaf()}}, [](TlsServer::Stream& stream) {
            for (int i = 0; i < 5; ++i) {
                stream.readLine();
                stream.updateKeys(i % 2 == 0);
                stream.sendTicket();
                stream.write("answer\r\n");
            }
            stream.goodbye();
            stream.read();
        });
        auto channel = own.dial(server);
        THEN("each answer arrives, and what we send after is understood") {
            for (int i = 0; i < 5; ++i) {
                REQUIRE(own.world.run(channel->write("question\n", own.world.soon(), {})));
                REQUIRE(*own.world.run(readExactly(channel.get(), 8, own.world.soon())) == "answer\r\n");
            }
            char into[8];
            REQUIRE(*own.world.run(channel->read(into, own.world.soon(), {})) == 0);
        }
    }
    GIVEN("keys that change in the middle of a big transfer both ways") {
        const auto bytes = pattern(4U << 20);
        const TlsServer server({.chain = {leaf()}}, [&](TlsServer::Stream& stream) {
            for (std::size_t done = 0; done < bytes.size();) {
                const auto part = stream.readExactly(std::min<std::size_t>(bytes.size() - done, 300'000));
                stream.updateKeys(true);
                stream.write(part);
                done += part.size();
            }
            stream.read();
        });
        auto channel = own.dial(server);
        auto back = own.world.run(bothWays(channel.get(), &bytes, own.world.loop.get(), own.world.soon()));
        if (!back) FAIL(describe(back.error()));
        REQUIRE((*back == bytes));
        CHECK(server.problems().empty());
    }
}

SCENARIO("a second connection resumes the first one's session", "[channel][tls]") {
    const auto version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    GIVEN("a server of TLS 1." + std::to_string(version - TLS1_VERSION)) {
        std::mutex mutex;
        std::vector<bool> resumed;
        std::vector<std::string> groups;
        const TlsServer server({.chain = {leaf()}, .maxVersion = version}, [&](TlsServer::Stream& stream) {
            {
                const std::lock_guard lock(mutex);
                resumed.push_back(stream.resumed());
                groups.push_back(stream.group());
            }
            stream.write("hello");
            stream.read();
        });
        Trusting own;
        WHEN("it is dialled four times, one after the other") {
            for (int i = 0; i < 4; ++i) {
                auto channel = own.dial(server);
                REQUIRE(*own.world.run(readExactly(channel.get(), 5, own.world.soon())) == "hello");
            }
            const std::lock_guard lock(mutex);
            THEN("all but the first are resumed") { REQUIRE(resumed == std::vector<bool>{false, true, true, true}); }
            THEN("our log says so") { REQUIRE(own.world.log.count("resumed=yes") == 3); }
            THEN("the first choice of key exchange is X25519") { REQUIRE(groups.front() == "X25519"); }
        }
        WHEN("a connection that was resumed is cut") {
            for (int i = 0; i < 2; ++i) REQUIRE(own.world.run(readExactly(own.dial(server).get(), 5, own.world.soon())));
            THEN("the session is used all the same") {
                own.dial(server);
                REQUIRE(own.world.log.count("resumed=yes") >= 1);
            }
        }
    }
    GIVEN("a server of TLS 1.3 that hands out a ticket only where there is none yet") {
        const TlsServer server({.chain = {leaf()}, .sendsTickets = false}, [](TlsServer::Stream& stream) {
            if (!stream.resumed()) stream.sendTicket();
            stream.write("hello");
            stream.read();
        });
        Trusting own;
        THEN("the one ticket serves all, also at the same time") {
            std::vector<ChannelPtr> channels;
            for (int i = 0; i < 5; ++i) {
                channels.push_back(own.dial(server));
                REQUIRE(*own.world.run(readExactly(channels.back().get(), 5, own.world.soon())) == "hello");
            }
            REQUIRE(own.world.log.count("resumed=yes") == 4);
        }
    }
    GIVEN("a server that forgets its sessions, again TLS 1." + std::to_string(version - TLS1_VERSION)) {
        Trusting own;
        const auto greet = [](TlsServer::Stream& stream) {
            stream.write("hello");
            stream.read();
        };
        const TlsServer first({.chain = {leaf()}, .maxVersion = version}, greet);
        REQUIRE(own.world.run(readExactly(own.dial(first).get(), 5, own.world.soon())));
        const TlsServer other({.chain = {leaf()}, .maxVersion = version}, greet);
        THEN("another port has a session of its own") {
            own.dial(other);
            REQUIRE(own.world.log.count("resumed=yes") == 0);
        }
    }
}

SCENARIO("names and addresses of both families are dialled", "[channel]") {
    Trusting own;
    GIVEN("a server on one of the addresses of localhost") {
        const auto* const address = GENERATE("127.0.0.1", "::1");
        std::promise<std::string> name;
        const TlsServer server({.chain = {leaf()}, .address = address}, [&](TlsServer::Stream& stream) {
            name.set_value(stream.serverName());
            stream.write("hello");
            stream.read();
        });
        const bool byName = address == std::string("127.0.0.1");  // not every machine calls ::1 localhost
        auto channel = own.world.dial({.host = byName ? "localhost" : address, .port = server.port(), .truststore = "own"});
        if (!channel) FAIL(describe(channel.error()));
        THEN("it is reached, and told its name but never its address") { REQUIRE(name.get_future().get() == (byName ? "localhost" : "")); }
    }
}

SCENARIO("one endless stream does not keep others from their turn", "[channel]") {
    GIVEN("a server that sends without end and a timer") {
        const TlsServer server({}, [](TlsServer::Stream& stream) {
            const std::string much(1U << 20, 'x');
            try {
                for (;;) stream.write(much);
            } catch (const std::runtime_error&) {  // the client has seen enough
            }
        });
        Trusting own;
        auto channel = own.world.dial(target("plain", server));
        REQUIRE(channel);
        std::stop_source stop;
        own.world.loop->at(own.world.in(std::chrono::milliseconds(50)), [&] { stop.request_stop(); });
        THEN("the timer is heard") {
            auto until = [](auth::Channel* from, plugin::Deadline deadline, std::stop_token token) -> plugin::Task<plugin::Error> {
                std::vector<char> into(65536);
                for (;;) {
                    auto got = co_await from->read(into, deadline, token);
                    if (!got) co_return got.error();
                }
            };
            const auto error = own.world.run(until(channel->get(), own.world.soon(), stop.get_token()));
            REQUIRE(error.code == Code::channelStopped);
        }
    }
}
