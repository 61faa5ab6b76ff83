// The built program on a machine whose only way out is a proxy: tokens, mailboxes and sinks all go through it.
#include "tests/servers/confined.h"
#include "tests/servers/dante.h"
#include "tests/servers/ews_server.h"
#include "tests/servers/graph_server.h"
#include "tests/servers/keystores.h"
#include "tests/servers/squid.h"
#include "tests/servers/token_endpoint.h"
#include "tests/system/sinks.h"

#include <catch2/catch.hpp>

using namespace systemtest;
using confined::Confinement;
using servers::EwsServer;
using servers::GraphServer;
using servers::WebhookReceiver;

namespace {

constexpr const char* user = "intake@contoso.com";

std::string credential(const Workplace& place, const std::string& name, const servers::TokenEndpoint& tokens) {
    const auto prefix = "credential." + name + ".";
    return prefix + "client_id = app\n" + prefix + "client_secret = ${file:" + place.file(name + ".secret", "s3cret").string() + "}\n" + prefix +
           "scopes = mail\n" + prefix + "token_endpoint = " + tokens.url() + "\n";
}

/// Everything the program talks to, in the world outside.
struct World {
    World() : office(servers::makeCertificate({.commonName = "Office", .authority = true})) {
        ews.user = user;
        box.add(someMails("behind", 3));
        for (int number = 1; number <= 2; ++number) {
            const auto mail = "Message-ID: <" + std::to_string(number) +
                              "@contoso.com>\r\nDate: Sun, 22 Nov 2026 08:15:00 +0000\r\nFrom: a@contoso.com\r\nSubject: " + std::to_string(number) +
                              "\r\n\r\nbody\r\n";
            ews.deliver(ews.inbox(), mail, "2026-11-22T08:1" + std::to_string(number) + ":00Z");
            graph.deliver(mail, "2026-11-22T08:1" + std::to_string(number) + ":00Z");
        }
    }
    servers::Certificate office;
    FilledMailbox box{"m"};
    EwsServer ews{};
    std::uint16_t ewsPort = ews.listen();
    GraphServer graph{};
    WebhookReceiver hook{};
    servers::TokenEndpoint ewsTokens{"token-1"}, graphTokens{"graph-token-of-this-test"};
};

/// Three mailboxes, each to a directory and a webhook; one token for IMAP, one for each of the others. Nothing names the proxy: it is the default.
std::string everything(const Workplace& place, const World& world, const std::string& proxy) {
    const auto exchange = [&](const std::string& alias, const std::string& protocol, const std::string& url) {
        const auto prefix = "mailbox." + alias + ".";
        return prefix + "protocol = " + protocol + "\n" + prefix + "url = " + url + "\n" + prefix + "user = " + user + "\n" + prefix +
               "credential = " + alias + "\n" + prefix + "start = all\n" + prefix + "deliver = spool,hook\n";
    };
    return proxy + basicCredential(place, "c") + credential(place, "e", world.ewsTokens) + credential(place, "g", world.graphTokens) +
           world.box.words("spool,hook", "leave") + exchange("e", "ews", "http://127.0.0.1:" + std::to_string(world.ewsPort) + "/EWS/Exchange.asmx") +
           exchange("g", "graph", world.graph.url()) + webhook("hook", world.hook);
}

std::string through(const std::string& type, std::uint16_t port) {
    return "proxy.p.type = " + type + "\nproxy.p.host = " + confined::theirs + "\nproxy.p.port = " + std::to_string(port) +
           "\nproxy.p.username = postern\nproxy.p.password = s3cret\nproxy.p.default = true\n";
}

}  // namespace

SCENARIO("with a default proxy tokens, mailboxes of every protocol and webhooks go through it, and nothing past it", "[system][proxy][namespace]") {
    confined::runInside("[.inside]", std::chrono::seconds{240});
}

// Run by the scenario above in namespaces of its own.
SCENARIO("inside: the program behind the proxy", "[.inside]") {
    const Confinement machine;
    World world;
    const servers::TemporaryDirectory proxies;
    const std::map<std::string, std::string> users{{"postern", "s3cret"}};
    const auto certificate = servers::makeCertificate({.commonName = "proxy", .addresses = {confined::theirs}}, &world.office);
    const servers::Squid squid(proxies / "squid", {.users = users, .address = confined::theirs});
    const servers::Squid overTls(proxies / "squid-tls",
                                 {.users = users, .address = confined::theirs, .certificate = certificate.pem(), .key = certificate.keyPem()});
    const servers::Dante dante(proxies / "dante", {.users = users, .hosts = {{"localhost", "127.0.0.1"}}, .address = confined::theirs});
    const std::vector<std::uint16_t> ports{squid.port(), overTls.port(), dante.port()};
    machine.here.enter();
    confined::shell("ip route add default via " + confined::theirs);  // whatever goes astray leaves by the same cable, and is seen
    confined::Tap tap;
    struct Row {
        const char* type;
        std::uint16_t port;
    };
    for (const auto& row : {Row{"http", squid.port()}, Row{"https", overTls.port()}, Row{"socks5", dante.port()}}) {
        INFO(row.type);
        const auto taken = world.hook.count();
        const auto asked = Surroundings::get().provider().requests().size();
        Workplace place;
        auto proxy = through(row.type, row.port);
        if (row.type == std::string("https"))
            proxy += "truststore.office.path = " + place.file("office.pem", world.office.pem()).string() + "\nproxy.p.truststore = office\n";
        place.configure(everything(place, world, proxy));
        const auto ran = place.postern({"run", "--once"});
        INFO(ran.error);
        CHECK(ran.status == 0);
        CHECK(place.countDelivered("m") == 3);
        CHECK(place.countDelivered("e") == 2);
        CHECK(place.countDelivered("g") == 2);
        CHECK(world.hook.count() == taken + 7);
        CHECK(Surroundings::get().provider().requests().size() > asked);
        const auto seen = tap.seen(ports);
        CHECK(seen.toProxy.at(row.port) > 20);
        CHECK(seen.otherwise == std::vector<std::string>{});
    }
    CHECK(world.hook.problems() == std::vector<std::string>{});
    CHECK(world.graph.problems() == std::vector<std::string>{});
    CHECK(world.ews.problems() == std::vector<std::string>{});
    WHEN("the proxy is gone") {
        Workplace place;
        place.configure(everything(place, world, through("http", 9)));
        THEN("nothing is tried without it") {
            CHECK(place.postern({"run", "--once"}).status == 75);
            CHECK(place.countDelivered("m") + place.countDelivered("e") + place.countDelivered("g") == 0);
            std::vector<std::uint16_t> all = ports;
            all.push_back(9);
            CHECK(tap.seen(all).otherwise == std::vector<std::string>{});
        }
    }
}
