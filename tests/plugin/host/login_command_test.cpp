// The commands `login` and `oauth`, as a person and a script meet them, against a real provider (npm oidc-provider).
#include "tests/plugin/host/started_program.h"
#include "tests/servers/browser.h"
#include "tests/servers/identity_provider.h"

#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>

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
    static Surroundings& get() {
        static Surroundings all;
        return all;
    }
};

/// A directory with a configuration: credential "web" (authorization code), "device" (device code), "app" (an application).
class Workplace {
public:
    Workplace() {
        const auto& provider = Surroundings::get().provider;
        std::filesystem::create_directories(directory_ / "packages");
        const std::string shared = "truststore = test\n";
        const auto credential = [](const std::string& name, const std::string& lines) {
            std::string text;
            for (std::size_t at = 0; at < lines.size(); at = lines.find('\n', at) + 1)
                text += "credential." + name + "." + lines.substr(at, lines.find('\n', at) + 1 - at);
            return text;
        };
        base_ += credential("web", "grant = authorization_code\nclient_id = app-native\nauthentication = none\nauthorization_endpoint = " +
                                       provider.authorizationEndpoint() + "\ntoken_endpoint = " + provider.tokenEndpoint() + "\nissuer = " +
                                       provider.issuer() + "\nscopes = openid offline_access " + IdentityProvider::scope() + "\n" + shared);
        base_ += credential("device", "grant = device_code\nclient_id = app-native\nauthentication = none\ndevice_endpoint = " +
                                          provider.deviceEndpoint() + "\ntoken_endpoint = " + provider.tokenEndpoint() +
                                          "\nscopes = openid offline_access " + IdentityProvider::scope() + "\n" + shared);
        base_ += credential("app", "client_id = app-basic\nclient_secret = ${file:" + (directory_ / "secret").string() +
                                       "}\ntoken_endpoint = " + provider.tokenEndpoint() + "\nscopes = " + IdentityProvider::scope() + "\n" + shared);
        servers::writeFile(directory_ / "secret", IdentityProvider::basicSecret() + "\n");
        configure("");
    }
    void configure(const std::string& more) const { servers::writeFile(directory_ / "postern.properties", base_ + more); }
    void configureWithout(const std::string& credential) const {
        std::string rest;
        for (std::size_t at = 0; at < base_.size(); at = base_.find('\n', at) + 1)
            if (const auto line = base_.substr(at, base_.find('\n', at) + 1 - at); !line.starts_with("credential." + credential + ".")) rest += line;
        servers::writeFile(directory_ / "postern.properties", rest);
    }
    std::string file(const std::string& name, const std::string& content) const {
        servers::writeFile(directory_ / name, content);
        return (directory_ / name).string();
    }
    std::vector<std::string> words(std::vector<std::string> own) const {
        own.insert(own.end(), {"--config", (directory_ / "postern.properties").string()});
        return own;
    }
    servers::Outcome postern(const std::vector<std::string>& own) const {
        auto all = words(own);
        all.insert(all.begin(), POSTERN_PROGRAM);
        return servers::run(all);
    }
    Browser browser(const std::string& name) const { return {directory_ / name, Surroundings::get().certificates.authority}; }

private:
    servers::TemporaryDirectory directory_{};
    std::string base_ = "server.data = " + (directory_ / "data").string() +
                        "\nadmin.address =\npackage.path = " + (directory_ / "packages").string() +
                        "\ntruststore.test.path = " + Surroundings::get().certificates.authority.string() + "\n";
};

Poco::JSON::Object::Ptr json(const std::string& text) {
    INFO(text);
    return Poco::JSON::Parser{}.parse(text).extract<Poco::JSON::Object::Ptr>();
}

/// A line of a record as people see it.
std::string row(const std::string& name, const std::string& value) { return name + std::string(16 - name.size(), ' ') + value + "\n"; }

/// The address a waiting command has printed.
std::string addressOf(Program& program) {
    program.awaitError("The browser comes back by itself");
    const auto said = program.error();
    const auto begin = said.find("https://", said.find("Open this address"));
    return said.substr(begin, said.find('\n', begin) - begin);
}

/// `oauth user-login web`, with what a person does in the browser.
Poco::JSON::Object::Ptr userLogin(const Workplace& place, const std::string& user, const std::vector<std::string>& more = {}) {
    auto words = place.words({"oauth", "user-login", "web", "--json"});
    words.insert(words.end(), more.begin(), more.end());
    Program program(words);
    place.browser(user).signIn(addressOf(program), user);
    REQUIRE(program.wait() == 0);
    return json(program.output());
}

}  // namespace

