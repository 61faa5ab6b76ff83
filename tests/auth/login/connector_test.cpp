#include "auth/login/connector.h"
#include "scripted_provider.h"

#include <set>

using namespace auth;
using namespace auth::login;
using namespace std::chrono_literals;
using fakes::http;
using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

/// Grants in memory; versions as the real store counts them.
class Grants final : public GrantStore {
public:
    std::optional<StoredGrant> held{};
    int changesBeforeKeeping = 0;  ///< a service that is faster so many times

    Task<Result<std::optional<StoredGrant>>> find(std::string) override {
        std::optional<StoredGrant> found;
        if (held) {
            found.emplace();
            found->version = held->version;
            found->fingerprint = held->fingerprint;
            found->account = held->account;
            found->refreshToken = copyOf(held->refreshToken);
        }
        co_return std::move(found);
    }
    Task<Result<std::int64_t>> keep(StoredGrant grant, std::int64_t expected) override {
        if (changesBeforeKeeping > 0) {
            --changesBeforeKeeping;
            if (!held) held.emplace();
            ++held->version;
        }
        const auto version = held ? held->version : 0;
        if (version != expected) co_return Error{Reaction::retryLater, Code::storeChanged, "changed"};
        held = std::move(grant);
        held->version = version + 1;
        co_return held->version;
    }
    Task<Result<void>> forget(std::string) override {
        held.reset();
        co_return Result<void>{};
    }
};

/// Gives one token after the other, all with the refresh token that is stored.
class Tokens final : public TokenSource {
public:
    std::vector<Identity> asked{};
    std::shared_ptr<const Secret> refreshToken{};
    std::optional<Error> error{};
    int refusals = 0;

    Task<Result<Token>> token(Identity identity, plugin::Deadline, std::stop_token) override {
        asked.push_back(identity);
        if (error) co_return *error;
        Token token;
        token.secret = std::make_shared<const Secret>("token" + std::to_string(refusals));
        token.type = "Bearer";
        token.refreshToken = refreshToken;
        co_return token;
    }
    void refused(const Identity&, const Token&) override { ++refusals; }
};

struct Office {
    simulation::InlineLoop loop{};
    fakes::ScriptedProvider provider{loop.clock()};
    fakes::SecretReader secrets{};
    fakes::Random random{};
    fakes::Dialogue person{};
    Tokens tokens{};
    Grants grants{};
    Connector connector{
        {std::make_shared<const plugin::Configuration>(fakes::configuration({{"credential.app.client_id", "id"},
                                                                             {"credential.app.client_secret", "s"},
                                                                             {"credential.app.token_endpoint", "https://idp.example/token"},
                                                                             {"credential.app.scopes", "configured"},
                                                                             {"credential.person.grant", "authorization_code"},
                                                                             {"credential.person.client_id", "id"},
                                                                             {"credential.person.client_secret", "s"},
                                                                             {"credential.person.authorization_endpoint", "https://idp.example/auth"},
                                                                             {"credential.person.token_endpoint", "https://idp.example/token"},
                                                                             {"credential.person.redirect_uri", "https://postern.example/cb"},
                                                                             {"credential.scoped.grant", "device_code"},
                                                                             {"credential.scoped.client_id", "id"},
                                                                             {"credential.scoped.client_secret", "s"},
                                                                             {"credential.scoped.device_endpoint", "https://idp.example/device"},
                                                                             {"credential.scoped.token_endpoint", "https://idp.example/token"},
                                                                             {"credential.scoped.scopes", "mail"},
                                                                             {"credential.half.client_id", "id"},
                                                                             {"credential.plain.grant", "user_password"},
                                                                             {"credential.plain.password", "p"}})),
         provider, secrets, loop.clock(), random, tokens, &grants}};

    Result<Granted> server(const std::string& credential, std::optional<std::string> scopes = {}) {
        return loop.run(connector.serverLogin(credential, std::move(scopes), {}));
    }
    Result<Granted> user(const std::string& credential, const std::string& pasted = "&code=c") {
        person.whenVisited = [this, pasted](const std::string&) { person.lines.push_back("state=" + person.parameter("state") + pasted); };
        return loop.run(connector.userLogin(credential, {}, person, loop.clock().steady() + 600s, {}));
    }
    Result<Granted> refresh(const std::string& credential, const std::string& token = "") {
        return loop.run(connector.refresh(credential, Secret(token), {}));
    }
};

const std::string token = http(200, R"({"access_token":"t0ken","token_type":"Bearer","expires_in":60,"refresh_token":"n3xt"})");

int statusOf(ConnectorKind kind, const Result<Granted>& result) { return result ? 0 : connectorStatus(kind, result.error()); }

}  // namespace

