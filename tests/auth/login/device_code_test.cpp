#include "auth/login/device_code.h"
#include "scripted_provider.h"

using namespace auth;
using namespace auth::login;
using namespace std::chrono_literals;
using fakes::http;
using fakes::refusal;
using plugin::Code;
using plugin::Reaction;

namespace {

const std::string offered =
    http(200, R"({"device_code":"d3v","user_code":"ABCD-EFGH","verification_uri":"https://idp.example/device","expires_in":60})");
const std::string pending = refusal("authorization_pending");
const std::string token = http(200, R"({"access_token":"t0ken","token_type":"Bearer","expires_in":3600,"refresh_token":"r3fresh"})");

/// One sign-in at a device under a time that passes by itself.
struct Device {
    simulation::InlineLoop loop{};
    fakes::ScriptedProvider provider{loop.clock()};
    fakes::SecretReader secrets{};
    fakes::Random random{};
    fakes::Dialogue person{};
    TokenEndpoint endpoint{{provider, secrets, loop.clock(), random}};
    std::stop_source stop{};

    plugin::Result<Granted> signIn(std::deque<std::string> script, std::chrono::seconds patience = 600s) {
        provider.answers = std::move(script);
        auto credential = std::make_shared<Credential>();
        credential->name = "c";
        credential->grant = Grant::deviceCode;
        credential->clientId = "app";
        credential->authentication = ClientAuthentication::none;
        credential->deviceEndpoint = "https://idp.example/device/auth";
        credential->tokenEndpoint = "https://idp.example/token";
        credential->scopes = "mail offline_access";
        credential->parameters = {{"resource", "of-token"}};
        credential->authorizeParameters = {{"audience", "of-device"}};
        return loop.run(login::signIn({endpoint, random, person}, credential, {}, loop.clock().steady() + patience, stop.get_token()));
    }
    /// Between one request and the next.
    std::vector<std::chrono::seconds> pauses() const {
        std::vector<std::chrono::seconds> all;
        for (std::size_t i = 1; i < provider.requests.size(); ++i)
            all.push_back(std::chrono::duration_cast<std::chrono::seconds>(provider.requests[i].at - provider.requests[i - 1].at));
        return all;
    }
};

using Pauses = std::vector<std::chrono::seconds>;

}  // namespace

SCENARIO("a person signs in at another device", "[login][device]") {
    Device device;
    const auto result = device.signIn({offered, pending, pending, token});
    REQUIRE(result);
    THEN("the address and the code are shown") {
        CHECK(device.person.prompt.uri == "https://idp.example/device");
        CHECK(device.person.prompt.code == "ABCD-EFGH");
    }
    THEN("the token is there, with what was asked for as its scopes") {
        CHECK(result->token.accessToken.reveal() == "t0ken");
        CHECK(result->token.refreshToken.reveal() == "r3fresh");
        CHECK(result->scopes == "mail offline_access");
        CHECK_FALSE(result->account);
    }
    THEN("the code is asked about every five seconds where the answer names no interval") { CHECK(device.pauses() == Pauses{5s, 5s, 5s}); }
    THEN("each request says what RFC 8628 wants, and to each endpoint its own parameters") {
        const auto& all = device.provider.requests;
        REQUIRE(all.size() == 4);
        CHECK(all[0].path() == "/device/auth");
        CHECK(all[0].text.ends_with("\r\n\r\nscope=mail+offline_access&client_id=app&audience=of-device"));
        CHECK(all[1].path() == "/token");
        CHECK(all[1].text.ends_with(
            "\r\n\r\ngrant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=d3v&client_id=app&resource=of-token"));
        for (const auto& request : all) CHECK_FALSE(request.has("Authorization:"));
    }
}

SCENARIO("who asks too fast, or gets no answer, asks more slowly", "[login][device]") {
    Device device;
    const auto interval2 = http(200, R"({"device_code":"d","user_code":"u","verification_uri":"https://v","expires_in":"900","interval":2})");
    GIVEN("slow_down, twice") {
        REQUIRE(device.signIn({interval2, pending, refusal("slow_down"), refusal("slow_down"), pending, token}));
        CHECK(device.pauses() == Pauses{2s, 2s, 7s, 12s, 12s});
    }
    GIVEN("a connection that cannot be made, and a busy server") {
        REQUIRE(device.signIn({interval2, "", http(503, "busy"), pending, token}));
        CHECK(device.pauses() == Pauses{2s, 4s, 8s, 8s});
    }
    GIVEN("a server that says when") {
        REQUIRE(device.signIn({interval2, http(429, "{}", "Retry-After: 30\r\n"), pending, token}));
        CHECK(device.pauses() == Pauses{2s, 30s, 4s});
    }
}

SCENARIO("a sign-in at a device ends in its own ways", "[login][device]") {
    struct Row {
        std::string error;
        Code code;
        Reaction reaction;
    };
    const auto row = GENERATE(values<Row>({{"access_denied", Code::tokenSignInAbandoned, Reaction::askOperator},
                                           {"authorization_declined", Code::tokenSignInAbandoned, Reaction::askOperator},
                                           {"expired_token", Code::tokenSignInAbandoned, Reaction::askOperator},
                                           {"code_expired", Code::tokenSignInAbandoned, Reaction::askOperator},
                                           {"bad_verification_code", Code::tokenSignInRefused, Reaction::askOperator},
                                           {"invalid_client", Code::tokenClientRefused, Reaction::askOperator},
                                           {"invalid_grant", Code::tokenRequestRefused, Reaction::askOperator}}));
    Device device;
    const auto result = device.signIn({offered, pending, refusal(row.error)});
    REQUIRE_FALSE(result);
    INFO(result.error().what);
    CHECK(result.error().code == row.code);
    CHECK(result.error().reaction == row.reaction);
    CHECK(result.error().what.find("credential c, https://idp.example/token: ") == 0);
    CHECK(result.error().what.find(row.error) != std::string::npos);
    CHECK(device.provider.answers.empty());
}

SCENARIO("nobody is waited for longer than the code lives, or than there is patience", "[login][device]") {
    Device device;
    const std::deque<std::string> script{offered, pending, pending, pending, pending, pending, pending,
                                         pending, pending, pending, pending, pending, pending};
    const auto patience = GENERATE(600s, 20s);
    const auto result = device.signIn(script, patience);
    REQUIRE_FALSE(result);
    CHECK(result.error().code == Code::tokenSignInAbandoned);
    CHECK(result.error().reaction == Reaction::retryLater);
    CHECK(device.provider.requests.size() == (patience == 20s ? 4U : 12U));
}

SCENARIO("a wait at a device is given up at once when it is stopped", "[login][device]") {
    Device device;
    device.provider.whenAsked = [&] {
        if (device.provider.requests.size() == 2) device.stop.request_stop();
    };
    const auto result = device.signIn({offered, pending});
    REQUIRE_FALSE(result);
    CHECK(result.error().code == Code::tokenSignInAbandoned);
    CHECK(result.error().reaction == Reaction::retryLater);
}

SCENARIO("a device endpoint that offers nothing is named", "[login][device]") {
    Device device;
    GIVEN("a refusal") {
        const auto result = device.signIn({http(401, R"({"error":"invalid_client","error_description":"device_code=unknown app"})")});
        REQUIRE_FALSE(result);
        CHECK(result.error().code == Code::tokenClientRefused);
        CHECK(result.error().what ==
              "credential c, https://idp.example/device/auth: the device endpoint answered HTTP 401 invalid_client: device_code=unknown app");
    }
    GIVEN("an answer that is none") {
        const auto answer = GENERATE(as<std::string>{}, R"({"device_code":"d","user_code":"u"})", R"({"access_token":"t","token_type":"Bearer"})",
                                     R"({"device_code":"d","user_code":"\u001b[2J","verification_uri":"https://v"})",
                                     R"({"device_code":"","user_code":"u","verification_uri":"https://v"})");
        const auto result = device.signIn({http(200, answer)});
        REQUIRE_FALSE(result);
        CHECK(result.error().code == Code::tokenSignInRefused);
        CHECK(result.error().what.find("RFC 8628") != std::string::npos);
    }
    GIVEN("no answer") {
        const auto result = device.signIn({""});
        REQUIRE_FALSE(result);
        CHECK(result.error().code == Code::tokenEndpointUnreachable);
    }
}

SCENARIO("what a server repeats of a device's code is not shown", "[login][device]") {
    Device device;
    const auto begun = http(200, R"({"device_code":"d3vice-code-of-24-letters","user_code":"u","verification_uri":"https://v"})");
    const auto result =
        device.signIn({begun, http(400, R"({"error":"invalid_grant","error_description":"no such code: d3vice-code-of-24-letters"})")});
    REQUIRE_FALSE(result);
    CHECK(result.error().what.find("d3vice") == std::string::npos);
}

SCENARIO("the answer of a device endpoint is read with its limits", "[login][device]") {
    const auto read = parseDeviceAuthorization(
        R"({"device_code":"d","user_code":"u","verification_url":"https://v","verification_uri_complete":"https://v?c=u","expires_in":9999999,"interval":3600})");
    REQUIRE(read);
    CHECK(read->prompt.uri == "https://v");
    CHECK(read->prompt.uriWithCode == "https://v?c=u");
    CHECK(read->life == longestDeviceLife);
    CHECK(read->interval == 60s);
    CHECK_FALSE(parseDeviceAuthorization("<html>"));
}
