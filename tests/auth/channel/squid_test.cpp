#include "tests/servers/squid.h"
#include "tests/auth/channel/trusting.h"

using auth::Target;
using plugin::Code;
using plugin::Reaction;
using servers::Squid;
using servers::TemporaryDirectory;
using servers::TlsServer;

namespace {

Settings through(const Squid& squid, Settings more = {}) {
    more["proxy.p.host"] = "127.0.0.1";
    more["proxy.p.port"] = std::to_string(squid.port());
    return more;
}

}  // namespace

SCENARIO("a mail server is reached through Squid", "[squid]") {
    const TemporaryDirectory place;
    const TlsServer server({.chain = {leaf()}}, greet);
    const auto closed = servers::closedPort();
    const auto denied = servers::closedPort();
    const Squid squid(place / "squid", {.hosts = {{"mail.behind.test", "127.0.0.1"}}, .denied = {denied}});
    Trusting own(through(squid));
    const Target target{.host = "mail.behind.test", .port = server.port(), .truststore = "own", .proxy = "p"};

    GIVEN("a name only the proxy knows") {
        auto channel = own.dial(target);
        CHECK(own.read(*channel, 22) == "hello mail.behind.test");
        CHECK(channel->security().starts_with("TLSv1.3"));
        auto direct = target;
        direct.proxy = "";
        const auto unknown = own.world.dial(direct);
        REQUIRE_FALSE(unknown);
        CHECK(unknown.error().code == Code::channelNameNotFound);
    }
    GIVEN("a second connection: it resumes the session of the first") {
        {
            auto channel = own.dial(target);
            own.read(*channel, 22);
        }
        auto channel = own.dial(target);
        own.read(*channel, 22);
        CHECK(own.world.log.count("resumed=yes") == 1);
    }
    GIVEN("a port where nobody listens") {
        auto nobody = target;
        nobody.port = closed;
        const auto channel = own.world.dial(nobody);
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == Code::channelProxyFailed);
        CHECK(channel.error().reaction == Reaction::reconnect);
        CHECK(channel.error().what.find("(503 Service Unavailable)") != std::string::npos);
    }
    GIVEN("a name nobody knows") {
        auto nobody = target;
        nobody.host = "no-such-host.invalid";
        const auto channel = own.world.dial(nobody);
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == Code::channelProxyFailed);
    }
    GIVEN("a port nobody is let through to") {
        auto forbidden = target;
        forbidden.port = denied;
        const auto channel = own.world.dial(forbidden);
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == Code::channelProxyForbidden);
        CHECK(channel.error().reaction == Reaction::askOperator);
        CHECK(channel.error().what.find("(403 Forbidden)") != std::string::npos);
    }
}

SCENARIO("Squid is told who we are", "[squid]") {
    const TemporaryDirectory place;
    const TlsServer server({.chain = {leaf()}}, greet);
    const std::string user = "J\xc3\xb6rg O'Hara", password = " p\xc3\xa4ss: \"%41\" \xe2\x82\xac ";
    Squid squid(place / "squid", {.users = {{user, password}}});
    const TemporaryFile secret(password);
    const Target target{.host = "localhost", .port = server.port(), .truststore = "own", .proxy = "p"};
    const Settings known{{"proxy.p.username", user}, {"proxy.p.password", "${file:" + secret.path + "}"}};
    GIVEN("the right password") {
        Trusting own(through(squid, known));
        {
            auto channel = own.dial(target);
            CHECK(own.read(*channel, 15) == "hello localhost");
        }
        AND_GIVEN("another one since") {
            secret.write("wrong");
            const auto refused = own.world.dial(target);
            REQUIRE_FALSE(refused);
            CHECK(refused.error().code == Code::channelProxyRefused);
            CHECK(refused.error().reaction == Reaction::askOperator);
            CHECK(refused.error().what.find("it refused the user and the password (407 Proxy Authentication Required)") != std::string::npos);
            CHECK(own.world.log.count(password) == 0);
        }
    }
    GIVEN("no user at all") {
        Trusting own(through(squid));
        const auto refused = own.world.dial(target);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == Code::channelProxyRefused);
        CHECK(refused.error().what.find("it wants a user and a password") != std::string::npos);
    }
    GIVEN("a proxy that goes away") {
        Trusting own(through(squid, known));
        auto channel = own.dial(target);
        own.read(*channel, 15);
        squid.stop();
        char into[8];
        const auto cut = own.world.run(channel->read(into, own.world.soon(), {}));
        REQUIRE_FALSE(cut);
        CHECK(cut.error().reaction == Reaction::reconnect);
        CHECK(cut.error().what.find("through proxy p 127.0.0.1:") != std::string::npos);
        const auto down = own.world.dial(target);
        REQUIRE_FALSE(down);
        CHECK(down.error().code == Code::channelRefused);
        CHECK(down.error().reaction == Reaction::reconnect);
        CHECK(down.error().what.starts_with("localhost:" + std::to_string(server.port()) + " cannot be reached through proxy p 127.0.0.1:"));
    }
}