SCENARIO("user-login hands out what a person granted, hidden unless it is asked for", "[login][program]") {
    const Workplace place;
    const auto hidden = userLogin(place, "alice@example.test");
    CHECK(hidden->getValue<int>("status") == 0);
    CHECK(hidden->getValue<std::string>("access_token") == "***");
    CHECK(hidden->getValue<std::string>("refresh_token") == "***");
    CHECK(hidden->getValue<std::string>("token_type") == "Bearer");
    CHECK(hidden->getValue<int>("expires_in") == 3600);
    CHECK(hidden->getValue<std::string>("granted_scopes").find(IdentityProvider::scope()) != std::string::npos);
    CHECK(hidden->isNull("cause"));
    CHECK(hidden->size() == 7);
    GIVEN("--reveal, and the refresh token that comes with it") {
        const auto shown = userLogin(place, "alice@example.test", {"--reveal"});
        const auto refresh = shown->getValue<std::string>("refresh_token");
        REQUIRE(refresh.size() > 20);
        WHEN("it is used, from a file") {
            const auto file = place.file("refresh", refresh + "\n");
            const auto renewed = place.postern({"oauth", "refresh-token", "web", "--refresh-token-file", file, "--json", "--reveal"});
            REQUIRE(renewed.status == 0);
            const auto record = json(renewed.output);
            CHECK(record->getValue<std::string>("access_token") != shown->getValue<std::string>("access_token"));
            const auto next = record->getValue<std::string>("refresh_token");
            CHECK(next != refresh);
            THEN("the next one is taken from standard input, and one that was used is refused: -1") {
                const auto program = std::string(POSTERN_PROGRAM);
                const auto words = place.words({});
                const auto command =
                    "printf %s " + next + " | " + program + " oauth refresh-token web --refresh-token-file - --json " + words[0] + " " + words[1];
                CHECK(servers::run({"sh", "-c", command}).status == 0);
                const auto again = place.postern({"oauth", "refresh-token", "web", "--refresh-token-file", file, "--json"});
                CHECK(again.status == 77);
                CHECK(json(again.output)->getValue<int>("status") == -1);
                CHECK((again.output + again.error).find(refresh) == std::string::npos);
            }
        }
    }
}

SCENARIO("the redirect URI is told before anything is opened, and only this machine is listened at", "[login][program]") {
    const Workplace place;
    Program program(place.words({"oauth", "user-login", "web", "--use-prompt", "false"}));
    const auto address = addressOf(program);
    const auto said = program.error();
    CHECK(said.find("Redirect URI, to be registered at the provider: http://localhost/oauth-callback\n") < said.find("Open this address"));
    CHECK(address.find("redirect_uri=http%3A%2F%2Flocalhost%3A") != std::string::npos);
    CHECK(address.find("prompt=") == std::string::npos);
    WHEN("it is interrupted") {
        program.signal(GENERATE(SIGINT, SIGTERM));
        THEN("it ends in order: -2, to be tried again") {
            CHECK(program.wait() == 75);
            CHECK(program.output().find(row("status", "-2")) != std::string::npos);
            CHECK(program.error().find("PO-3016") != std::string::npos);
        }
    }
    WHEN("the person says no") {
        place.browser("bob").cancel(address);
        THEN("-2, refused by the other side") {
            CHECK(program.wait() == 77);
            CHECK(program.output().find(row("status", "-2")) != std::string::npos);
            CHECK(program.output().find("access_denied") != std::string::npos);
        }
    }
}

SCENARIO("server-login as a script meets it", "[login][program]") {
    const Workplace place;
    GIVEN("an application") {
        const auto outcome = place.postern({"oauth", "server-login", "app", "--json"});
        CHECK(outcome.status == 0);
        CHECK(json(outcome.output)->getValue<int>("status") == 0);
        CHECK(json(outcome.output)->isNull("refresh_token"));
    }
    GIVEN("a credential nobody knows: -2") {
        const auto outcome = place.postern({"oauth", "server-login", "nobody", "--json"});
        CHECK(outcome.status == 78);
        CHECK(json(outcome.output)->getValue<int>("status") == -2);
        CHECK(json(outcome.output)->getValue<std::string>("cause").find("PO-3009") == 0);
    }
    GIVEN("a configuration in which it is incomplete: -2, and -3 where only the scopes are missing") {
        place.configure("credential.half.client_id = id\ncredential.half.client_secret = ${env:HOME}\n");
        const auto half = place.postern({"oauth", "server-login", "half", "--json"});
        CHECK(half.status == 78);
        CHECK(json(half.output)->getValue<int>("status") == -2);
        place.configure(
            "credential.half.client_id = id\ncredential.half.client_secret = ${env:HOME}\ncredential.half.token_endpoint = https://localhost/t\n");
        const auto scopeless = place.postern({"oauth", "server-login", "half", "--json"});
        CHECK(json(scopeless.output)->getValue<int>("status") == -3);
        CHECK(json(place.postern({"oauth", "server-login", "app", "--json"}).output)->getValue<int>("status") == -1);
    }
}

