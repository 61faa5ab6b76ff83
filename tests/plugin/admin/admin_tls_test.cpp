// The admin port over TLS, as curl sees it.
#include "plugin/admin/admin_server.h"
#include "plugin/admin/patience.h"
#include "tests/plugin/host/host_fakes.h"
#include "tests/servers/certificates.h"
#include "tests/servers/process.h"

#include <Poco/Net/ServerSocket.h>
#include <Poco/Net/SocketAddress.h>
#include <Poco/Net/StreamSocket.h>
#include <Poco/Net/StreamSocketImpl.h>
#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <list>

using namespace plugin;
using namespace plugin::admin;
using servers::Certificate;
using servers::makeCertificate;

namespace {

const Certificate& authority() {
    static const auto made = makeCertificate({.commonName = "Office", .authority = true});
    return made;
}
const Certificate& between() {
    static const auto made = makeCertificate({.commonName = "Between", .authority = true}, &authority());
    return made;
}
Certificate leaf(const std::string& name, bool rsa = false) {
    return makeCertificate({.commonName = name, .names = {"localhost", "postern.example"}, .rsa = rsa}, &between());
}
TlsIdentity identity(const Certificate& own) { return {own.key, own.certificate, {between().certificate}}; }

struct Port {
    fakes::Log log{};
    fakes::Counters counters{};
    fakes::Folder folder{};
    std::shared_ptr<TlsKey> key;
    std::unique_ptr<AdminServer> server{};

    explicit Port(TlsIdentity shown, const std::string& host = "127.0.0.1") : key(std::make_shared<TlsKey>(std::move(shown))) {
        fakes::write(folder / "authority.pem", authority().pem());
        auto opened = open(host);
        if (!opened) throw std::runtime_error(opened.error().what);
        server = std::move(*opened);
    }
    Result<std::unique_ptr<AdminServer>> open(const std::string& host) {
        return openAdminPort(host, 0,
                             {[] { return true; },
                              [] { return std::vector<std::string>{}; },
                              [] { return std::string("up 1\n"); },
                              std::string(64, 'a'),
                              log,
                              counters,
                              {"postern.example"},
                              {},
                              key});
    }
    std::string number() const { return std::to_string(Poco::Net::SocketAddress(server->address()).port()); }
    /// curl's exit status, and what it has printed.
    servers::Outcome ask(const std::string& url, std::vector<std::string> more = {}) const {
        std::vector<std::string> words{"curl", "--silent", "--show-error",          "--max-time", "30", "--noproxy",
                                       "*",    "--cacert", folder / "authority.pem"};
        more.push_back(url);
        words.insert(words.end(), more.begin(), more.end());
        return servers::run(words);
    }
    std::string status(const std::string& path, std::vector<std::string> more = {}) const {
        more.insert(more.end(), {"--output", "/dev/null", "--write-out", "%{http_code}"});
        return ask("https://localhost:" + number() + path, std::move(more)).output;
    }
    /// What openssl says of the certificate that is shown.
    std::string shown() const {
        const auto outcome = ask("https://localhost:" + number() + "/healthz", {"--verbose", "--output", "/dev/null"});
        const auto at = outcome.error.find("subject: ");
        return at == std::string::npos ? outcome.error : outcome.error.substr(at, outcome.error.find('\n', at) - at);
    }
};

}  // namespace

SCENARIO("with a key the admin port speaks TLS, with the chain its clients need", "[admin][tls]") {
    const Port port(identity(leaf("postern", GENERATE(false, true))));
    THEN("it answers as it does in clear") {
        CHECK(port.ask("https://localhost:" + port.number() + "/metrics").output == "up 1\n");
        CHECK(port.status("/console") == "401");
        CHECK(port.status("/console", {"--header", "Authorization: Bearer " + std::string(64, 'a')}) == "404");
        CHECK(port.status("/healthz", {"--header", "Origin: https://localhost"}) == "403");
        CHECK(port.status("/healthz", {"--header", "Host: evil.example"}) == "403");
        CHECK(port.status("/healthz", {"--header", "Host: postern.example"}) == "200");
    }
    THEN("it speaks TLS 1.2 and 1.3, and nothing else") {
        CHECK(port.status("/healthz", {"--tlsv1.2", "--tls-max", "1.2"}) == "200");
        CHECK(port.status("/healthz", {"--tlsv1.3"}) == "200");
        CHECK(port.status("/healthz", {"--tlsv1.0", "--tls-max", "1.1", "--ciphers", "DEFAULT@SECLEVEL=0"}) == "000");
        CHECK(port.ask("http://localhost:" + port.number() + "/healthz").output.empty());
    }
}

SCENARIO("another key is shown to whoever connects from then on", "[admin][tls]") {
    const Port port(identity(leaf("first")));
    REQUIRE(port.shown().find("CN=first") != std::string::npos);
    port.key->replace(identity(leaf("second", true)));
    CHECK(port.shown().find("CN=second") != std::string::npos);
    CHECK(port.status("/healthz") == "200");
}

