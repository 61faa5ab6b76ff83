#include "tests/auth/channel/trusting.h"

using auth::Target;
using plugin::Code;
using plugin::Reaction;
using servers::TlsServer;

namespace {

Target inClear(const TlsServer& server) { return {.host = "127.0.0.1", .port = server.port(), .tls = Target::Tls::starttls, .truststore = "own"}; }

TlsServer::Options plainFirst(int version = TLS1_3_VERSION) { return {.chain = {leaf()}, .maxVersion = version, .plainFirst = true}; }

/// Greets, agrees to begin TLS, begins it, and then says who we are.
void agree(TlsServer::Stream& stream) {
    stream.write("* OK ready\r\n");
    stream.readLine();
    stream.write("A1 OK begin\r\n");
    stream.beginTls();
    stream.write("inside " + std::string(stream.resumed() ? "resumed" : "fresh"));
    stream.readLine();
}

}  // namespace

SCENARIO("TLS begins when both sides have agreed on it in clear", "[channel][starttls]") {
    const auto version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    GIVEN("a server of TLS 1." + std::to_string(version - TLS1_VERSION) + " that begins it after a word in clear") {
        const TlsServer server(plainFirst(version), agree);
        Trusting own;
        auto channel = own.dial(inClear(server));
        CHECK(channel->security() == "plain");
        REQUIRE(own.read(*channel, 12) == "* OK ready\r\n");
        own.write(*channel, "A1 STARTTLS\r\n");
        REQUIRE(own.read(*channel, 13) == "A1 OK begin\r\n");
        const auto begun = own.world.run(channel->startTls(own.world.soon(), {}));
        if (!begun) FAIL(describe(begun.error()));
        THEN("what follows is encrypted") {
            CHECK(channel->security().starts_with("TLSv1."));
            REQUIRE(own.read(*channel, 12) == "inside fresh");
            own.write(*channel, "bye\r\n");
        }
        THEN("a second connection resumes the session") {
            REQUIRE(own.read(*channel, 12) == "inside fresh");
            own.write(*channel, "bye\r\n");
            auto second = own.dial(inClear(server));
            own.read(*second, 12);
            own.write(*second, "A1 STARTTLS\r\n");
            own.read(*second, 13);
            REQUIRE(own.world.run(second->startTls(own.world.soon(), {})));
            REQUIRE(own.read(*second, 14) == "inside resumed");
            own.write(*second, "bye\r\n");
        }
        THEN("it cannot be begun twice: that is a bug") {
            REQUIRE_THROWS_AS(own.world.run(channel->startTls(own.world.soon(), {})), std::logic_error);
            own.write(*channel, "bye\r\n");
        }
    }
}

SCENARIO("certificates are looked at as closely as with implicit TLS", "[channel][starttls]") {
    const auto begin = [](World& world, const Target& target) {
        auto channel = world.dial(target);
        if (!channel) return plugin::Result<void>(channel.error());
        char into[64];
        REQUIRE(world.run((*channel)->read(into, world.soon(), {})));
        REQUIRE(world.run((*channel)->write("A1 STARTTLS\r\n", world.soon(), {})));
        REQUIRE(world.run((*channel)->read(into, world.soon(), {})));
        return world.run((*channel)->startTls(world.soon(), {}));
    };
    const TlsServer server(plainFirst(), agree);
    Trusting own;
    GIVEN("an authority nobody trusts") {
        auto target = inClear(server);
        target.truststore = "";
        const auto begun = begin(own.world, target);
        REQUIRE_FALSE(begun);
        CHECK(begun.error().code == Code::channelCertificateUntrusted);
        CHECK(begun.error().reaction == Reaction::askOperator);
    }
    GIVEN("a certificate for another name") {
        const auto foreign = servers::makeCertificate({.commonName = "other", .names = {"mail.other.test"}}, &root());
        const TlsServer other({.chain = {foreign}, .plainFirst = true}, agree);
        const auto begun = begin(own.world, inClear(other));
        REQUIRE_FALSE(begun);
        CHECK(begun.error().code == Code::channelCertificateName);
        CHECK(begun.error().reaction == Reaction::askOperator);
    }
    GIVEN("a truststore that is none: nothing is said in clear then") {
        auto target = inClear(server);
        target.truststore = "nobody";
        const auto begun = begin(own.world, target);
        REQUIRE_FALSE(begun);
        CHECK(begun.error().code == Code::channelTruststore);
        CHECK(server.accepted() == 0);
    }
}

