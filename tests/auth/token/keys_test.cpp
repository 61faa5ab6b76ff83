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
    for (const auto* here : {"grant",           "client_id",           "client_secret",     "token_endpoint",
                             "scopes",          "authentication",      "truststore",        "username",
                             "password",        "token.parameter.<p>", "provider",          "tenant",
                             "keystore",        "signing_alias",       "assertion_file",    "key_file",
                             "jwt.algorithm",   "jwt.key_id",          "jwt.issuer",        "jwt.subject",
                             "jwt.audience",    "jwt.expiration",      "jwt.claim.<claim>", "authorization_endpoint",
                             "device_endpoint", "redirect_uri",        "use_prompt",        "authorize.parameter.<p>",
                             "issuer",          "client_secret_next",  "refresh_token",     "refresh_style",
                             "secret_expires"}) {
        const auto* key = find(all, "credential.<name>." + std::string(here));
        REQUIRE(key != nullptr);
        CHECK_FALSE(key->planned);
    }
    const auto* later = find(all, "issuer.url");
    REQUIRE(later != nullptr);
    CHECK(later->planned);
    const auto* authentication = find(all, "credential.<name>.authentication");
    CHECK(authentication->fallback == "basic");
    CHECK(authentication->later.empty());
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

namespace {

/// What `check` finds of credential "m" with these lines, as "key: text".
std::vector<std::string> told(std::initializer_list<std::pair<const char*, std::string>> lines) {
    std::map<std::string, plugin::Configuration::Setting, std::less<>> settings;
    settings["keystore.k.path"] = {"/k", {}, true};
    for (const auto& [part, value] : lines) settings["credential.m." + std::string(part)] = {value, {"test.properties", 1}, true};
    std::vector<std::string> texts;
    for (const auto& each : problems(plugin::Configuration(settings)))
        texts.push_back(each.key.substr(std::string("credential.m.").size()) + ": " + each.what);
    return texts;
}

std::string keysOf(const std::vector<std::string>& told) {
    std::string list;
    for (const auto& each : told) list += (list.empty() ? "" : " ") + each.substr(0, each.find(':'));
    return list;
}

plugin::Result<Credential> read(std::initializer_list<std::pair<const char*, std::string>> lines) {
    std::map<std::string, plugin::Configuration::Setting, std::less<>> settings;
    settings["keystore.k.path"] = {"/k", {}, true};
    settings["credential.m.grant"] = {"client_credentials", {}, false};  // as defaults stand in a snapshot
    settings["credential.m.authentication"] = {"basic", {}, false};
    for (const auto& [part, value] : lines) settings["credential.m." + std::string(part)] = {value, {"test.properties", 1}, true};
    return credential(plugin::Configuration(settings), "m");
}

}  // namespace

SCENARIO("each way to show who we are wants its own keys, and none of another's", "[keys][authentication]") {
    using Lines = std::initializer_list<std::pair<const char*, std::string>>;
    const auto of = [](const char* authentication, const char* key, const char* value) {
        return keysOf(
            told(Lines{{"authentication", authentication}, {"client_id", "id"}, {"token_endpoint", "https://h/t"}, {"scopes", "a"}, {key, value}}));
    };
    CHECK(of("body", "client_secret", "s").empty());
    CHECK(of("private_key_jwt", "keystore", "k").empty());
    CHECK(of("tls", "keystore", "k").empty());
    CHECK(of("assertion_file", "assertion_file", "/token").empty());
    CHECK(of("none", "token.parameter.audience", "x").empty());
    CHECK(of("private_key_jwt", "client_secret", "s") == "keystore client_secret");
    CHECK(of("tls", "client_secret", "s") == "keystore client_secret");
    CHECK(of("assertion_file", "client_secret", "s") == "assertion_file client_secret");
    CHECK(of("none", "client_secret", "s") == "client_secret");
    CHECK(of("basic", "keystore", "k") == "client_secret keystore");
    CHECK(of("none", "signing_alias", "mine") == "signing_alias");
    CHECK(of("none", "assertion_file", "/token") == "assertion_file");
    CHECK(keysOf(told({{"grant", "client_credentials"},
                       {"authentication", "none"},
                       {"client_id", "id"},
                       {"token_endpoint", "https://h/t"},
                       {"scopes", "a"},
                       {"key_file", "/key.json"}})) == "key_file");
    CHECK(of("none", "jwt.claim.azp", "x") == "jwt.claim.azp");
    CHECK(of("none", "tenant", "t") == "tenant");
    CHECK(told({{"authentication", "private_key_jwt"}, {"client_id", "id"}, {"token_endpoint", "https://h/t"}, {"scopes", "a"}}) ==
          std::vector<std::string>{"keystore: credential.m.keystore is missing: authentication private_key_jwt cannot do without"});
    CHECK(keysOf(told({{"authentication", "private_key_jwt"},
                       {"client_id", "id"},
                       {"token_endpoint", "https://h/t"},
                       {"scopes", "a"},
                       {"keystore", "k"},
                       {"jwt.claim.aud", "x"}})) == "jwt.claim.aud");
}

