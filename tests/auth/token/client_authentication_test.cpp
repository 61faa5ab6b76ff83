// How a client without a shared secret shows who it is: to a real identity provider, and to a strict server for the JWT bearer grant.
#include "auth/token/jwt.h"
#include "jwt_verifier.h"
#include "machine.h"
#include "tests/servers/identity_provider.h"
#include "tests/servers/keystores.h"
#include "token_server.h"

#include <Poco/URI.h>

#include <set>

using plugin::Code;
using plugin::Reaction;
using servers::IdentityProvider;
using servers::TemporaryDirectory;

namespace {

struct Keys {
    servers::Certificate rsa = servers::makeCertificate({.commonName = "rsa", .rsa = true});
    servers::Certificate curve = servers::makeCertificate({.commonName = "curve"});
    servers::Certificate foreign = servers::makeCertificate({.commonName = "foreign", .rsa = true});
};

void set(Settings& settings, const std::string& key, const std::string& value) { settings[key] = {value, {"test", 1}, true}; }

/// A provider that knows clients by their keys, and a keystore with them.
struct Surroundings {
    Keys keys{};
    TemporaryDirectory place{};
    servers::CertificateFiles certificates{place / "certificates"};
    IdentityProvider provider{place / "idp",
                              certificates,
                              {.keyed = {{"rs", {"private_key_jwt", keys.rsa.pem(), "RS256"}},
                                         {"ps", {"private_key_jwt", keys.rsa.pem(), "PS256"}},
                                         {"es", {"private_key_jwt", keys.curve.pem(), "ES256"}},
                                         {"shown", {"self_signed_tls_client_auth", keys.rsa.pem()}},
                                         {"public", {"none"}}}}};

    Surroundings() {
        write({{"rsa", &keys.rsa, {keys.rsa}}, {"curve", &keys.curve, {keys.curve}}, {"foreign", &keys.foreign, {keys.foreign}}});
        servers::writeFile(place / "password", "hunter2\n");
    }
    void write(const std::vector<servers::Pkcs12Part>& parts) const { servers::writeFile(place / "keys.p12", servers::pkcs12(parts, "hunter2")); }

    Settings settings(const std::string& client, const std::string& authentication, const std::map<std::string, std::string>& more) const {
        Settings all;
        set(all, "truststore.test.path", certificates.authority);
        set(all, "keystore.k.path", place / "keys.p12");
        set(all, "keystore.k.password", "${file:" + (place / "password").string() + "}");
        const std::map<std::string, std::string> usual{{"client_id", client},
                                                       {"authentication", authentication},
                                                       {"token_endpoint", provider.tokenEndpoint()},
                                                       {"scopes", IdentityProvider::scope()},
                                                       {"truststore", "test"}};
        for (const auto& each : {usual, more})
            for (const auto& [part, value] : each) set(all, "credential.c." + part, value);
        return all;
    }
    /// The parameters of the last request, as they arrived.
    std::map<std::string, std::string> last() const {
        const auto request = provider.requests().back();
        CHECK(request.header("authorization").empty());
        std::map<std::string, std::string> found;
        for (const auto& [name, value] : Poco::URI("http://x/?" + request.body).getQueryParameters()) CHECK(found.emplace(name, value).second);
        CHECK(found.count("client_secret") == 0);
        return found;
    }
};

const Surroundings& around() {
    static const Surroundings all;
    return all;
}

/// What somebody else would put into the file: a platform, a cloud's metadata service.
std::string assertionOf(const std::string& client, const servers::Certificate& certificate) {
    static int made = 0;
    const auto now = std::chrono::time_point_cast<plugin::Wall::duration>(std::chrono::system_clock::now());
    const auto jwt = auth::signedJwt({.key = certificate.key, .algorithm = auth::JwtAlgorithm::rs256}, {.issuer = client,
                                                                                                        .subject = client,
                                                                                                        .audience = around().provider.tokenEndpoint(),
                                                                                                        .id = "foreign-" + std::to_string(++made),
                                                                                                        .issuedAt = now,
                                                                                                        .life = std::chrono::seconds(60)});
    REQUIRE(jwt);
    return std::string(jwt->reveal());
}

std::string textOf(const plugin::Result<auth::Token>& token) { return token ? "" : plugin::describe(token.error()); }

}  // namespace