SCENARIO("server-login has a number for each way it ends", "[login][connector]") {
    Office office;
    constexpr auto kind = ConnectorKind::serverLogin;
    GIVEN("0: a token, of the application's own grant") {
        const auto result = office.server("app", "other");
        REQUIRE(statusOf(kind, result) == 0);
        CHECK(result->scopes == "other");
        REQUIRE(office.tokens.asked.size() == 1);
        CHECK(office.tokens.asked[0].scopes == "other");
    }
    GIVEN("0: a token as an application, for a credential persons sign in with") {
        office.provider.answers = {token};
        const auto result = office.server("scoped");
        REQUIRE(statusOf(kind, result) == 0);
        CHECK(office.provider.requests[0].text.ends_with("\r\n\r\ngrant_type=client_credentials&scope=mail"));
        CHECK(result->scopes == "mail");
    }
    GIVEN("-1: whatever the provider says") {
        office.provider.answers = {http(401, R"({"error":"invalid_client"})")};
        CHECK(statusOf(kind, office.server("scoped")) == -1);
    }
    GIVEN("-1: a token that is not bearer") {
        office.provider.answers = {http(200, R"({"access_token":"t","token_type":"mac"})")};
        CHECK(statusOf(kind, office.server("scoped")) == -1);
    }
    GIVEN("-2: a credential nobody knows, or that is incomplete") {
        CHECK(statusOf(kind, office.server("nobody")) == -2);
        CHECK(statusOf(kind, office.server("half")) == -2);
        CHECK(statusOf(kind, office.server("plain")) == -2);
    }
    GIVEN("-3: no scope in call or credential") {
        CHECK(statusOf(kind, office.server("person")) == -3);
        CHECK(office.provider.requests.empty());
    }
}

SCENARIO("user-login has a number for each way it ends", "[login][connector]") {
    Office office;
    constexpr auto kind = ConnectorKind::userLogin;
    GIVEN("0: a token") {
        office.provider.answers = {token};
        const auto result = office.user("person");
        REQUIRE(statusOf(kind, result) == 0);
        CHECK(result->token.refreshToken.reveal() == "n3xt");
        THEN("nothing is kept") { CHECK_FALSE(office.grants.held); }
    }
    GIVEN("-1: a credential nobody knows, and a code that is not taken") {
        CHECK(statusOf(kind, office.user("nobody")) == -1);
        office.provider.answers = {fakes::refusal("invalid_grant")};
        CHECK(statusOf(kind, office.user("person")) == -1);
    }
    GIVEN("-2: a person who says no, or does not come") {
        CHECK(statusOf(kind, office.user("person", "&error=access_denied")) == -2);
        office.person.url.clear();
        CHECK(statusOf(kind, office.user("person", "&x=y&state=twice")) == -2);
    }
    GIVEN("-3: no connection, and an answer that is not the endpoint's") {
        office.provider.answers = {""};
        CHECK(statusOf(kind, office.user("person")) == -3);
        office.person.url.clear();
        office.provider.answers = {http(503, "later")};
        CHECK(statusOf(kind, office.user("person")) == -3);
        office.person.url.clear();
        office.provider.answers = {"this is not HTTP\r\n\r\n"};
        CHECK(statusOf(kind, office.user("person")) == -3);
        for (const auto code : {Code::channelNameNotFound, Code::channelProxyRefused, Code::channelCertificateUntrusted})
            CHECK(connectorStatus(kind, Error{Reaction::askOperator, code, ""}) == -3);
    }
    GIVEN("-5: a token that is not bearer") {
        office.provider.answers = {http(200, R"({"access_token":"t","token_type":"mac"})")};
        CHECK(statusOf(kind, office.user("person")) == -5);
    }
}

SCENARIO("a number that is not used is never given", "[login][connector]") {
    std::set<int> given;
    for (const auto& entry : plugin::codeTable)
        for (const auto kind : {ConnectorKind::serverLogin, ConnectorKind::userLogin, ConnectorKind::refreshToken})
            for (const auto reaction :
                 {Reaction::retryLater, Reaction::reconnect, Reaction::reauthenticate, Reaction::setAside, Reaction::askOperator})
                given.insert(connectorStatus(kind, Error{reaction, entry.code, "what happened"}));
    CHECK(given == std::set<int>{-5, -3, -2, -1});
}

