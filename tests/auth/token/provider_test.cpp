// Token requests to a real identity provider (npm oidc-provider), directly and through a real Squid and a real Dante.
#include "machine.h"
#include "tests/servers/dante.h"
#include "tests/servers/identity_provider.h"
#include "tests/servers/squid.h"
#include "tests/servers/tls_server.h"

#include <random>

using plugin::Code;
using plugin::Reaction;
using servers::IdentityProvider;
using servers::Squid;
using servers::TemporaryDirectory;

namespace {

/// Provider and certificates, once for all that only ask for tokens.
struct Surroundings {
    TemporaryDirectory place{};
    servers::CertificateFiles certificates{place / "certificates"};
    IdentityProvider provider;
    explicit Surroundings(const std::map<std::string, std::string>& clients) : provider(place / "idp", certificates, {.clients = clients}) {}
};

/// Each printable ASCII character at each end and in the middle of a secret, and random ones of up to 48.
std::map<std::string, std::string> oddClients() {
    std::map<std::string, std::string> clients;
    const auto add = [&](const std::string& secret) { clients["odd-" + std::to_string(clients.size())] = secret; };
    for (char c = 0x20; c < 0x7f; ++c) add(c + std::string("x") + c + "y" + c);
    std::mt19937 chance(20261125);  // the same ones each time
    for (int i = 0; i < 25; ++i) {
        std::string secret(1 + chance() % 48, ' ');
        for (auto& c : secret) c = static_cast<char>(0x20 + chance() % 95);
        add(secret);
    }
    return clients;
}

void set(Settings& settings, const std::string& key, const std::string& value) { settings[key] = {value, {"test", 1}, true}; }

}  // namespace

SCENARIO("a real provider takes every secret RFC 6749 allows, in the header and in the body", "[token][provider]") {
    const auto clients = oddClients();
    const Surroundings around(clients);
    Settings settings;
    set(settings, "truststore.test.path", around.certificates.authority);
    for (const auto& [id, secret] : clients)
        for (const std::string placement : {"basic", "body"}) {
            add(settings, id + "-" + placement, id, secret, placement, around.provider.tokenEndpoint(), IdentityProvider::scope());
            set(settings, "credential." + id + "-" + placement + ".truststore", "test");
        }
    Machine machine(std::move(settings));
    for (const auto& [id, secret] : clients)
        for (const std::string placement : {"basic", "body"}) {
            const auto token = machine.token(id + "-" + placement);
            INFO(placement << " '" << secret << "' " << (token ? "" : token.error().what));
            REQUIRE(token);
        }
    const auto requests = around.provider.requests();
    REQUIRE(requests.size() == 2 * clients.size());
    for (const auto& request : requests) {
        const bool inHeader = !request.header("authorization").empty();
        const bool inBody = request.body.find("client_secret=") != std::string::npos;
        CHECK(inHeader != inBody);
    }
    for (const auto& [id, secret] : clients)
        if (secret.size() > 8) CHECK(machine.log.text().find(secret) == std::string::npos);
}

