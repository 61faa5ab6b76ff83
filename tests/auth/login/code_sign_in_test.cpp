// Signing in by authorization code: pasted answers against a script, the browser's way against a real provider (npm oidc-provider).
#include "auth/login/authorization_request.h"
#include "auth/sasl/base64.h"
#include "scripted_provider.h"
#include "tests/auth/channel/world.h"
#include "tests/servers/browser.h"
#include "tests/servers/identity_provider.h"

#include <thread>

using namespace auth;
using namespace auth::login;
using namespace std::chrono_literals;
using fakes::http;
using plugin::Code;
using plugin::Reaction;
using servers::Browser;
using servers::IdentityProvider;

namespace {

std::shared_ptr<Credential> publicClient() {
    auto credential = std::make_shared<Credential>();
    credential->name = "c";
    credential->grant = Grant::authorizationCode;
    credential->clientId = "app";
    credential->authentication = ClientAuthentication::none;
    credential->authorizationEndpoint = "https://idp.example/auth";
    credential->tokenEndpoint = "https://idp.example/token";
    credential->redirectUri = "https://postern.example/oauth-callback";
    credential->scopes = "openid mail";
    return credential;
}

/// A sign-in whose answer is pasted, with a provider in memory.
struct Desk {
    simulation::InlineLoop loop{};
    fakes::ScriptedProvider provider{loop.clock()};
    fakes::SecretReader secrets{};
    fakes::Random random{};
    fakes::Dialogue person{};
    TokenEndpoint endpoint{{provider, secrets, loop.clock(), random}};
    std::shared_ptr<Credential> credential = publicClient();

    /// `paste` makes of the state what is pasted.
    plugin::Result<Granted> signIn(const std::function<std::vector<std::string>(const std::string&)>& paste, std::deque<std::string> script = {},
                                   SignInWishes wishes = {}) {
        provider.answers = std::move(script);
        person.whenVisited = [&, paste](const std::string&) {
            for (auto& line : paste(person.parameter("state"))) person.lines.push_back(line);
        };
        return loop.run(login::signIn({endpoint, random, person}, credential, std::move(wishes), loop.clock().steady() + 600s, {}));
    }
};

std::string answerWith(const std::string& idTokenClaims) {
    const auto jwt = "e30." + std::string(sasl::base64Url(idTokenClaims).reveal()) + ".c2ln";
    return http(200, R"({"access_token":"t0ken","token_type":"bearer","expires_in":60,"scope":"mail","id_token":")" + jwt + "\"}");
}

}  // namespace