SCENARIO("a real provider knows us by a signature, with each algorithm", "[token][provider][assertion]") {
    struct Row {
        std::string client, alias, algorithm;
    };
    const auto row = GENERATE(values<Row>({{"rs", "rsa", ""}, {"ps", "rsa", "PS256"}, {"es", "curve", ""}}));
    std::map<std::string, std::string> more{{"keystore", "k"}, {"signing_alias", row.alias}};
    if (!row.algorithm.empty()) more["jwt.algorithm"] = row.algorithm;
    std::set<std::string> ids;
    for (int attempt = 0; attempt < 2; ++attempt) {
        Machine machine(around().settings(row.client, "private_key_jwt", more));
        const auto token = machine.token("c");
        INFO(row.client << " " << textOf(token));
        REQUIRE(token);
        const auto sent = around().last();
        CHECK(sent.size() == 5);
        CHECK(sent.at("client_id") == row.client);
        CHECK(sent.at("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        const auto jwt = readJwt(sent.at("client_assertion"));
        CHECK(jwt.claim("aud") == around().provider.tokenEndpoint());
        ids.insert(jwt.claim("jti"));
        CHECK(machine.log.text().find(sent.at("client_assertion")) == std::string::npos);
    }
    CHECK(ids.size() == 2);
}

SCENARIO("a real provider refuses a key it does not know", "[token][provider][assertion]") {
    Machine machine(around().settings("rs", "private_key_jwt", {{"keystore", "k"}, {"signing_alias", "foreign"}}));
    const auto token = machine.token("c");
    REQUIRE_FALSE(token);
    CHECK(token.error().code == Code::tokenClientRefused);
    CHECK(token.error().reaction == Reaction::askOperator);
    const auto assertion = around().last().at("client_assertion");
    for (const auto& text : {textOf(token), machine.log.text()}) CHECK(text.find(assertion.substr(0, 40)) == std::string::npos);
}

SCENARIO("after a refusal a keystore that was replaced is tried at once", "[token][provider][assertion]") {
    const Surroundings own;
    Machine machine(own.settings("es", "private_key_jwt", {{"keystore", "k"}, {"signing_alias", "mine"}}));
    own.write({{"mine", &own.keys.foreign, {own.keys.foreign}}});
    CHECK(machine.token("c").error().code == Code::tokenClientRefused);
    const auto asked = own.provider.requests().size();
    CHECK(machine.token("c").error().code == Code::tokenClientRefused);
    CHECK(own.provider.requests().size() == asked);  // it waits, as nothing has changed
    own.write({{"mine", &own.keys.curve, {own.keys.curve}}, {"other", &own.keys.rsa, {own.keys.rsa}}});
    const auto token = machine.token("c");
    INFO(textOf(token));
    CHECK(token);
}

SCENARIO("an assertion from a file is sent as it is", "[token][provider][assertion]") {
    const auto file = around().place / "assertion";
    {
        Machine signer(around().settings("rs", "private_key_jwt", {{"keystore", "k"}, {"signing_alias", "rsa"}, {"jwt.claim.n", "1"}}));
        REQUIRE(signer.token("c"));
    }
    const auto used = around().last().at("client_assertion");
    Machine machine(around().settings("rs", "assertion_file", {{"assertion_file", file}}));
    GIVEN("one that was used before") {
        servers::writeFile(file, used + "\n");
        const auto token = machine.token("c");
        REQUIRE_FALSE(token);
        CHECK(around().last().at("client_assertion") == used);
        CHECK(token.error().code == Code::tokenClientRefused);
        CHECK(textOf(token).find(used.substr(0, 40)) == std::string::npos);
    }
    GIVEN("one that somebody else has just made, and then another") {
        std::set<std::string> sent;
        for (int turn = 0; turn < 2; ++turn) {
            const auto made = assertionOf("rs", around().keys.rsa);
            servers::writeFile(file, made + "\n");
            Machine fresh(around().settings("rs", "assertion_file", {{"assertion_file", file}}));
            const auto token = fresh.token("c");
            INFO(textOf(token));
            REQUIRE(token);
            const auto last = around().last();
            CHECK(last.at("client_assertion") == made);
            CHECK(last.at("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
            CHECK(fresh.log.text().find(made.substr(0, 40)) == std::string::npos);
            sent.insert(made);
        }
        CHECK(sent.size() == 2);  // it is read at every request
    }
    GIVEN("none") {
        std::filesystem::remove(file);
        const auto before = around().provider.requests().size();
        const auto token = machine.token("c");
        REQUIRE_FALSE(token);
        CHECK(token.error().code == Code::configSecretSource);
        CHECK(around().provider.requests().size() == before);
    }
}

SCENARIO("a real provider knows us by the certificate of the connection", "[token][provider][tls]") {
    GIVEN("the one it knows") {
        Machine machine(around().settings("shown", "tls", {{"keystore", "k"}, {"signing_alias", "rsa"}}));
        const auto token = machine.token("c");
        INFO(textOf(token));
        REQUIRE(token);
        CHECK(around().last() ==
              std::map<std::string, std::string>{{"grant_type", "client_credentials"}, {"client_id", "shown"}, {"scope", IdentityProvider::scope()}});
    }
    GIVEN("another one") {
        Machine machine(around().settings("shown", "tls", {{"keystore", "k"}, {"signing_alias", "foreign"}}));
        CHECK(machine.token("c").error().code == Code::tokenClientRefused);
    }
    GIVEN("none") {
        Machine machine(around().settings("shown", "none", {}));
        CHECK(machine.token("c").error().code == Code::tokenClientRefused);
    }
}

SCENARIO("a public client says its id and nothing more", "[token][provider]") {
    Machine machine(around().settings("public", "none", {}));
    const auto token = machine.token("c");
    INFO(textOf(token));
    REQUIRE(token);
    CHECK(around().last() ==
          std::map<std::string, std::string>{{"grant_type", "client_credentials"}, {"client_id", "public"}, {"scope", IdentityProvider::scope()}});
}

SCENARIO("the JWT bearer grant gets one token for each mailbox user", "[token][grant]") {
    TokenServer server({});
    server.trust("robot@project.iam", around().keys.rsa.key, "PS256");
    Settings settings;
    set(settings, "keystore.k.path", around().place / "keys.p12");
    set(settings, "keystore.k.password", "hunter2");
    const auto credential = [&](const std::string& part, const std::string& value) { set(settings, "credential.c." + part, value); };
    credential("grant", "jwt_bearer");
    credential("token_endpoint", server.url());
    credential("scopes", "mail");
    credential("keystore", "k");
    credential("signing_alias", "rsa");
    credential("jwt.algorithm", "PS256");
    credential("jwt.issuer", "robot@project.iam");
    const auto of = [](Machine& machine, const std::string& user) {
        const auto token = machine.token(auth::Identity{"c", user, {}, {}});
        return token ? std::string(token->secret->reveal()) : textOf(token);
    };
    GIVEN("users") {
        Machine machine(settings);
        CHECK(of(machine, "sales") == "token-for-sales");
        CHECK(of(machine, "orders") == "token-for-orders");
        CHECK(server.requests() == 2);
        CHECK(of(machine, "sales") == "token-for-sales");
        CHECK(server.requests() == 2);
        THEN("without a user nothing is asked") {
            CHECK(of(machine, "").find("PO-3009 credential c: credential.c.jwt.subject is missing") == 0);
            CHECK(server.requests() == 2);
        }
    }
    GIVEN("a subject that is written") {
        credential("jwt.subject", "everybody");
        Machine machine(settings);
        CHECK(of(machine, "sales") == "token-for-everybody");
        CHECK(of(machine, "orders") == "token-for-everybody");
        CHECK(server.requests() == 1);
    }
    GIVEN("what the server does not take") {
        const auto row = GENERATE(values<std::pair<std::string, std::string>>(
            {{"jwt.algorithm", "RS256"}, {"signing_alias", "foreign"}, {"jwt.issuer", "somebody"}, {"jwt.audience", "https://elsewhere.test/"}}));
        credential(row.first, row.second);
        Machine machine(settings);
        const auto text = of(machine, "sales");
        INFO(row.first << " " << text << " " << server.lastRefusal());
        CHECK(text.find("PO-3002 ") == 0);
        CHECK(text.find("invalid_grant") != std::string::npos);
    }
    GIVEN("a token that is refused") {
        Machine machine(settings);
        const auto token = machine.token(auth::Identity{"c", "sales", {}, {}});
        REQUIRE(token);
        CHECK(of(machine, "orders") == "token-for-orders");
        machine.tokens().refused(auth::Identity{"c", "sales", {}, {}}, *token);
        THEN("that user's is got anew, with another assertion, and the others stay") {
            CHECK(of(machine, "sales") == "token-for-sales");
            CHECK(server.requests() == 3);
            CHECK(of(machine, "orders") == "token-for-orders");
            CHECK(server.requests() == 3);
        }
    }
}

SCENARIO("whether the same secret would be taken in another place is found out for people", "[token]") {
    using Placement = TokenServer::Placement;
    const auto row = GENERATE(
        values<std::pair<Placement, std::string>>({{Placement::basic, "basic"}, {Placement::body, "body"}, {Placement::basicRaw, "basic_raw"}}));
    TokenServer server({{"app", {"s+ecret", row.first}}});
    for (const std::string written : {"basic", "body", "basic_raw"}) {
        Settings settings;
        add(settings, "right", "app", "s+ecret", written, server.url());
        add(settings, "wrong", "app", "another", written, server.url());
        Machine machine(std::move(settings));
        INFO(written << " for " << row.second);
        if (written == row.second) {
            CHECK(machine.token("right"));
        } else {
            CHECK(machine.token("right").error().code == Code::tokenClientRefused);
            CHECK(machine.otherPlacement("right") == row.second);
        }
        CHECK_FALSE(machine.otherPlacement("wrong"));
    }
}
