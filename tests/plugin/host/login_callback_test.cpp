// `postern login` with the browser's answer coming to the service's admin port over HTTPS, against a real provider (npm oidc-provider).
#include "tests/plugin/host/host_fakes.h"
#include "tests/plugin/host/started_program.h"
#include "tests/servers/admin_port.h"
#include "tests/servers/browser.h"
#include "tests/servers/identity_provider.h"
#include "tests/servers/keystores.h"

#include <catch2/catch.hpp>
#include <csignal>

using fakes::Program;
using servers::Browser;
using servers::IdentityProvider;

namespace {

struct Surroundings {
    servers::TemporaryDirectory place{};
    servers::CertificateFiles certificates{place / "certificates"};
    IdentityProvider provider{place / "idp", certificates, {}};
    servers::Certificate office = servers::makeCertificate({.commonName = "Office", .authority = true});
    servers::Certificate own = servers::makeCertificate({.commonName = "postern", .names = {"postern.example.test"}}, &office);

    Surroundings() {
        servers::writeFile(place / "admin.pem", own.keyPem() + own.pem());
        servers::writeFile(place / "everybody.pem", office.pem() + servers::readFile(certificates.authority));
    }
    static Surroundings& get() {
        static Surroundings all;
        return all;
    }
};

/// A service with credential "web", whose redirect URI is at its admin port; a name server would know the port's name.
class Workplace {
public:
    Workplace() {
        const auto& all = Surroundings::get();
        std::filesystem::create_directories(directory_ / "packages");
        std::string text = "server.data = " + (directory_ / "data").string() +
                           "\nadmin.address = 127.0.0.1:0\npackage.path = " + (directory_ / "packages").string() +
                           "\ntruststore.test.path = " + all.certificates.authority.string() +
                           "\nkeystore.admin.type = pem\nkeystore.admin.path = " + (all.place / "admin.pem").string() +
                           "\nadmin.tls.keystore = admin\nadmin.public_url = https://postern.example.test\n";
        for (const auto& [key, value] : std::map<std::string, std::string>{{"grant", "authorization_code"},
                                                                           {"client_id", "app-web"},
                                                                           {"client_secret", "${file:" + (directory_ / "secret").string() + "}"},
                                                                           {"authorization_endpoint", all.provider.authorizationEndpoint()},
                                                                           {"token_endpoint", all.provider.tokenEndpoint()},
                                                                           {"issuer", all.provider.issuer()},
                                                                           {"scopes", "openid offline_access " + IdentityProvider::scope()},
                                                                           {"redirect_uri", "https://postern.example.test/oauth-callback"},
                                                                           {"truststore", "test"}})
            text.append("credential.web.").append(key).append(" = ").append(value).append("\n");
        servers::writeFile(directory_ / "secret", IdentityProvider::webSecret() + "\n");
        servers::writeFile(directory_ / "postern.properties", text);
    }
    std::vector<std::string> words(std::vector<std::string> own) const {
        own.insert(own.end(), {"--config", (directory_ / "postern.properties").string()});
        return own;
    }
    Browser browser(const std::string& name) const {
        return {directory_ / name, Surroundings::get().place / "everybody.pem",
                "postern.example.test:443:127.0.0.1:" + servers::AdminPort(directory_ / "data").number()};
    }

private:
    servers::TemporaryDirectory directory_{};
};

std::string addressOf(Program& program) {
    program.awaitError("The browser comes back by itself");
    const auto said = program.error();
    const auto begin = said.find("https://", said.find("Open this address"));
    return said.substr(begin, said.find('\n', begin) - begin);
}

}  // namespace

SCENARIO("a person's browser comes back to the service, and the command that waits goes on", "[login][callback][program]") {
    const Workplace place;
    Program service(place.words({"run"}));
    service.awaitError(" up packages=0");
    Program login(place.words({"login", "web", "--user", "alice@example.test"}));
    const auto address = addressOf(login);
    CHECK(address.find("redirect_uri=https%3A%2F%2Fpostern.example.test%2Foauth-callback") != std::string::npos);
    WHEN("the person signs in and consents") {
        const auto browser = place.browser("alice");
        const auto page = browser.signIn(address, "alice@example.test");
        THEN("the sign-in is kept, and its answer is good once") {
            CHECK(page.status == 200);
            CHECK(page.body.find("Postern has its answer") != std::string::npos);
            REQUIRE(login.wait() == 0);
            CHECK(login.output().find("alice@example.test") != std::string::npos);
            CHECK(login.error().find("Note:") == std::string::npos);
            const auto again = browser.open(page.address);
            CHECK(again.status == 400);
            CHECK(again.body.find("No sign-in waits for this answer") != std::string::npos);
            Program shown(place.words({"credentials", "web"}));
            CHECK(shown.wait() == 0);
            CHECK(shown.output().find("alice@example.test") != std::string::npos);
            const auto code = page.address.substr(page.address.find("code=") + 5, 20);
            for (const auto* said : {&page.body, &again.body}) CHECK(said->find(code) == std::string::npos);
            CHECK(service.error().find(code) == std::string::npos);
        }
    }
    WHEN("the person says no") {
        const auto page = place.browser("bob").cancel(address);
        THEN("the command tells it") {
            CHECK(page.status == 200);
            CHECK(login.wait() == 77);
            CHECK(login.error().find("access_denied") != std::string::npos);
        }
    }
    WHEN("the command is given up before") {
        login.signal(SIGINT);
        CHECK(login.wait() == 75);
        const auto page = place.browser("carol").signIn(address, "carol@example.test");
        THEN("the page says what to do") {
            CHECK(page.status == 400);
            CHECK(page.body.find("postern login") != std::string::npos);
        }
    }
    service.signal(SIGTERM);
    CHECK(service.wait() == 0);
}

SCENARIO("without a service the command says that the address has to be pasted", "[login][callback][program]") {
    const Workplace place;
    Program login(place.words({"login", "web"}));
    addressOf(login);
    CHECK(login.error().find("is not running with this server.data") < login.error().find("Open this address"));
    login.signal(SIGTERM);
    CHECK(login.wait() == 75);
}