SCENARIO("grant jwt_bearer wants a key and an issuer", "[keys][grant]") {
    CHECK(told({{"grant", "jwt_bearer"}}) ==
          std::vector<std::string>{"token_endpoint: credential.m.token_endpoint is missing: grant jwt_bearer cannot do without",
                                   "keystore: credential.m.keystore is missing: grant jwt_bearer cannot do without",
                                   "jwt.issuer: credential.m.jwt.issuer is missing: grant jwt_bearer cannot do without"});
    CHECK(told({{"grant", "jwt_bearer"}, {"token_endpoint", "https://h/t"}, {"keystore", "k"}, {"client_id", "id"}}).empty());
    CHECK(told({{"grant", "jwt_bearer"}, {"token_endpoint", "https://h/t"}, {"keystore", "k"}, {"jwt.issuer", "me"}}).empty());
    CHECK(told({{"grant", "jwt_bearer"}, {"key_file", "/key.json"}}).empty());
    const auto alone = read({{"key_file", "/key.json"}});
    REQUIRE(alone);
    CHECK(alone->scopes == "https://mail.google.com/");  // as the endpoint is Google's
    CHECK(keysOf(told({{"grant", "jwt_bearer"}, {"key_file", "/key.json"}, {"keystore", "k"}})) == "keystore");
    CHECK(told({{"key_file", "/key.json"}, {"client_id", "id"}, {"client_secret", "s"}}).empty());
    CHECK(told({{"key_file", "/key.json"}, {"client_id", "id"}, {"authentication", "private_key_jwt"}, {"keystore", "k"}}).empty());
    CHECK(keysOf(told({{"key_file", "/key.json"}, {"client_id", "id"}, {"authentication", "private_key_jwt"}})) == "keystore");
    GIVEN("a client that shows a secret beside it") {
        const auto read_ =
            read({{"grant", "jwt_bearer"}, {"token_endpoint", "https://h/t"}, {"keystore", "k"}, {"client_id", "id"}, {"client_secret", "s"}});
        REQUIRE(read_);
        CHECK(read_->authentication == ClientAuthentication::basic);
    }
}