SCENARIO("refresh-token without a token is -3, and an empty file is none", "[login][program]") {
    const Workplace place;
    const std::vector<std::vector<std::string>> ways{{}, {"--refresh-token-file", place.file("empty", "\n")}, {"--refresh-token-file", "/nowhere"}};
    for (const auto& more : ways) {
        std::vector<std::string> words{"oauth", "refresh-token", "app", "--json"};
        words.insert(words.end(), more.begin(), more.end());
        const auto outcome = place.postern(words);
        CHECK(json(outcome.output)->getValue<int>("status") == -3);
    }
}

SCENARIO("who signs in once is used from then on", "[login][program]") {
    const Workplace place;
    Program program(place.words({"login", "web", "--user", "Carol@example.test", "--json"}));
    place.browser("carol").signIn(addressOf(program), "carol@example.test");
    REQUIRE(program.wait() == 0);
    const auto record = json(program.output());
    CHECK(record->getValue<std::string>("account") == "carol@example.test");
    CHECK(record->getValue<bool>("refresh_token"));
    CHECK(record->getValue<std::string>("credential") == "web");
    CHECK(program.error().find("Note:") == std::string::npos);
    const auto asked = Surroundings::get().provider.requests().size();
    GIVEN("another process that wants a token") {
        const auto token = place.postern({"token", "web", "--json"});
        INFO(token.error);
        CHECK(token.status == 0);
        THEN("it takes the one that is kept") { CHECK(Surroundings::get().provider.requests().size() == asked); }
    }
    GIVEN("a script that wants another one for the stored refresh token") {
        const auto renewed = place.postern({"oauth", "refresh-token", "web", "--json"});
        INFO(renewed.error);
        CHECK(renewed.status == 0);
        CHECK(json(renewed.output)->getValue<int>("status") == 0);
        CHECK(Surroundings::get().provider.requests().size() == asked + 1);
        CHECK(Surroundings::get().provider.requests().back().body.find("grant_type=refresh_token") != std::string::npos);
    }
    GIVEN("somebody who wants it forgotten, be the credential still configured or not") {
        if (GENERATE(false, true)) place.configureWithout("web");
        const auto forgotten = place.postern({"credentials", "web", "--forget"});
        INFO(forgotten.error);
        CHECK(forgotten.status == 0);
        THEN("somebody has to sign in again") {
            place.configure("");
            const auto token = place.postern({"token", "web"});
            CHECK(token.status == 77);
            CHECK(token.error.find("PO-3012") != std::string::npos);
        }
    }
}

SCENARIO("somebody else than was expected is refused, and nothing is kept", "[login][program]") {
    const Workplace place;
    Program program(place.words({"login", "web", "--user", "orders@example.test"}));
    place.browser("dora").signIn(addressOf(program), "dora@example.test");
    CHECK(program.wait() == 77);
    CHECK(program.error().find("PO-3019") != std::string::npos);
    CHECK(program.error().find("dora@example.test has signed in, orders@example.test was expected") != std::string::npos);
    CHECK(program.output().empty());
    const auto token = place.postern({"token", "web"});
    CHECK(token.status == 77);
    CHECK(token.error.find("PO-3012") != std::string::npos);
}

SCENARIO("a sign-in at another device is kept as well", "[login][program]") {
    const Workplace place;
    Program program(place.words({"login", "device"}));
    program.awaitError("Waiting for it to be confirmed");
    const auto said = program.error();
    const auto begin = said.find("or open ") + 8;
    place.browser("erna").signIn(said.substr(begin, said.find('\n', begin) - begin), "erna@example.test");
    REQUIRE(program.wait() == 0);
    CHECK(program.output().find(row("account", "erna@example.test")) != std::string::npos);
    CHECK(place.postern({"token", "device"}).status == 0);
}

SCENARIO("a sign-in that cannot be renewed says so", "[login][program]") {
    const Workplace place;
    place.configure("credential.web.use_prompt = false\n");
    Program program(place.words({"login", "web"}));
    place.browser("fred").signIn(addressOf(program), "fred@example.test");
    REQUIRE(program.wait() == 0);
    CHECK(program.error().find("add offline_access to credential.web.scopes") != std::string::npos);
    CHECK(program.output().find(row("refresh_token", "false")) != std::string::npos);
}
