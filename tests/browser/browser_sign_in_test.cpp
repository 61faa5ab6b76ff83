// A person signs in with a real browser (Debian's Chromium) at a real provider (npm oidc-provider), and comes back to the command, or to the service.
#include "tests/browser/chromium.h"
#include "tests/plugin/host/started_program.h"
#include "tests/servers/admin_port.h"
#include "tests/servers/identity_provider.h"
#include "tests/servers/keystores.h"

#include <catch2/catch.hpp>
#include <csignal>

using fakes::Program;
using servers::IdentityProvider;

namespace {

struct Surroundings {
    servers::TemporaryDirectory place{};
    servers::CertificateFiles certificates{place / "certificates"};
    IdentityProvider provider{place / "idp", certificates, {}};
    servers::Certificate own = servers::makeCertificate({.commonName = "postern", .names = {"postern.example.test"}});

    Surroundings() {
        servers::writeFile(place / "admin.pem", own.keyPem() + own.pem());
        servers::writeFile(place / "postern.pem", own.pem());
    }
    static Surroundings& get() {
        static Surroundings all;
        return all;
    }
};

/// Credential "native" comes back to a port of the command's, "web" to the admin port of the service.
class Workplace {
public:
    Workplace() {
        const auto& all = Surroundings::get();
        std::filesystem::create_directories(directory_ / "packages");
        servers::writeFile(directory_ / "secret", IdentityProvider::webSecret() + "\n");
        servers::writeFile(directory_ / "postern.properties",
                           "server.data = " + (directory_ / "data").string() + "\nadmin.address = 127.0.0.1:0\npackage.path = " +
                               (directory_ / "packages").string() + "\ntruststore.test.path = " + all.certificates.authority.string() +
                               "\nkeystore.admin.type = pem\nkeystore.admin.path = " + (all.place / "admin.pem").string() +
                               "\nadmin.tls.keystore = admin\nadmin.public_url = https://postern.example.test\n" +
                               credential("native", {{"client_id", "app-native"}, {"authentication", "none"}}) +
                               credential("web", {{"client_id", "app-web"},
                                                  {"client_secret", "${file:" + (directory_ / "secret").string() + "}"},
                                                  {"redirect_uri", "https://postern.example.test/oauth-callback"}}));
    }
    std::vector<std::string> words(std::vector<std::string> own) const {
        own.insert(own.end(), {"--config", (directory_ / "postern.properties").string()});
        return own;
    }
    browser::Page visit(const std::string& url, const std::string& user, bool cancels = false) const {
        const auto& all = Surroundings::get();
        const auto address = servers::AdminPort(directory_ / "data").address();
        return browser::visit(
            {url, user, cancels, {all.certificates.server, all.place / "postern.pem"}, address.empty() ? "" : "postern.example.test=" + address});
    }
    /// What `postern credentials` tells of it.
    std::string shown(const std::string& name) const {
        Program program(words({"credentials", name}));
        CHECK(program.wait() == 0);
        return program.output();
    }

private:
    static std::string credential(const std::string& name, std::map<std::string, std::string> own) {
        const auto& all = Surroundings::get();
        own.insert({{"grant", "authorization_code"},
                    {"authorization_endpoint", all.provider.authorizationEndpoint()},
                    {"token_endpoint", all.provider.tokenEndpoint()},
                    {"issuer", all.provider.issuer()},
                    {"scopes", "openid offline_access " + IdentityProvider::scope()},
                    {"truststore", "test"}});
        std::string text;
        for (const auto& [key, value] : own) text.append("credential.").append(name).append(".").append(key).append(" = ").append(value).append("\n");
        return text;
    }
    servers::TemporaryDirectory directory_{};
};

std::string addressOf(Program& program) {
    program.awaitError("The browser comes back by itself");
    const auto said = program.error();
    const auto begin = said.find("https://", said.find("Open this address"));
    return said.substr(begin, said.find('\n', begin) - begin);
}

}  // namespace

SCENARIO("a browser comes back to the command that waits on this machine", "[login][browser]") {
    const Workplace place;
    Program login(place.words({"login", "native", "--user", "alice@example.test"}));
    const auto page = place.visit(addressOf(login), "alice@example.test");
    CHECK(page.status == 200);
    CHECK(page.address.find("http://localhost:") == 0);
    CHECK(page.text.find("Postern has its answer") != std::string::npos);
    CHECK(login.wait() == 0);
    const auto shown = place.shown("native");
    CHECK(shown.find("alice@example.test") != std::string::npos);
    CHECK(shown.find("refresh token   yes") != std::string::npos);
}

SCENARIO("a browser comes back to the service's admin port over HTTPS", "[login][browser]") {
    const Workplace place;
    Program service(place.words({"run"}));
    service.awaitError(" up packages=0");
    Program login(place.words({"login", "web"}));
    const auto address = addressOf(login);
    GIVEN("a person who signs in") {
        const auto page = place.visit(address, "bob@example.test");
        CHECK(page.status == 200);
        CHECK(page.address.find("https://postern.example.test/oauth-callback?code=") == 0);
        CHECK(page.text.find("Postern has its answer") != std::string::npos);
        CHECK(login.wait() == 0);
        CHECK(place.shown("web").find("bob@example.test") != std::string::npos);
    }
    GIVEN("a person who says no") {
        const auto page = place.visit(address, "carol@example.test", true);
        CHECK(page.status == 200);
        CHECK(login.wait() == 77);
        CHECK(login.error().find("access_denied") != std::string::npos);
        CHECK(place.shown("web").find("not yet") != std::string::npos);
    }
    service.signal(SIGTERM);
    CHECK(service.wait() == 0);
}