SCENARIO("what somebody slips in before TLS is not believed", "[channel][starttls]") {
    Trusting own;
    char into[64];
    GIVEN("a line in clear that comes with the agreement") {
        const TlsServer server(plainFirst(), [](TlsServer::Stream& stream) {
            stream.readLine();
            stream.write("A1 OK begin\r\n* 1 EXISTS\r\n");
            stream.read();
        });
        auto channel = own.dial(inClear(server));
        own.write(*channel, "A1 STARTTLS\r\n");
        REQUIRE(own.read(*channel, 13) == "A1 OK begin\r\n");
        const auto begun = own.world.run(channel->startTls(own.world.soon(), {}));
        REQUIRE_FALSE(begun);
        CHECK(begun.error().code == Code::channelClearText);
        CHECK(begun.error().reaction == Reaction::reconnect);
        THEN("the rest of it cannot be read either") { CHECK(channel->security() == "plain"); }
    }
    GIVEN("one that arrives after our hello is on its way") {
        const TlsServer server(plainFirst(), [](TlsServer::Stream& stream) {
            stream.readLine();
            stream.write("A1 OK begin\r\n");
            stream.readExactly(1);  // of the hello
            stream.write("* BYE somebody on the way\r\n");
            stream.read();
        });
        auto channel = own.dial(inClear(server));
        own.write(*channel, "A1 STARTTLS\r\n");
        REQUIRE(own.read(*channel, 13) == "A1 OK begin\r\n");
        const auto begun = own.world.run(channel->startTls(own.world.soon(), {}));
        REQUIRE_FALSE(begun);
        CHECK(begun.error().code == Code::channelNotTls);
        auto after = own.world.run(channel->read(into, own.world.soon(), {}));
        CHECK_FALSE(after);
    }
    GIVEN("a server that hangs up instead") {
        const TlsServer server(plainFirst(), [](TlsServer::Stream& stream) {
            stream.readLine();
            stream.write("A1 OK begin\r\n");
            stream.goodbye();
            stream.read();
        });
        auto channel = own.dial(inClear(server));
        own.write(*channel, "A1 STARTTLS\r\n");
        REQUIRE(own.read(*channel, 13) == "A1 OK begin\r\n");
        const auto begun = own.world.run(channel->startTls(own.world.soon(), {}));
        REQUIRE_FALSE(begun);
        CHECK(begun.error().code == Code::channelClosed);
    }
    GIVEN("a server that never goes on") {
        const TlsServer server(plainFirst(), [](TlsServer::Stream& stream) {
            stream.readLine();
            stream.write("A1 OK begin\r\n");
            while (!stream.read().empty()) {
            }
        });
        auto channel = own.dial(inClear(server));
        own.write(*channel, "A1 STARTTLS\r\n");
        REQUIRE(own.read(*channel, 13) == "A1 OK begin\r\n");
        const auto begun = own.world.run(channel->startTls(own.world.in(std::chrono::milliseconds(50)), {}));
        REQUIRE_FALSE(begun);
        CHECK(begun.error().code == Code::channelTimeout);
    }
}

SCENARIO("a channel that was not dialled for it begins no TLS", "[channel][starttls]") {
    const TlsServer server({}, [](TlsServer::Stream& stream) { stream.read(); });
    Trusting own;
    auto channel = own.dial({.host = "127.0.0.1", .port = server.port(), .tls = Target::Tls::none});
    REQUIRE_THROWS_AS(own.world.run(channel->startTls(own.world.soon(), {})), std::logic_error);
}
