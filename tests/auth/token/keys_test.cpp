#include "auth/access.h"
#include "auth/token/credential.h"
#include "fakes.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <string>

using namespace auth;
using plugin::Code;
using plugin::Problem;

namespace {

std::vector<Problem> problems(const plugin::Configuration& configuration) {
    std::vector<Problem> found;
    check(configuration, found);
    return found;
}

const plugin::Key* find(const std::vector<plugin::Key>& all, const std::string& pattern) {
    const auto at = std::find_if(all.begin(), all.end(), [&](const plugin::Key& key) { return key.pattern == pattern; });
    return at == all.end() ? nullptr : &*at;
}

}  // namespace

SCENARIO("every key of the contract is declared, once, with a line of documentation", "[keys]") {
    const auto all = keys();
    for (const auto& key : all) {
        INFO(key.pattern);
        CHECK_FALSE(key.doc.empty());
        CHECK(std::count_if(all.begin(), all.end(), [&](const plugin::Key& other) { return other.pattern == key.pattern; }) == 1);
    }
    for (const auto* here : {"grant",
                             "client_id",
                             "client_secret",
                             "token_endpoint",
                             "scopes",
                             "authentication",
                             "truststore",
                             "username",
                             "password",
                             "token.parameter.<p>",
                             "authorization_endpoint",
                             "device_endpoint",
                             "redirect_uri",
                             "use_prompt",
                             "authorize.parameter.<p>",
                             "issuer",
                             "client_secret_next",
                             "refresh_token",
                             "refresh_style",
                             "secret_expires"}) {
        const auto* key = find(all, "credential.<name>." + std::string(here));
        REQUIRE(key != nullptr);
        CHECK_FALSE(key->planned);
    }
    for (const auto* later : {"credential.<name>.tenant", "credential.<name>.jwt.subject", "proxy.<alias>.truststore",
                              "keystore.<alias>.key.<key_alias>.password", "issuer.url", "truststore.<alias>.password"}) {
        const auto* key = find(all, later);
        REQUIRE(key != nullptr);
        CHECK(key->planned);
    }
    const auto* authentication = find(all, "credential.<name>.authentication");
    CHECK(authentication->fallback == "basic");
    CHECK(std::find(authentication->later.begin(), authentication->later.end(), "private_key_jwt") != authentication->later.end());
    CHECK(find(all, "truststore.<alias>.path")->required);
}

SCENARIO("scopes are what RFC 6749 allows", "[keys]") {
    const auto all = keys();
    const auto form = find(all, "credential.<name>.scopes")->form;
    REQUIRE(form);
    CHECK_FALSE(form("https://outlook.office365.com/.default Mail.Read"));
    CHECK(form("a\"b"));
    CHECK(form("a\\b"));
    CHECK(form("\xc3\xa9"));
}

SCENARIO("of a client_credentials credential each missing key is named", "[keys]") {
    const auto found = problems(fakes::configuration({{"credential.m.grant", "client_credentials"}, {"credential.m.client_id", "id"}}));
    REQUIRE(found.size() == 3);
    for (const auto* part : {"client_secret", "token_endpoint", "scopes"}) {
        const auto at =
            std::find_if(found.begin(), found.end(), [&](const Problem& problem) { return problem.key == "credential.m." + std::string(part); });
        REQUIRE(at != found.end());
        CHECK(at->code == Code::configMissingKey);
        CHECK(at->place.file == "test.properties");
        CHECK(at->place.line == 1);
    }
    CHECK(credential(fakes::configuration({{"credential.m.client_id", "id"}}), "m").error().what ==
          "missing: credential.m.client_secret, credential.m.token_endpoint, credential.m.scopes");
}