SCENARIO("with a provider nobody writes down what is known of it", "[keys][provider]") {
    struct Row {
        std::string provider, token, application, person, graph, host;
    };
    const auto row = GENERATE(values<Row>({
        {"microsoft365", "https://login.microsoftonline.com/t.example/oauth2/v2.0/token", "https://outlook.office365.com/.default",
         "https://outlook.office.com/IMAP.AccessAsUser.All offline_access", "https://graph.microsoft.com/.default", "outlook.office365.com"},
        {"microsoft365-gcch", "https://login.microsoftonline.us/t.example/oauth2/v2.0/token", "https://outlook.office365.us/.default",
         "https://outlook.office365.us/IMAP.AccessAsUser.All offline_access", "https://graph.microsoft.us/.default", "outlook.office365.us"},
        {"microsoft365-dod", "https://login.microsoftonline.us/t.example/oauth2/v2.0/token", "https://outlook-dod.office365.us/.default",
         "https://outlook-dod.office365.us/IMAP.AccessAsUser.All offline_access", "https://dod-graph.microsoft.us/.default",
         "outlook-dod.office365.us"},
        {"microsoft365-china", "https://login.chinacloudapi.cn/t.example/oauth2/v2.0/token", "https://partner.outlook.cn/.default",
         "https://partner.outlook.cn/IMAP.AccessAsUser.All offline_access", "https://microsoftgraph.chinacloudapi.cn/.default", "partner.outlook.cn"},
    }));
    GIVEN(row.provider + " and a secret") {
        CHECK(told({{"provider", row.provider}, {"tenant", "t.example"}, {"client_id", "id"}, {"client_secret", "s"}}).empty());
        const auto app = read({{"provider", row.provider}, {"tenant", "t.example"}, {"client_id", "id"}, {"client_secret", "s"}});
        REQUIRE(app);
        CHECK(app->authentication == ClientAuthentication::body);
        CHECK(app->tokenEndpoint == row.token);
        CHECK(app->scopes == row.application);
        for (const auto* protocol : {"", "imap", "pop3", "smtp", "ews"}) CHECK(scopesFor(*app, protocol) == row.application);
        CHECK(scopesFor(*app, "graph") == row.graph);
    }
    GIVEN(row.provider + " and a key") {
        const auto app = read({{"provider", row.provider}, {"tenant", "t.example"}, {"client_id", "id"}, {"keystore", "k"}});
        REQUIRE(app);
        CHECK(app->authentication == ClientAuthentication::privateKeyJwt);
        CHECK(app->assertion.usualOfRsa == JwtAlgorithm::ps256);
    }
    GIVEN(row.provider + " and a person") {
        const auto person = read({{"provider", row.provider}, {"grant", "authorization_code"}, {"authentication", "none"}, {"client_id", "id"}});
        REQUIRE(person);
        CHECK(person->scopes == row.person);
        CHECK(person->authorizationEndpoint.find("/common/oauth2/v2.0/authorize") != std::string::npos);
        CHECK(person->deviceEndpoint.find("/common/oauth2/v2.0/devicecode") != std::string::npos);
        CHECK(scopesFor(*person, "pop3").find("/POP.AccessAsUser.All offline_access") != std::string::npos);
        CHECK(scopesFor(*person, "smtp").find("/SMTP.Send offline_access") != std::string::npos);
    }
    GIVEN(row.provider + " and settings of one's own") {
        const auto app = read({{"provider", row.provider},
                               {"client_id", "id"},
                               {"client_secret", "s"},
                               {"authentication", "basic"},
                               {"token_endpoint", "https://127.0.0.1:1/t"},
                               {"scopes", "mine"}});
        REQUIRE(app);
        CHECK(app->authentication == ClientAuthentication::basic);
        CHECK(app->tokenEndpoint == "https://127.0.0.1:1/t");
        CHECK(scopesFor(*app, "graph") == "mine");
    }
    GIVEN(row.provider + " without the tenant") {
        CHECK(keysOf(told({{"provider", row.provider}, {"client_id", "id"}, {"client_secret", "s"}})) == "tenant");
    }
    GIVEN("a mailbox there") {
        const auto settings = fakes::configuration({{"credential.m.provider", row.provider}});
        CHECK(hostOfProvider(settings, "m", "imap") == row.host);
        CHECK(hostOfProvider(settings, "other", "imap").empty());
    }
}

SCENARIO("Google has service accounts and people, and no applications", "[keys][provider]") {
    CHECK(told({{"provider", "google"}, {"key_file", "/key.json"}}).empty());
    const auto account = read({{"provider", "google"}, {"key_file", "/key.json"}});
    REQUIRE(account);
    CHECK(account->grant == Grant::jwtBearer);
    CHECK(account->authentication == ClientAuthentication::none);
    CHECK(account->tokenEndpoint == "https://oauth2.googleapis.com/token");
    CHECK(account->scopes == "https://mail.google.com/");
    CHECK(keysOf(told({{"provider", "google"}, {"client_id", "id"}, {"client_secret", "s"}})) == "provider");
    const auto person = read({{"provider", "google"}, {"grant", "authorization_code"}, {"client_id", "id"}, {"client_secret", "s"}});
    REQUIRE(person);
    CHECK(person->authentication == ClientAuthentication::basic);
    CHECK(person->authorizationEndpoint == "https://accounts.google.com/o/oauth2/v2/auth");
    CHECK(person->authorizeParameters == std::vector<std::pair<std::string, std::string>>{{"access_type", "offline"}});
    CHECK(keysOf(told({{"provider", "google"}, {"grant", "device_code"}, {"client_id", "id"}, {"client_secret", "s"}})) == "provider");
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
