#include "tests/servers/dante.h"
#include "tests/auth/channel/trusting.h"

using auth::Target;
using plugin::Code;
using plugin::Reaction;
using servers::Dante;
using servers::TemporaryDirectory;
using servers::TlsServer;

namespace {

Settings through(const Dante& dante, const std::string& type, Settings more = {}) {
    more["proxy.p.type"] = type;
    more["proxy.p.host"] = "127.0.0.1";
    more["proxy.p.port"] = std::to_string(dante.port());
    return more;
}

/// A Dante with users or names of its own needs a mount namespace.
bool skipped() {
    static const bool possible = Dante::canHaveItsOwn();
    if (possible) return false;
    WARN("skipped: mount namespaces cannot be made here (unshare --mount, or user namespaces)");
    SUCCEED("skipped");
    return true;
}

}  // namespace

SCENARIO("a mail server is reached through Dante", "[dante][socks]") {
    const TemporaryDirectory place;
    const TlsServer server({.chain = {leaf()}}, greet);
    const TlsServer clear({}, greet);
    const auto closed = servers::closedPort(), denied = servers::closedPort();
    const Dante dante(place / "dante", {.denied = {denied}});
    const auto type = GENERATE(as<std::string>{}, "socks4", "socks5");
    Trusting own(through(dante, type));
    const Target target{.host = "127.0.0.1", .port = server.port(), .truststore = "own", .proxy = "p"};
    GIVEN("TLS with an address, through " + type) {
        auto channel = own.dial(target);
        CHECK(own.read(*channel, 6) == "hello ");
        CHECK(channel->security().starts_with("TLSv1.3"));
    }
    GIVEN("no TLS, through " + type) {
        auto channel = own.dial({.host = "127.0.0.1", .port = clear.port(), .tls = Target::Tls::none, .proxy = "p"});
        CHECK(own.read(*channel, 6) == "hello ");
        CHECK(channel->security() == "plain");
    }
    GIVEN("a second connection, through " + type + ": it resumes the session of the first") {
        {
            auto channel = own.dial(target);
            own.read(*channel, 6);
        }
        auto channel = own.dial(target);
        own.read(*channel, 6);
        CHECK(own.world.log.count("resumed=yes") == 1);
    }
    GIVEN("a port where nobody listens, through " + type) {
        auto nobody = target;
        nobody.port = closed;
        const auto channel = own.world.dial(nobody);
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == Code::channelProxyFailed);
        CHECK(channel.error().reaction == Reaction::reconnect);
        CHECK(channel.error().what.find(type == "socks5" ? "nothing listens there" : "SOCKS 4 does not say which") != std::string::npos);
    }
    GIVEN("a port nobody is let through to, through " + type) {
        auto forbidden = target;
        forbidden.port = denied;
        const auto channel = own.world.dial(forbidden);
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == (type == "socks5" ? Code::channelProxyForbidden : Code::channelProxyFailed));
        CHECK(channel.error().reaction == (type == "socks5" ? Reaction::askOperator : Reaction::reconnect));
        CHECK(dante.log().find("block(1)") != std::string::npos);
    }
}

SCENARIO("names are looked up by Dante and not here", "[dante][socks]") {
    if (skipped()) return;
    const TemporaryDirectory place;
    const TlsServer server({.chain = {leaf()}}, greet);
    const Dante dante(place / "dante", {.hosts = {{"mail.behind.test", "127.0.0.1"}}});
    Trusting own(through(dante, "socks5"));
    Target target{.host = "mail.behind.test", .port = server.port(), .truststore = "own", .proxy = "p"};
    auto channel = own.dial(target);
    CHECK(own.read(*channel, 22) == "hello mail.behind.test");
    target.host = "no-such-host.test";
    const auto unknown = own.world.dial(target);
    REQUIRE_FALSE(unknown);
    CHECK(unknown.error().code == Code::channelProxyFailed);
    CHECK(unknown.error().reaction == Reaction::reconnect);
    CHECK(unknown.error().what.find("it does not find that host, or no way to it") != std::string::npos);
}

SCENARIO("Dante is told who we are", "[dante][socks]") {
    if (skipped()) return;
    const TemporaryDirectory place;
    const TlsServer server({.chain = {leaf()}}, greet);
    const std::string user = "J\xc3\xb6rg O'Hara", password = " p\xc3\xa4ss: \"%41\" \xe2\x82\xac ";
    Dante dante(place / "dante", {.users = {{user, password}}});
    const TemporaryFile secret(password);
    const Target target{.host = "localhost", .port = server.port(), .truststore = "own", .proxy = "p"};
    const Settings known{{"proxy.p.username", user}, {"proxy.p.password", "${file:" + secret.path + "}"}};
    GIVEN("the right password") {
        Trusting own(through(dante, "socks5", known));
        {
            auto channel = own.dial(target);
            CHECK(own.read(*channel, 15) == "hello localhost");
        }
        CHECK(dante.log().find("username%" + user + "@") != std::string::npos);
        AND_GIVEN("another one since") {
            secret.write("wrong");
            const auto refused = own.world.dial(target);
            REQUIRE_FALSE(refused);
            CHECK(refused.error().code == Code::channelProxyRefused);
            CHECK(refused.error().reaction == Reaction::askOperator);
            CHECK(refused.error().what.find("it refused the user and the password") != std::string::npos);
            CHECK(own.world.log.count("wrong") == 0);
        }
    }
    GIVEN("no user at all") {
        Trusting own(through(dante, "socks5"));
        const auto refused = own.world.dial(target);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == Code::channelProxyRefused);
        CHECK(refused.error().what.find("it wants a user and a password, or another sign-in") != std::string::npos);
    }
    GIVEN("a proxy that goes away") {
        Trusting own(through(dante, "socks5", known));
        auto channel = own.dial(target);
        own.read(*channel, 15);
        dante.stop();
        char into[8];
        const auto cut = own.world.run(channel->read(into, own.world.soon(), {}));
        REQUIRE_FALSE(cut);
        CHECK(cut.error().code == Code::channelClosed);
        CHECK(cut.error().reaction == Reaction::reconnect);
        CHECK(cut.error().what.find("through socks5 proxy p 127.0.0.1:") != std::string::npos);
    }
}