SCENARIO("keys of the other grant are a conflict", "[keys]") {
    GIVEN("a password beside client_credentials") {
        const auto found = problems(fakes::configuration({{"credential.m.client_id", "id"},
                                                          {"credential.m.client_secret", "s"},
                                                          {"credential.m.token_endpoint", "https://h/t"},
                                                          {"credential.m.scopes", "a"},
                                                          {"credential.m.password", "hunter2"}}));
        REQUIRE(found.size() == 1);
        CHECK(found[0].code == Code::configConflict);
        CHECK(found[0].key == "credential.m.password");
        CHECK(found[0].place.line == 5);
        CHECK(found[0].what.find("hunter2") == std::string::npos);
    }
    GIVEN("a client id beside user_password, whose password is missing") {
        const auto found = problems(fakes::configuration({{"credential.m.grant", "user_password"}, {"credential.m.client_id", "id"}}));
        REQUIRE(found.size() == 2);
        CHECK(found[0].key == "credential.m.password");
        CHECK(found[1].code == Code::configConflict);
    }
    GIVEN("a default that nobody wrote") {
        std::map<std::string, plugin::Configuration::Setting, std::less<>> settings;
        settings["credential.m.grant"] = {"user_password", {"f", 1}, true};
        settings["credential.m.password"] = {"p", {"f", 2}, true};
        settings["credential.m.authentication"] = {"basic", {}, false};
        CHECK(problems(plugin::Configuration(settings)).empty());
    }
}

SCENARIO("a credential a person signs in with needs what its way needs, and nothing of the others", "[keys]") {
    using Lines = std::initializer_list<std::pair<const char*, std::string>>;
    const auto keysOf = [](Lines lines) {
        std::vector<std::string> keys;
        for (const auto& problem : problems(fakes::configuration(lines))) keys.push_back(problem.key);
        return keys;
    };
    using Keys = std::vector<std::string>;
    GIVEN("nothing but the grant") {
        CHECK(keysOf({{"credential.m.grant", "authorization_code"}}) ==
              Keys{"credential.m.client_id", "credential.m.client_secret", "credential.m.token_endpoint", "credential.m.authorization_endpoint"});
        CHECK(keysOf({{"credential.m.grant", "device_code"}}) ==
              Keys{"credential.m.client_id", "credential.m.client_secret", "credential.m.token_endpoint", "credential.m.device_endpoint"});
    }
    GIVEN("a public client") {
        const auto publicClient = fakes::configuration({{"credential.m.grant", "authorization_code"},
                                                        {"credential.m.client_id", "id"},
                                                        {"credential.m.authentication", "none"},
                                                        {"credential.m.token_endpoint", "https://h/t"},
                                                        {"credential.m.authorization_endpoint", "https://h/a"},
                                                        {"credential.m.redirect_uri", "http://localhost/cb"},
                                                        {"credential.m.use_prompt", "false"},
                                                        {"credential.m.issuer", "https://h"},
                                                        {"credential.m.authorize.parameter.prompt", "login"}});
        CHECK(problems(publicClient).empty());
        const auto read = credential(publicClient, "m");
        REQUIRE(read);
        CHECK(read->grant == Grant::authorizationCode);
        CHECK(read->authentication == ClientAuthentication::none);
        CHECK(read->authorizationEndpoint == "https://h/a");
        CHECK(read->redirectUri == "http://localhost/cb");
        CHECK(read->issuer == "https://h");
        CHECK_FALSE(read->usePrompt);
        CHECK(read->authorizeParameters == std::vector<std::pair<std::string, std::string>>{{"prompt", "login"}});
    }
    GIVEN("a secret of a public client, a name and a password, and what belongs to the browser") {
        CHECK(keysOf({{"credential.m.grant", "device_code"},
                      {"credential.m.client_id", "id"},
                      {"credential.m.authentication", "none"},
                      {"credential.m.client_secret", "s"},
                      {"credential.m.token_endpoint", "https://h/t"},
                      {"credential.m.device_endpoint", "https://h/d"},
                      {"credential.m.username", "joe"},
                      {"credential.m.redirect_uri", "http://localhost/cb"}}) ==
              Keys{"credential.m.username", "credential.m.redirect_uri", "credential.m.client_secret"});
    }
    GIVEN("client credentials with what only a person needs") {
        CHECK(keysOf({{"credential.m.client_id", "id"},
                      {"credential.m.client_secret", "s"},
                      {"credential.m.token_endpoint", "https://h/t"},
                      {"credential.m.scopes", "a"},
                      {"credential.m.authorization_endpoint", "https://h/a"},
                      {"credential.m.device_endpoint", "https://h/d"},
                      {"credential.m.authorize.parameter.audience", "x"}}) ==
              Keys{"credential.m.authorization_endpoint", "credential.m.device_endpoint", "credential.m.authorize.parameter.audience"});
    }
    GIVEN("authorization parameters that the request carries already") {
        CHECK(keysOf({{"credential.m.grant", "authorization_code"},
                      {"credential.m.client_id", "id"},
                      {"credential.m.client_secret", "s"},
                      {"credential.m.token_endpoint", "https://h/t"},
                      {"credential.m.authorization_endpoint", "https://h/a"},
                      {"credential.m.authorize.parameter.access_type", "offline"},
                      {"credential.m.authorize.parameter.prompt", "login"},
                      {"credential.m.authorize.parameter.state", "mine"}}) ==
              Keys{"credential.m.authorize.parameter.prompt", "credential.m.authorize.parameter.state"});
    }
}