SCENARIO("tokens are asked for through proxies", "[token][provider][squid][dante]") {
    static const Surroundings around(std::map<std::string, std::string>{{"app", "s3cret"}});
    const auto before = around.provider.requests().size();
    const auto asked = [&] { return around.provider.requests().size() - before; };
    Squid squid(around.place / "squid", {.users = {{"postern", "p\xc3\xa4ss"}}});
    Settings settings;
    set(settings, "truststore.test.path", around.certificates.authority);
    set(settings, "proxy.p.host", "127.0.0.1");
    set(settings, "proxy.p.port", std::to_string(squid.port()));
    set(settings, "proxy.p.username", "postern");
    set(settings, "proxy.p.password", "p\xc3\xa4ss");
    add(settings, "c", "app", "s3cret", "basic", around.provider.tokenEndpoint(), IdentityProvider::scope());
    set(settings, "credential.c.truststore", "test");
    set(settings, "credential.c.proxy", "p");
    const auto proxied = [&] {
        squid.stop();  // it writes its log at the end of a tunnel, and flushes it when it ends
        return squid.log().find("CONNECT localhost:") != std::string::npos;
    };
    const auto refused = [&](const std::string& cause, Reaction reaction) {
        Machine machine(settings);
        const auto token = machine.token("c");
        REQUIRE_FALSE(token);
        INFO(token.error().what);
        CHECK(token.error().code == Code::tokenEndpointUnreachable);
        CHECK(token.error().reaction == reaction);
        CHECK(token.error().what.find(cause) != std::string::npos);
        CHECK(token.error().what.find("through proxy p 127.0.0.1:") != std::string::npos);
        CHECK(asked() == 0);
        for (const auto* secret : {"p\xc3\xa4ss", "s3cret"}) CHECK((token.error().what + machine.log.text()).find(secret) == std::string::npos);
    };
    GIVEN("the right password") {
        Machine machine(settings);
        const auto token = machine.token("c");
        INFO((token ? "" : token.error().what));
        REQUIRE(token);
        CHECK(asked() == 1);
        CHECK(around.provider.requests().back().header("proxy-authorization").empty());
        CHECK(proxied());
    }
    GIVEN("a wrong one") {
        set(settings, "proxy.p.password", "wrong");
        refused("PO-2014", Reaction::askOperator);
    }
    GIVEN("none") {
        settings.erase("proxy.p.username");
        refused("PO-2014", Reaction::askOperator);
    }
    GIVEN("a proxy that is down") {
        squid.stop();
        refused("PO-2002", Reaction::retryLater);
    }
    GIVEN("an endpoint the proxy cannot reach") {
        set(settings, "credential.c.token_endpoint", "https://localhost:" + std::to_string(servers::closedPort()) + "/token");
        refused("PO-2017", Reaction::retryLater);
    }
    GIVEN("a proxy that is named and disabled") {
        set(settings, "proxy.p.enabled", "false");
        Machine machine(settings);
        const auto token = machine.token("c");
        REQUIRE_FALSE(token);
        CHECK(token.error().reaction == Reaction::askOperator);
        CHECK(token.error().what.find("PO-2015") != std::string::npos);
        CHECK(asked() == 0);
    }
    GIVEN("no name, but a default") {
        settings.erase("credential.c.proxy");
        set(settings, "proxy.p.default", "true");
        {
            Machine machine(settings);
            REQUIRE(machine.token("c"));
        }
        CHECK(proxied());
    }
    GIVEN("no name and no default: it is not used") {
        settings.erase("credential.c.proxy");
        {
            Machine machine(settings);
            REQUIRE(machine.token("c"));
        }
        CHECK_FALSE(proxied());
    }
    GIVEN("Squid that is spoken to with TLS") {
        const auto authority = servers::makeCertificate({.commonName = "Proxy Root", .authority = true});
        const auto own = servers::makeCertificate({.commonName = "proxy", .addresses = {"127.0.0.1"}}, &authority);
        const Squid overTls(around.place / "squid-tls", {.users = {{"postern", "p\xc3\xa4ss"}}, .certificate = own.pem(), .key = own.keyPem()});
        servers::writeFile(around.place / "proxy-root.pem", authority.pem());
        set(settings, "truststore.proxys.path", (around.place / "proxy-root.pem").string());
        set(settings, "proxy.p.type", "https");
        set(settings, "proxy.p.port", std::to_string(overTls.port()));
        set(settings, "proxy.p.truststore", "proxys");
        {
            Machine machine(settings);
            const auto token = machine.token("c");
            INFO((token ? "" : token.error().what));
            REQUIRE(token);
        }
        CHECK(asked() == 1);
        CHECK_FALSE(proxied());  // by the other one
    }
    GIVEN("Dante") {
        if (!servers::Dante::canHaveItsOwn()) {
            WARN("skipped: mount namespaces cannot be made here (unshare --mount, or user namespaces)");
            SUCCEED("skipped");
            return;
        }
        const servers::Dante dante(around.place / "dante", {.users = {{"postern", "p\xc3\xa4ss"}}});
        set(settings, "proxy.p.type", "socks5");
        set(settings, "proxy.p.port", std::to_string(dante.port()));
        {
            Machine machine(settings);
            const auto token = machine.token("c");
            INFO((token ? "" : token.error().what));
            REQUIRE(token);
        }
        CHECK(asked() == 1);
        CHECK(dante.log().find("pass(1): tcp/connect") != std::string::npos);
        CHECK_FALSE(proxied());
    }
    GIVEN("an endpoint on the bypass list") {
        set(settings, "proxy.p.bypass", "*.example; LOCALHOST");
        {
            Machine machine(settings);
            REQUIRE(machine.token("c"));
        }
        CHECK_FALSE(proxied());
    }
    GIVEN("a default that is down and may be passed by, or not") {
        const auto mayFall = GENERATE(true, false);
        squid.stop();
        settings.erase("credential.c.proxy");
        set(settings, "proxy.p.default", "true");
        set(settings, "proxy.fallback_to_direct", mayFall ? "true" : "false");
        Machine machine(settings);
        CHECK(static_cast<bool>(machine.token("c")) == mayFall);
    }
}