SCENARIO("a key that is not that of its certificate opens no port", "[admin][tls]") {
    Port port(identity(leaf("postern")));
    auto mixed = identity(leaf("one"));
    mixed.key = leaf("other").key;
    port.key = std::make_shared<TlsKey>(std::move(mixed));
    const auto refused = port.open("127.0.0.1");
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::channelKeystore);
    CHECK(refused.error().reaction == Reaction::askOperator);
    CHECK(refused.error().what.find("admin.tls.keystore") == 0);
}

SCENARIO("with TLS the port may be open beyond this machine", "[admin][tls]") {
    const Port port(identity(leaf("postern")), GENERATE(as<std::string>{}, "0.0.0.0", "::"));
    CHECK(port.status("/healthz", {"--ipv4"}) == "200");
    CHECK(port.status("/healthz", {"--ipv4", "--header", "Host: 127.0.0.1:" + port.number()}) == "200");
    CHECK(port.status("/healthz", {"--ipv4", "--header", "Host: 0.0.0.0:" + port.number()}) == "403");
}

SCENARIO("clients who say nothing keep nobody out", "[admin][tls]") {
    const Port port(identity(leaf("postern")));
    std::list<Poco::Net::StreamSocket> silent;
    for (int i = 0; i < 6; ++i) silent.emplace_back(Poco::Net::SocketAddress(port.server->address()));
    const std::string half("\x16\x03\x01\x02\x00", 5);  // of a ClientHello that never comes
    for (int i = 0; i < 3; ++i) silent.emplace_back(Poco::Net::SocketAddress(port.server->address())).sendBytes(half.data(), 5);
    CHECK(port.status("/healthz") == "200");
}

namespace {

/// Both ends of a connection.
struct Line {
    Poco::Net::ServerSocket door{Poco::Net::SocketAddress("127.0.0.1", 0)};
    Poco::Net::StreamSocket theirs{door.address()};
    Poco::Net::StreamSocket ours = door.acceptConnection();
};

/// Waits for the end of what comes in; an octet is none.
bool isAtItsEnd(Poco::Net::StreamSocket& socket) {
    char octet = 0;
    return socket.receiveBytes(&octet, 1) == 0;
}

}  // namespace

SCENARIO("who has had his time is shut out", "[admin]") {
    using std::chrono::hours;
    using std::chrono::seconds;
    Line first, second;
    GIVEN("no time at all") {
        Patience patience({hours(1), seconds(-1), 9});
        REQUIRE(patience.accept(first.ours));
        const Patience::Served served(patience, first.ours);
        CHECK(isAtItsEnd(first.theirs));
    }
    GIVEN("no time for a head while others wait") {
        Patience patience({seconds(-1), hours(1), 9});
        REQUIRE(patience.accept(first.ours));
        const Patience::Served served(patience, first.ours);
        REQUIRE(patience.accept(second.ours));
        THEN("no more of it comes in, and an answer may still go out") {
            CHECK(isAtItsEnd(first.ours));
            first.ours.sendBytes("x", 1);
            CHECK_FALSE(isAtItsEnd(first.theirs));
        }
    }
    GIVEN("no time for a head, and one who waits behind another for longer than that") {
        Line third;
        Patience patience({seconds(-1), hours(1), 9});
        REQUIRE(patience.accept(first.ours));
        REQUIRE(patience.accept(second.ours));
        const Patience::Served served(patience, first.ours);
        REQUIRE(isAtItsEnd(first.ours));
        REQUIRE(patience.accept(third.ours));  // whoever looked at the first has looked at all by now
        THEN("his time begins when he is served") {
            char octet = 0;
            CHECK(::recv(second.ours.impl()->sockfd(), &octet, 1, MSG_DONTWAIT) < 0);  // nothing yet; shut would be 0
        }
    }
    GIVEN("places for one who waits") {
        Patience patience({hours(1), hours(1), 1});
        REQUIRE(patience.accept(first.ours));
        CHECK_FALSE(patience.accept(second.ours));
        THEN("another may come once that one is served") {
            const Patience::Served served(patience, first.ours);
            CHECK(patience.accept(second.ours));
        }
    }
    GIVEN("a port that is closed") {
        Patience patience({hours(1), hours(1), 9});
        REQUIRE(patience.accept(first.ours));
        REQUIRE(patience.accept(second.ours));
        patience.headIsWhole(first.ours);
        patience.lose(Patience::Which::headMissing);
        CHECK(isAtItsEnd(second.theirs));
        char octet = 0;
        CHECK(::recv(first.theirs.impl()->sockfd(), &octet, 1, MSG_DONTWAIT) < 0);  // stands
        patience.lose(Patience::Which::all);
        CHECK(isAtItsEnd(first.theirs));
    }
}