SCENARIO("a redirect URI is absolute and has no fragment", "[keys]") {
    const auto all = keys();
    const auto form = find(all, "credential.<name>.redirect_uri")->form;
    REQUIRE(form);
    for (const auto* good :
         {"http://localhost/oauth-callback", "http://localhost", "https://postern.example/oauth-callback?a=b", "com.example.app:/cb"})
        CHECK_FALSE(form(good));
    for (const auto* bad : {"localhost/cb", "/cb", "http://localhost/#x", "http://localhost/a b", "http://localhost/\xc3\xa9", ":/cb"})
        CHECK(form(bad));
}

SCENARIO("a token parameter cannot say again what the request says", "[keys]") {
    const auto found = problems(fakes::configuration({{"credential.m.client_id", "id"},
                                                      {"credential.m.client_secret", "s"},
                                                      {"credential.m.token_endpoint", "https://h/t"},
                                                      {"credential.m.scopes", "a"},
                                                      {"credential.m.token.parameter.client_secret", "x"},
                                                      {"credential.m.token.parameter.audience", "y"}}));
    REQUIRE(found.size() == 1);
    CHECK(found[0].key == "credential.m.token.parameter.client_secret");
}

SCENARIO("Access answers what a credential signs in with", "[access]") {
    fakes::Clock clock;
    fakes::Random random;
    fakes::Log log;
    fakes::Metrics metrics;
    fakes::SecretReader secrets;
    secrets.put("/pw", "p\xc3\xa4ss\n");
    auto configuration = std::make_shared<const plugin::Configuration>(fakes::configuration({{"credential.plain.grant", "user_password"},
                                                                                             {"credential.plain.username", "joe"},
                                                                                             {"credential.plain.password", "${file:/pw}"},
                                                                                             {"credential.lost.grant", "user_password"},
                                                                                             {"credential.lost.password", "${file:/lost}"},
                                                                                             {"credential.app.client_id", "id"},
                                                                                             {"credential.app.client_secret", "s"},
                                                                                             {"credential.app.token_endpoint", "https://h/t"},
                                                                                             {"credential.app.scopes", "a"}}));
    const auto access = makeAccess({configuration, clock, random, log, metrics, nullptr, &secrets});

    CHECK(*access->kind("plain") == Access::Kind::password);
    CHECK(*access->kind("app") == Access::Kind::token);
    CHECK(access->kind("nobody").error().code == Code::tokenCredentialIncomplete);
    const auto password = access->password("plain");
    REQUIRE(password);
    CHECK(password->username == "joe");
    CHECK(password->password.reveal() == "p\xc3\xa4ss");
    CHECK(access->password("app").error().code == Code::tokenCredentialIncomplete);
    CHECK(access->password("lost").error().code == Code::configSecretSource);
    CHECK(access->password("lost").error().what.find("credential lost: the file /lost") == 0);
}