SCENARIO("refresh-token has a number for each way it ends", "[login][connector]") {
    Office office;
    constexpr auto kind = ConnectorKind::refreshToken;
    GIVEN("0: another token for the one that is given") {
        office.provider.answers = {token};
        const auto result = office.refresh("app", "r3fresh");
        REQUIRE(statusOf(kind, result) == 0);
        CHECK(office.provider.requests[0].text.ends_with("\r\n\r\ngrant_type=refresh_token&refresh_token=r3fresh"));
        CHECK(result->token.refreshToken.reveal() == "n3xt");
        CHECK(office.tokens.asked.empty());
        CHECK_FALSE(office.grants.held);
    }
    GIVEN("0: another token of the stored grant, never the one that was there") {
        office.tokens.refreshToken = std::make_shared<const Secret>("stored");
        const auto result = office.refresh("person");
        REQUIRE(statusOf(kind, result) == 0);
        CHECK(result->token.accessToken.reveal() == "token1");
    }
    GIVEN("-1: one that is not taken, of which nothing is shown") {
        office.provider.answers = {http(400, R"({"error":"invalid_grant","error_description":"r3fresh-token-of-22-oct is used"})")};
        const auto result = office.refresh("app", "r3fresh-token-of-22-oct");
        CHECK(statusOf(kind, result) == -1);
        CHECK(result.error().what.find("r3fresh") == std::string::npos);
    }
    GIVEN("-1: a token that is not bearer") {
        office.provider.answers = {http(200, R"({"access_token":"t","token_type":"mac"})")};
        CHECK(statusOf(kind, office.refresh("app", "r")) == -1);
    }
    GIVEN("-2: a credential nobody knows, or that has no endpoint") {
        CHECK(statusOf(kind, office.refresh("nobody", "r")) == -2);
        CHECK(statusOf(kind, office.refresh("half", "r")) == -2);
    }
    GIVEN("-3: no refresh token given, and none stored") {
        CHECK(statusOf(kind, office.refresh("app")) == -3);
        CHECK(statusOf(kind, office.refresh("person")) == -3);
        office.tokens.error = Error{Reaction::askOperator, Code::tokenSignInNeeded, "nobody has signed in"};
        CHECK(statusOf(kind, office.refresh("person")) == -3);
        office.grants.held.emplace();
        office.grants.held->refreshToken = Secret("stored, and refused");
        CHECK(statusOf(kind, office.refresh("person")) == -1);
    }
}

SCENARIO("what a sign-in brought is kept in place of what was there", "[login][connector]") {
    Office office;
    office.provider.answers = {token};
    auto result = office.user("person");
    REQUIRE(result);
    const auto keep = [&] { return office.loop.run(office.connector.keep("person", std::move(*result))); };
    GIVEN("nothing that was kept before") {
        REQUIRE(keep());
        CHECK(office.grants.held->version == 1);
        CHECK(office.grants.held->by == "authorization_code");
        CHECK(office.grants.held->refreshToken.reveal() == "n3xt");
        CHECK(office.grants.held->accessToken.reveal() == "t0ken");
        CHECK(office.grants.held->expiresAt == office.grants.held->obtainedAt + 60s);
        CHECK_FALSE(office.grants.held->fingerprint.empty());
    }
    GIVEN("a sign-in of the same person before, and a provider that gives no second refresh token") {
        result->account.emplace();
        result->account->name = "somebody@example.com";
        REQUIRE(keep());
        office.person.url.clear();  // another sign-in
        office.provider.answers = {http(200, R"({"access_token":"t0ken-2","token_type":"Bearer","expires_in":60})")};
        result = office.user("person");
        REQUIRE(result);
        result->account.emplace();
        const std::string who = GENERATE("somebody@example.com", "somebody.else@example.com");
        result->account->name = who;
        REQUIRE(keep());
        CHECK(office.grants.held->accessToken.reveal() == "t0ken-2");
        CHECK(office.grants.held->refreshToken.reveal() == (who == "somebody@example.com" ? "n3xt" : ""));
    }
    GIVEN("a service that renews the old one meanwhile") {
        office.grants.changesBeforeKeeping = 2;
        REQUIRE(keep());
        CHECK(office.grants.held->refreshToken.reveal() == "n3xt");
    }
    GIVEN("a store that never comes to rest") {
        office.grants.changesBeforeKeeping = 9;
        const auto kept = keep();
        REQUIRE_FALSE(kept);
        CHECK(kept.error().code == Code::storeChanged);
    }
}

SCENARIO("who has signed in is compared with who is expected", "[login]") {
    Granted granted;
    granted.token.refreshToken = Secret("r");
    Credential credential;
    credential.name = "c";
    using Users = std::vector<std::string>;
    GIVEN("a name") {
        granted.account = Account{"joe@example.com", {"joe@example.com"}, ""};
        CHECK_FALSE(otherAccount(granted, "c", {}));
        CHECK_FALSE(otherAccount(granted, "c", Users{"orders@example.com", "Joe@example.com"}));
        const auto other = otherAccount(granted, "c", Users{"orders@example.com", "sales@example.com"});
        REQUIRE(other);
        CHECK(other->code == Code::tokenOtherAccount);
        CHECK(other->what == "credential c: joe@example.com has signed in, orders@example.com or sales@example.com was expected; nothing was stored");
        CHECK(remarksOn(granted, credential, Users{"joe@example.com"}).empty());
    }
    GIVEN("no name") {
        CHECK_FALSE(otherAccount(granted, "c", Users{"orders@example.com"}));
        CHECK(remarksOn(granted, credential, Users{"orders@example.com"}).size() == 1);
        CHECK(remarksOn(granted, credential, {}).empty());
    }
    GIVEN("no refresh token") {
        granted.token.refreshToken = Secret();
        REQUIRE(remarksOn(granted, credential, {}).size() == 1);
        CHECK(remarksOn(granted, credential, {})[0].find("add offline_access to credential.c.scopes") != std::string::npos);
        credential.authorizationEndpoint = "https://accounts.google.com/o/oauth2/v2/auth";
        CHECK(remarksOn(granted, credential, {})[0].find("credential.c.authorize.parameter.access_type = offline") != std::string::npos);
    }
}