SCENARIO("an answer is pasted as a whole address, or as its query", "[login][code]") {
    Desk desk;
    const auto beginning = GENERATE(as<std::string>{}, "https://postern.example/oauth-callback?", "?", "");
    const auto result = desk.signIn([&](const std::string& state) { return std::vector{beginning + "state=" + state + "&code=c%2F0de"}; },
                                    {answerWith(R"({"sub":"joe@example.com","iss":"https://idp.example"})")});
    REQUIRE(result);
    CHECK(desk.person.registered == "https://postern.example/oauth-callback");
    CHECK(desk.person.used == desk.person.registered);
    CHECK_FALSE(desk.person.listening);
    CHECK(result->token.accessToken.reveal() == "t0ken");
    CHECK(result->scopes == "mail");
    CHECK(result->account->name == "joe@example.com");
    CHECK(result->expires == result->obtained + 60s);
    THEN("the token request carries code, redirect URI and the verifier that fits the challenge") {
        REQUIRE(desk.provider.requests.size() == 1);
        const auto& request = desk.provider.requests[0];
        CHECK(request.path() == "/token");
        CHECK(request.has("grant_type=authorization_code&code=c%2F0de&redirect_uri=https%3A%2F%2Fpostern.example%2Foauth-callback&code_verifier="));
        CHECK(request.text.ends_with("&client_id=app"));
        const auto begin = request.text.find("code_verifier=") + 14;
        const auto verifier = request.text.substr(begin, request.text.find('&', begin) - begin);
        CHECK(codeChallenge(verifier) == desk.person.parameter("code_challenge"));
        CHECK(desk.person.url.find(verifier) == std::string::npos);
    }
}

SCENARIO("what is pasted and does not belong to this sign-in is refused, and the wait goes on", "[login][code]") {
    Desk desk;
    const auto result = desk.signIn(
        [](const std::string& state) {
            return std::vector<std::string>{"https://postern.example/oauth-callback?code=stolen&state=other", "", "what?",
                                            "?code=a&code=b&state=" + state, "?code=right&state=" + state};
        },
        {answerWith("{}")});
    REQUIRE(result);
    CHECK(desk.person.remarks.size() == 3);
    CHECK(desk.provider.requests.at(0).has("code=right&"));
}

SCENARIO("a sign-in by code ends in its own ways", "[login][code]") {
    Desk desk;
    const auto pasted = [](const std::string& rest) { return [rest](const std::string& state) { return std::vector{"state=" + state + rest}; }; };
    GIVEN("a person who says no") {
        const auto result = desk.signIn(pasted("&error=access_denied"));
        REQUIRE_FALSE(result);
        CHECK(result.error().code == Code::tokenSignInAbandoned);
        CHECK(result.error().reaction == Reaction::askOperator);
        CHECK(result.error().what == "credential c: the provider answered access_denied");
    }
    GIVEN("an application that was never authorised, and no prompt") {
        const auto result = desk.signIn(pasted("&error=consent_required"), {}, {{}, false});
        REQUIRE_FALSE(result);
        CHECK(result.error().what.find("has not been authorised before") != std::string::npos);
        CHECK(desk.person.parameter("prompt").empty());
    }
    GIVEN("another issuer than the known one") {
        desk.credential->issuer = "https://idp.example";
        const auto result = desk.signIn(pasted("&code=a&iss=https%3A%2F%2Fevil.example"));
        REQUIRE_FALSE(result);
        CHECK(result.error().code == Code::tokenSignInAnswer);
        CHECK(desk.provider.requests.empty());
    }
    GIVEN("an ID token of another issuer than the one that answered") {
        const auto result = desk.signIn(pasted("&code=a&iss=https%3A%2F%2Fevil.example"), {answerWith(R"({"sub":"j","iss":"https://idp.example"})")});
        REQUIRE_FALSE(result);
        CHECK(result.error().code == Code::tokenSignInAnswer);
        CHECK(result.error().what.find("https://evil.example") != std::string::npos);
    }
    GIVEN("a code the provider does not take, which it repeats") {
        const auto result = desk.signIn(pasted("&code=c0de-of-more-than-12"),
                                        {http(400, R"({"error":"invalid_grant","error_description":"c0de-of-more-than-12 is used"})")});
        REQUIRE_FALSE(result);
        CHECK(result.error().code == Code::tokenRequestRefused);
        CHECK(result.error().what ==
              "credential c, https://idp.example/token: the token endpoint answered HTTP 400 invalid_grant: (left out: it repeats a secret)");
    }
    GIVEN("a token that is not bearer") {
        const auto result = desk.signIn(pasted("&code=a"), {http(200, R"({"access_token":"t","token_type":"DPoP"})")});
        REQUIRE_FALSE(result);
        CHECK(result.error().code == Code::tokenTypeNotBearer);
    }
    GIVEN("nobody who could paste anything") {
        desk.person.atTerminal = false;
        const auto result = desk.signIn([](const std::string&) { return std::vector<std::string>{}; });
        REQUIRE_FALSE(result);
        CHECK(result.error().code == Code::tokenSignInAbandoned);
    }
    GIVEN("nobody who does") {
        const auto result = desk.signIn([](const std::string&) { return std::vector<std::string>{}; });
        REQUIRE_FALSE(result);
        CHECK(result.error().code == Code::tokenSignInAbandoned);
        CHECK(result.error().reaction == Reaction::retryLater);
    }
    GIVEN("a grant nobody signs in with") {
        desk.credential->grant = Grant::clientCredentials;
        const auto result = desk.signIn(pasted("&code=a"));
        REQUIRE_FALSE(result);
        CHECK(result.error().code == Code::tokenCredentialIncomplete);
    }
}

namespace {

/// The provider of these tests, and a machine that signs in at it.
struct Surroundings {
    servers::TemporaryDirectory place{};
    servers::CertificateFiles certificates{place / "certificates"};
    IdentityProvider provider{place / "idp", certificates, {}};
    static Surroundings& get() {
        static Surroundings all;
        return all;
    }
};

struct Machine {
    Surroundings& around = Surroundings::get();
    World world{{{"test", around.certificates.authority}}};
    std::unique_ptr<plugin::Random> random = plugin::makeSystemRandom();
    TokenEndpoint endpoint{{*world.dialer, *world.secrets, *world.clock, *random}};
    fakes::Dialogue person{};
    std::stop_source stop{};
    std::size_t before = around.provider.requests().size();

    std::shared_ptr<Credential> native() const {
        auto credential = publicClient();
        credential->clientId = "app-native";
        credential->authorizationEndpoint = around.provider.authorizationEndpoint();
        credential->deviceEndpoint = around.provider.deviceEndpoint();
        credential->tokenEndpoint = around.provider.tokenEndpoint();
        credential->redirectUri = "http://localhost/oauth-callback";
        credential->issuer = around.provider.issuer();
        credential->scopes = "openid offline_access " + IdentityProvider::scope();
        credential->truststore = "test";
        return credential;
    }
    /// `browse` is what the person does with the address, in a thread of its own.
    plugin::Result<Granted> signIn(const std::shared_ptr<Credential>& credential, const std::function<void(const std::string&)>& browse,
                                   SignInWishes wishes = {}) {
        std::jthread browser;
        std::exception_ptr failure;
        person.whenVisited = [&](const std::string& url) {
            browser = std::jthread([&, url] {
                try {
                    browse(url);
                } catch (...) {
                    failure = std::current_exception();
                    stop.request_stop();
                }
            });
        };
        auto result = world.run(login::signIn({endpoint, *random, person}, credential, std::move(wishes), world.in(60s), stop.get_token()));
        if (browser.joinable()) browser.join();
        if (failure) std::rethrow_exception(failure);
        return result;
    }
    std::vector<IdentityProvider::Request> requests() const {
        auto all = around.provider.requests();
        all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(before));
        return all;
    }
};

}  // namespace

SCENARIO("a person signs in at a real provider, and the browser comes back by itself", "[login][code][provider]") {
    Machine machine;
    const Browser browser(machine.around.place / "alice", machine.around.certificates.authority);
    Browser::Page last;
    const auto result = machine.signIn(machine.native(), [&](const std::string& url) { last = browser.signIn(url, "alice@example.test"); });
    REQUIRE(result);
    THEN("there are an access token, a refresh token and a name") {
        CHECK_FALSE(result->token.accessToken.empty());
        CHECK_FALSE(result->token.refreshToken.empty());
        CHECK(result->account->name == "alice@example.test");
        CHECK(result->account->issuer == machine.around.provider.issuer());
        CHECK(result->expires);
    }
    THEN("the person is told to close the window") {
        CHECK(last.status == 200);
        CHECK(last.address.starts_with(machine.person.used + "?"));
        CHECK(last.body.find("You can close this window") != std::string::npos);
    }
    THEN("on the wire there was PKCE, the same redirect URI twice, and no secret of ours in the browser") {
        const auto requests = machine.requests();
        REQUIRE(requests.size() == 2);
        CHECK(requests[0].path.find("code_challenge_method=S256") != std::string::npos);
        CHECK(requests[0].path.find("prompt=consent") != std::string::npos);
        CHECK(requests[1].body.find("code_verifier=") != std::string::npos);
        CHECK(requests[1].body.find("client_id=app-native") != std::string::npos);
        CHECK(requests[1].header("authorization").empty());
        const auto uri = formEncoded(machine.person.used);
        CHECK(requests[0].path.find("redirect_uri=" + std::string(uri.reveal())) != std::string::npos);
        CHECK(requests[1].body.find("redirect_uri=" + std::string(uri.reveal())) != std::string::npos);
    }
    THEN("what is not the answer was refused before") { CHECK(machine.person.remarks.empty()); }
}

SCENARIO("an answer with a wrong state is refused at the listener, and the right one still counts", "[login][code][provider]") {
    Machine machine;
    const Browser browser(machine.around.place / "bob", machine.around.certificates.authority);
    Browser::Page forged, elsewhere;
    const auto result = machine.signIn(machine.native(), [&](const std::string& url) {
        forged = browser.open(machine.person.used + "?code=stolen&state=forged");
        elsewhere = browser.open(machine.person.used + "/more?code=stolen");
        browser.signIn(url, "bob@example.test");
    });
    REQUIRE(result);
    CHECK(forged.status == 400);
    CHECK(elsewhere.status == 404);
    CHECK(machine.person.remarks.size() == 1);
    CHECK(result->account->name == "bob@example.test");
}

SCENARIO("who cancels at the provider has abandoned the sign-in", "[login][code][provider]") {
    Machine machine;
    const Browser browser(machine.around.place / "carol", machine.around.certificates.authority);
    Browser::Page last;
    const auto result = machine.signIn(machine.native(), [&](const std::string& url) { last = browser.cancel(url); });
    REQUIRE_FALSE(result);
    CHECK(result.error().code == Code::tokenSignInAbandoned);
    CHECK(result.error().what.find("access_denied") != std::string::npos);
    CHECK(last.body.find("The sign-in was refused: access_denied") != std::string::npos);
}

SCENARIO("without a prompt this provider gives no refresh token", "[login][code][provider]") {
    Machine machine;
    const Browser browser(machine.around.place / "dora", machine.around.certificates.authority);
    const auto result = machine.signIn(machine.native(), [&](const std::string& url) { browser.signIn(url, "dora@example.test"); }, {{}, false});
    REQUIRE(result);
    CHECK(result->token.refreshToken.empty());
    CHECK(machine.requests().at(0).path.find("prompt=") == std::string::npos);
}

SCENARIO("a confidential client with an address of its own: the answer is pasted", "[login][code][provider]") {
    Machine machine;
    auto credential = machine.native();
    credential->clientId = "app-web";
    credential->authentication = ClientAuthentication::basic;
    credential->clientSecret = SecretSource{SecretSource::Kind::literal, "", Secret(IdentityProvider::webSecret())};
    credential->redirectUri = "https://postern.example.test/oauth-callback";
    const Browser browser(machine.around.place / "erna", machine.around.certificates.authority);
    // The address arrives from the person's thread; whoever waits for a line meets it on the loop.
    struct Pasting final : auth::login::Dialogue {
        fakes::Dialogue& inner;
        std::shared_ptr<plugin::Shared<std::string>> line_ = std::make_shared<plugin::Shared<std::string>>();
        explicit Pasting(fakes::Dialogue& person) : inner(person) {}
        void redirectUri(const std::string& a, const std::string& b) override { inner.redirectUri(a, b); }
        void visit(const std::string& url, bool listening) override { inner.visit(url, listening); }
        void enterCode(const DevicePrompt& prompt) override { inner.enterCode(prompt); }
        void remark(const std::string& text) override { inner.remark(text); }
        plugin::Task<plugin::Result<std::string>> line(std::stop_token stop) override {
            auto came = line_->wait(plugin::Deadline::max(), stop);
            const auto woke = co_await came;
            if (woke != plugin::Wake::done) co_return plugin::Error{Reaction::retryLater, Code::tokenSignInAbandoned, "stopped"};
            co_return std::as_const(line_->get());
        }
    } person(machine.person);
    std::jthread thread;
    machine.person.whenVisited = [&](const std::string& url) {
        thread = std::jthread([&, url] { person.line_->set(browser.signIn(url, "erna@example.test").address); });
    };
    const auto result = machine.world.run(
        login::signIn({machine.endpoint, *machine.random, person}, credential, {}, machine.world.in(60s), machine.stop.get_token()));
    REQUIRE(result);
    CHECK(result->account->name == "erna@example.test");
    const auto requests = machine.requests();
    CHECK(requests.at(1).header("authorization").starts_with("Basic "));
    CHECK(requests.at(1).body.find("client_id") == std::string::npos);
}

SCENARIO("a person enters a code at a real provider", "[login][device][provider]") {
    Machine machine;
    auto credential = machine.native();
    credential->grant = Grant::deviceCode;
    const Browser browser(machine.around.place / "fred", machine.around.certificates.authority);
    struct AtDevice final : auth::login::Dialogue {
        std::function<void(const DevicePrompt&)> whenShown;
        void redirectUri(const std::string&, const std::string&) override { FAIL("there is no browser"); }
        void visit(const std::string&, bool) override { FAIL("there is no browser"); }
        void enterCode(const DevicePrompt& prompt) override { whenShown(prompt); }
        void remark(const std::string&) override {}
        plugin::Task<plugin::Result<std::string>> line(std::stop_token) override { throw std::logic_error("nothing is pasted"); }
    } person;
    const auto cancels = GENERATE(false, true);
    person.whenShown = [&](const DevicePrompt& prompt) {
        CHECK(prompt.uri == machine.around.provider.issuer() + "/device");
        if (!cancels) {
            browser.signIn(prompt.uriWithCode, "fred@example.test");
        } else {
            browser.abortDevice(prompt.uriWithCode);
        }
    };
    const auto result = machine.world.run(
        login::signIn({machine.endpoint, *machine.random, person}, credential, {}, machine.world.in(60s), machine.stop.get_token()));
    if (cancels) {
        REQUIRE_FALSE(result);
        CHECK(result.error().code == Code::tokenSignInAbandoned);
        CHECK(result.error().what.find("access_denied") != std::string::npos);
    } else {
        REQUIRE(result);
        CHECK_FALSE(result->token.refreshToken.empty());
        CHECK(result->account->name == "fred@example.test");
    }
}
