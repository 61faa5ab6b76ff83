// A machine whose only way out is a proxy, in network namespaces of its own: what leaves it any other way is counted frame by frame.
#include "tests/auth/channel/trusting.h"
#include "tests/servers/confined.h"
#include "tests/servers/dante.h"
#include "tests/servers/squid.h"

#include <algorithm>

using auth::Target;
using confined::Confinement;
using confined::Tap;
using confined::theirs;
using plugin::Code;
using servers::TlsServer;

SCENARIO("where the proxy is the only way out nothing leaves past it", "[proxy][namespace]") {
    confined::runInside("[.inside]", std::chrono::seconds{90});
}

// Run by the scenario above in namespaces of its own.
SCENARIO("inside: the machine behind the proxy", "[.inside]") {
    const Confinement machine;
    // The outside world: a mail server, a token endpoint, a proxy. Only the proxy knows their names.
    const servers::TemporaryDirectory place;
    const auto serve = [](TlsServer::Stream& stream) {
        stream.write("hello " + stream.serverName());
        stream.read();
    };
    const TlsServer mail({.chain = {leaf()}, .address = "0.0.0.0"}, serve);
    const std::map<std::string, std::string> users{{"postern", "s3cret"}};
    const std::map<std::string, std::string> hosts{{"mail.behind.test", "127.0.0.1"}, {"idp.behind.test", "127.0.0.1"}};
    const auto proxys = servers::makeCertificate({.commonName = "proxy", .addresses = {theirs}}, &root());
    const servers::Squid squid(place / "squid", {.users = users, .hosts = hosts, .address = theirs});
    const servers::Squid overTls(place / "squid-tls",
                                 {.users = users, .hosts = hosts, .address = theirs, .certificate = proxys.pem(), .key = proxys.keyPem()});
    const servers::Dante dante(place / "dante", {.users = users, .hosts = hosts, .address = theirs});
    machine.here.enter();
    // Whatever goes astray leaves by the same cable, and is seen.
    confined::shell("ip route add default via " + theirs);
    Tap tap;
    const auto through = [](const std::string& type, std::uint16_t port) {
        return std::map<std::string, std::string>{
            {"proxy.p.type", type},          {"proxy.p.host", theirs},       {"proxy.p.port", std::to_string(port)},
            {"proxy.p.username", "postern"}, {"proxy.p.password", "s3cret"}, {"proxy.p.bypass", "192.0.2.*"},
            {"proxy.p.default", "true"}};
    };
    struct Row {
        const char* type;
        std::uint16_t port;
    };
    const std::vector<std::uint16_t> ports{squid.port(), overTls.port(), dante.port()};  // all of them: one says goodbye when its turn is over
    for (const auto& row : {Row{"http", squid.port()}, Row{"https", overTls.port()}, Row{"socks5", dante.port()}}) {
        INFO(row.type);
        auto settings = through(row.type, row.port);
        if (row.type == std::string("https")) settings["proxy.p.truststore"] = "own";
        Trusting own(settings);
        const Target named{.host = "mail.behind.test", .port = mail.port(), .truststore = "own", .proxy = "p"};
        auto channel = own.dial(named);
        CHECK(own.read(*channel, 22) == "hello mail.behind.test");
        auto byDefault = named;
        byDefault.proxy = "";
        auto second = own.dial(byDefault);
        CHECK(own.read(*second, 22) == "hello mail.behind.test");
        auto starttls = named;
        starttls.tls = Target::Tls::starttls;
        CHECK(own.dial(starttls));
        auto unknown = named;
        unknown.host = "no-such-host.invalid";
        const auto failed = own.world.dial(unknown);
        REQUIRE_FALSE(failed);
        CHECK(failed.error().code == Code::channelProxyFailed);
        auto here4 = named;  // this machine is no exception either
        here4.host = "127.0.0.1";
        auto atTheProxy = own.dial(here4);
        CHECK(own.read(*atTheProxy, 6) == "hello ");
        auto seen = tap.seen(ports);
        CHECK(seen.toProxy[row.port] > 20);
        CHECK(seen.otherwise == std::vector<std::string>{});
    }

    // The measure measures: a name looked up here, and an address on the bypass list, are both seen.
    {
        Trusting own(through("http", squid.port()));
        const auto brief = own.world.in(std::chrono::milliseconds(300));
        CHECK_FALSE(own.world.dial({.host = "192.0.2.1", .port = 993, .tls = Target::Tls::none}, brief));
        Trusting without;
        CHECK_FALSE(
            without.world.dial({.host = "mail.behind.test", .port = 993, .tls = Target::Tls::none}, without.world.in(std::chrono::seconds(1))));
    }
    const auto direct = tap.seen(ports);
    const auto any = [&](const std::string& part) {
        return std::any_of(direct.otherwise.begin(), direct.otherwise.end(), [&](const auto& each) { return each.find(part) != std::string::npos; });
    };
    CHECK(any(" 192.0.2.1:993"));
    CHECK(any(":53"));
}
