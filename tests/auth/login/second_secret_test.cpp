// A client secret that is being replaced: where the first is refused, the second is tried, whoever asks and for what.
#include "auth/login/connector.h"
#include "scripted_provider.h"

using namespace auth;
using namespace auth::login;
using namespace std::chrono_literals;
using fakes::http;
using plugin::Code;
using plugin::Result;
using plugin::Task;

namespace {

class NoTokens final : public TokenSource {
public:
    Task<Result<Token>> token(Identity, plugin::Deadline, std::stop_token) override { throw std::logic_error("nothing here asks for cached tokens"); }
    void refused(const Identity&, const Token&) override {}
};

struct Office {
    simulation::InlineLoop loop{};
    fakes::ScriptedProvider provider{loop.clock()};
    fakes::SecretReader secrets{};
    fakes::Random random{};
    fakes::Dialogue person{};
    NoTokens tokens{};
    Connector connector{
        {std::make_shared<const plugin::Configuration>(fakes::configuration({{"credential.person.grant", "authorization_code"},
                                                                             {"credential.person.client_id", "id"},
                                                                             {"credential.person.client_secret", "first"},
                                                                             {"credential.person.client_secret_next", "second"},
                                                                             {"credential.person.authentication", "body"},
                                                                             {"credential.person.authorization_endpoint", "https://idp.example/auth"},
                                                                             {"credential.person.token_endpoint", "https://idp.example/token"},
                                                                             {"credential.person.redirect_uri", "https://postern.example/cb"},
                                                                             {"credential.person.scopes", "mail"},
                                                                             {"credential.device.grant", "device_code"},
                                                                             {"credential.device.client_id", "id"},
                                                                             {"credential.device.client_secret", "first"},
                                                                             {"credential.device.client_secret_next", "second"},
                                                                             {"credential.device.authentication", "body"},
                                                                             {"credential.device.device_endpoint", "https://idp.example/device"},
                                                                             {"credential.device.token_endpoint", "https://idp.example/token"},
                                                                             {"credential.device.scopes", "mail"}})),
         provider, secrets, loop.clock(), random, tokens}};

    Result<Granted> signIn(const std::string& credential) {
        person.whenVisited = [this](const std::string&) { person.lines.push_back("state=" + person.parameter("state") + "&code=c0de"); };
        return loop.run(connector.userLogin(credential, {}, person, loop.clock().steady() + 600s, {}));
    }
    /// Which secret each request has shown.
    std::vector<std::string> shown() const {
        std::vector<std::string> all;
        for (const auto& request : provider.requests) {
            const auto at = request.text.find("client_secret=") + 14;
            all.push_back(request.text.substr(at, request.text.find('&', at) - at));
        }
        return all;
    }
};

using Shown = std::vector<std::string>;
const std::string token = http(200, R"({"access_token":"t0ken","token_type":"Bearer","expires_in":60,"refresh_token":"n3xt"})");
const std::string refused = http(401, R"({"error":"invalid_client"})");

bool isTold(const Granted& granted, const std::string& credential) {
    Credential known;
    known.name = credential;
    const auto remarks = remarksOn(granted, known, {});
    return std::any_of(remarks.begin(), remarks.end(),
                       [&](const std::string& each) { return each.find("credential." + credential + ".client_secret_next") != std::string::npos; });
}

}  // namespace

SCENARIO("a code is redeemed with the second secret where the first is refused, and that is told", "[login][secret]") {
    Office office;
    GIVEN("a first secret that is refused") {
        office.provider.answers = {refused, token};
        const auto result = office.signIn("person");
        REQUIRE(result);
        CHECK(office.shown() == Shown{"first", "second"});
        CHECK(office.provider.requests[1].has("code=c0de&"));
        CHECK(result->secondSecret);
        CHECK(isTold(*result, "person"));
    }
    GIVEN("a first secret that is taken") {
        office.provider.answers = {token};
        const auto result = office.signIn("person");
        REQUIRE(result);
        CHECK_FALSE(result->secondSecret);
        CHECK_FALSE(isTold(*result, "person"));
    }
    GIVEN("two that are refused: the first one's refusal counts") {
        office.provider.answers = {http(401, R"({"error":"invalid_client","error_description":"number one"})"), refused};
        const auto result = office.signIn("person");
        REQUIRE_FALSE(result);
        CHECK(result.error().code == Code::tokenClientRefused);
        CHECK(result.error().what.find("number one") != std::string::npos);
    }
}

SCENARIO("at a device the secret that was taken for the code is shown when it is asked about", "[login][secret]") {
    Office office;
    const auto offered = http(200, R"({"device_code":"d3v","user_code":"u","verification_uri":"https://v"})");
    const auto pending = fakes::refusal("authorization_pending");
    GIVEN("a first secret that is refused from the beginning") {
        office.provider.answers = {refused, offered, pending, token};
        const auto result = office.signIn("device");
        REQUIRE(result);
        CHECK(office.shown() == Shown{"first", "second", "second", "second"});
        CHECK(result->secondSecret);
    }
    GIVEN("a first secret that ends while somebody confirms the code") {
        office.provider.answers = {offered, pending, refused, pending, token};
        const auto result = office.signIn("device");
        REQUIRE(result);
        CHECK(office.shown() == Shown{"first", "first", "first", "second", "second"});
        CHECK(result->secondSecret);
    }
}

SCENARIO("connectors take the second secret too", "[login][secret]") {
    Office office;
    office.provider.answers = {refused, token};
    GIVEN("an application's own token") {
        const auto result = office.loop.run(office.connector.serverLogin("person", {}, {}));
        REQUIRE(result);
        CHECK(result->secondSecret);
    }
    GIVEN("a refresh token that is given") {
        const auto result = office.loop.run(office.connector.refresh("person", Secret("r3fresh"), {}));
        REQUIRE(result);
        CHECK(result->secondSecret);
        CHECK(office.provider.requests[1].has("refresh_token=r3fresh"));
    }
    CHECK(office.shown() == Shown{"first", "second"});
}
