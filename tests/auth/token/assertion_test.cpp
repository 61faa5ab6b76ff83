#include "auth/token/assertion.h"
#include "auth/token/client_proof.h"
#include "auth/token/grant_parameters.h"
#include "auth/token/service_account.h"
#include "fakes.h"
#include "jwt_verifier.h"
#include "tests/servers/keystores.h"

#include <catch2/catch.hpp>

#include <openssl/sha.h>

#include <map>

using namespace auth;
using plugin::Code;
using plugin::Reaction;

namespace {

struct Made {
    servers::Certificate root = servers::makeCertificate({.commonName = "Root", .authority = true});
    servers::Certificate between = servers::makeCertificate({.commonName = "Between", .authority = true}, &root);
    servers::Certificate rsa = servers::makeCertificate({.commonName = "rsa", .rsa = true}, &between);
    servers::Certificate curve = servers::makeCertificate({.commonName = "curve"}, &between);
    std::string file = servers::pkcs12({{"rsa", &rsa, {rsa, between, root}}, {"curve", &curve, {curve, between}}}, "hunter2");
};
const Made& made() {
    static const Made all;
    return all;
}

/// Another one each time.
class Chance final : public plugin::Random {
public:
    void fill(std::span<std::uint8_t> bytes) override {
        for (auto& byte : bytes) byte = next_++;
    }

private:
    std::uint8_t next_ = 0;
};

using Lines = std::map<std::string, std::string>;

/// Files in memory, a clock that stands, and one credential "c" with the keystore "k".
struct World {
    fakes::SecretReader secrets{};
    fakes::Clock clock{};
    Chance random{};

    World() { secrets.put("/k.p12", made().file); }
    AssertionParts parts() { return {secrets, clock, random}; }
    Credential read(Lines lines) const {
        std::map<std::string, plugin::Configuration::Setting, std::less<>> settings;
        const auto set = [&](const std::string& key, const std::string& value) {
            settings.emplace(key, plugin::Configuration::Setting{value, {}, true});
        };
        set("keystore.k.path", "/k.p12");
        set("keystore.k.password", "hunter2");
        for (const auto& [part, value] : lines) set("credential.c." + part, value);
        set("credential.c.client_id", "app-1");
        set("credential.c.token_endpoint", "https://idp.test/token");
        set("credential.c.scopes", "mail other");
        auto credential = auth::credential(plugin::Configuration(settings), "c");
        if (!credential) FAIL(credential.error().what);
        return std::move(*credential);
    }
    ReadJwt client(Lines lines) {
        lines.insert({{"authentication", "private_key_jwt"}, {"keystore", "k"}});
        auto proof = clientProof(read(std::move(lines)), parts());
        if (!proof) FAIL(proof.error().what);
        return readJwt(std::string(proof->secret.reveal()));
    }
    std::string refused(Lines lines) {
        lines.insert({{"authentication", "private_key_jwt"}, {"keystore", "k"}});
        const auto proof = clientProof(read(std::move(lines)), parts());
        REQUIRE_FALSE(proof);
        CHECK(proof.error().reaction == Reaction::askOperator);
        CHECK(proof.error().what.find("hunter2") == std::string::npos);
        return plugin::describe(proof.error());
    }
};

long seconds(plugin::Wall time) { return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count(); }

std::string field(const GrantParameters& grant, const std::string& name) {
    for (const auto& each : grant)
        if (each.name == name) return std::string(each.value.reveal());
    return {};
}

}  // namespace

SCENARIO("an assertion is signed as its algorithm wants, and names its certificate", "[assertion]") {
    struct Row {
        std::string alias, written, provider, expected;
    };
    const auto row = GENERATE(values<Row>({{"rsa", "", "custom", "RS256"},
                                           {"rsa", "", "microsoft365", "PS256"},
                                           {"rsa", "PS256", "custom", "PS256"},
                                           {"rsa", "RS256", "microsoft365-dod", "RS256"},
                                           {"curve", "", "custom", "ES256"},
                                           {"curve", "", "microsoft365", "ES256"}}));
    World world;
    Lines lines{{"signing_alias", row.alias}, {"provider", row.provider}, {"tenant", "t"}};
    if (!row.written.empty()) lines["jwt.algorithm"] = row.written;
    const auto jwt = world.client(lines);
    const auto& own = row.alias == "rsa" ? made().rsa : made().curve;
    CHECK(jwt.head("alg") == row.expected);
    CHECK(jwt.head("typ") == "JWT");
    CHECK_FALSE(jwt.header->has("kid"));
    CHECK(jwt.signedBy(X509_get0_pubkey(own.certificate.get())));
    CHECK_FALSE(jwt.signedBy(X509_get0_pubkey((row.alias == "rsa" ? made().curve : made().root).certificate.get())));
    const auto chain = jwt.chain();
    REQUIRE(chain.size() == 2);
    CHECK(X509_cmp(chain[0].get(), own.certificate.get()) == 0);
    CHECK(X509_cmp(chain[1].get(), made().between.certificate.get()) == 0);
    unsigned char digest[SHA256_DIGEST_LENGTH];
    X509_digest(own.certificate.get(), EVP_sha256(), digest, nullptr);
    CHECK(readJwt("e30.e30." + jwt.head("x5t#S256")).signature == std::string(reinterpret_cast<char*>(digest), 32));
    X509_digest(own.certificate.get(), EVP_sha1(), digest, nullptr);
    CHECK(readJwt("e30.e30." + jwt.head("x5t")).signature == std::string(reinterpret_cast<char*>(digest), 20));
}

SCENARIO("a client assertion says who we are, for a short time, and never the same twice", "[assertion]") {
    World world;
    GIVEN("nothing but a key") {
        const auto jwt = world.client({{"signing_alias", "rsa"}});
        CHECK(jwt.claim("iss") == "app-1");
        CHECK(jwt.claim("sub") == "app-1");
        CHECK(jwt.claim("aud") == "https://idp.test/token");
        CHECK(jwt.number("iat") == seconds(world.clock.wall()) - 30);
        CHECK(jwt.number("nbf") == jwt.number("iat"));
        CHECK(jwt.number("exp") == jwt.number("iat") + 300);
        CHECK(jwt.claims->size() == 7);
        CHECK(jwt.claim("jti").size() == 36);
        CHECK(jwt.claim("jti") != world.client({{"signing_alias", "rsa"}}).claim("jti"));
    }
    GIVEN("everything") {
        const auto jwt = world.client({{"signing_alias", "rsa"},
                                       {"jwt.issuer", "issuer \"1\""},
                                       {"jwt.subject", "subject"},
                                       {"jwt.audience", "https://idp.test/"},
                                       {"jwt.expiration", "10m"},
                                       {"jwt.key_id", "key 7"},
                                       {"jwt.claim.azp", "x"},
                                       {"jwt.claim.https://example.test/c", "p\xc3\xa4\\ss"}});
        CHECK(jwt.head("kid") == "key 7");
        CHECK(jwt.claim("iss") == "issuer \"1\"");
        CHECK(jwt.claim("sub") == "subject");
        CHECK(jwt.claim("aud") == "https://idp.test/");
        CHECK(jwt.number("exp") == jwt.number("iat") + 600);
        CHECK(jwt.claim("azp") == "x");
        CHECK(jwt.claim("https://example.test/c") == "p\xc3\xa4\\ss");
    }
}

SCENARIO("a key that cannot sign is named with the reason", "[assertion]") {
    World world;
    CHECK(world.refused({{"signing_alias", "curve"}, {"jwt.algorithm", "PS256"}})
              .starts_with("PO-1013 credential.c.jwt.algorithm: PS256 wants an RSA key, and that is not what the key 'curve' is."));
    CHECK(world.refused({{"signing_alias", "rsa"}, {"jwt.algorithm", "ES256"}}).find("ES256 wants an EC key on P-256") != std::string::npos);
    CHECK(world.refused({}).find("it holds several keys") != std::string::npos);
    CHECK(world.refused({}).find("credential.c.signing_alias") != std::string::npos);
    CHECK(world.refused({{"signing_alias", "third"}}).find("PO-2020 keystore.k.path = /k.p12: it holds no key called 'third'") == 0);
    world.secrets.remove("/k.p12");
    CHECK(world.refused({}).starts_with("PO-2020 keystore.k.path: the file /k.p12 cannot be read."));
    GIVEN("a keystore with one key") {
        world.secrets.put("/k.p12", servers::pkcs12({{"only", &made().curve, {made().curve}}}, "hunter2"));
        THEN("it need not be named, and a file that is replaced is used at once") {
            CHECK(world.client({}).signedBy(X509_get0_pubkey(made().curve.certificate.get())));
            world.secrets.put("/k.p12", servers::pkcs12({{"only", &made().rsa, {made().rsa}}}, "hunter2"));
            CHECK(world.client({}).signedBy(X509_get0_pubkey(made().rsa.certificate.get())));
        }
    }
}

SCENARIO("an assertion somebody else keeps fresh is read each time, and sent as it is", "[assertion]") {
    World world;
    const auto credential = world.read({{"authentication", "assertion_file"}, {"assertion_file", "/token"}});
    world.secrets.put("/token", "aaa.bbb.ccc\n");
    CHECK(clientProof(credential, world.parts())->secret.reveal() == "aaa.bbb.ccc");
    CHECK(hasStamp(credential));
    const auto before = stampOf(credential, world.secrets);
    world.secrets.put("/token", "ddd.eee.fff");
    CHECK(clientProof(credential, world.parts())->secret.reveal() == "ddd.eee.fff");
    CHECK(stampOf(credential, world.secrets) != before);
    for (const auto* damaged : {"two words", "two\nlines\n", "p\xc3\xa4ss", ""}) {
        world.secrets.put("/token", damaged);
        const auto proof = clientProof(credential, world.parts());
        REQUIRE_FALSE(proof);
        CHECK(proof.error().code == Code::configSecretSource);
        CHECK(proof.error().what.starts_with("credential.c.assertion_file: "));
        CHECK(proof.error().what.find("two") == std::string::npos);
    }
    world.secrets.remove("/token");
    CHECK(clientProof(credential, world.parts()).error().what == "credential.c.assertion_file: the file /token cannot be read");
}

SCENARIO("grant jwt_bearer asks for a user, with an assertion of its own", "[assertion][grant]") {
    World world;
    GIVEN("a key of a keystore") {
        const auto credential = world.read({{"grant", "jwt_bearer"}, {"keystore", "k"}, {"signing_alias", "rsa"}});
        CHECK(belongsToUser(credential));
        CHECK(credential.authentication == ClientAuthentication::none);
        const auto grant = grantParameters(credential, "mail other", "sales@example.test", world.parts());
        REQUIRE(grant);
        CHECK(grant->front().name == "grant_type");
        CHECK(field(*grant, "grant_type") == "urn:ietf:params:oauth:grant-type:jwt-bearer");
        CHECK(field(*grant, "scope") == "mail other");
        const auto jwt = readJwt(field(*grant, "assertion"));
        CHECK(jwt.signedBy(X509_get0_pubkey(made().rsa.certificate.get())));
        CHECK(jwt.claim("iss") == "app-1");
        CHECK(jwt.claim("sub") == "sales@example.test");
        CHECK_FALSE(jwt.claims->has("scope"));
        THEN("without a user there is nobody to ask for") {
            const auto none = grantParameters(credential, "mail", "", world.parts());
            REQUIRE_FALSE(none);
            CHECK(none.error().code == Code::tokenCredentialIncomplete);
            CHECK(none.error().what.find("credential.c.jwt.subject is missing") == 0);
        }
    }
    GIVEN("a subject that is written") {
        const auto credential =
            world.read({{"grant", "jwt_bearer"}, {"keystore", "k"}, {"signing_alias", "rsa"}, {"jwt.subject", "all@example.test"}});
        CHECK_FALSE(belongsToUser(credential));
        CHECK(readJwt(field(*grantParameters(credential, "", "sales@example.test", world.parts()), "assertion")).claim("sub") == "all@example.test");
    }
}

SCENARIO("the key file of a service account says who it is", "[assertion][google]") {
    World world;
    const auto account = [&](const std::string& type, const std::string& email, const std::string& key, const std::string& uri) {
        Poco::JSON::Object object;
        object.set("type", type);
        object.set("client_email", email);
        object.set("private_key", key);
        object.set("private_key_id", "0123abcd");
        object.set("token_uri", uri);
        std::ostringstream text;
        object.stringify(text);
        return text.str();
    };
    const auto google = std::string("https://oauth2.googleapis.com/token");
    auto credential = world.read({{"key_file", "/key.json"}, {"token_endpoint", google}});
    CHECK(credential.grant == Grant::jwtBearer);
    const auto grant = [&] { return grantParameters(credential, "https://mail.google.com/", "sales@example.test", world.parts()); };
    GIVEN("one as Google makes them") {
        world.secrets.put("/key.json", account("service_account", "robot@project.iam", made().rsa.keyPem(), google));
        const auto made_ = grant();
        REQUIRE(made_);
        CHECK(made_->size() == 2);
        const auto jwt = readJwt(field(*made_, "assertion"));
        CHECK(jwt.signedBy(X509_get0_pubkey(made().rsa.certificate.get())));
        CHECK(jwt.head("alg") == "RS256");
        CHECK(jwt.head("kid") == "0123abcd");
        CHECK_FALSE(jwt.header->has("x5c"));
        CHECK(jwt.claim("sub") == "sales@example.test");
        CHECK(jwt.claim("aud") == google);
        CHECK(jwt.claim("scope") == "https://mail.google.com/");
        CHECK(jwt.number("exp") <= jwt.number("iat") + 3600);
    }
    GIVEN("another file") {
        const auto refused = [&](const std::string& content) {
            world.secrets.put("/key.json", content);
            const auto none = grant();
            REQUIRE_FALSE(none);
            CHECK(none.error().reaction == Reaction::askOperator);
            CHECK(none.error().what.find("BEGIN") == std::string::npos);
            return none.error().what;
        };
        const auto name = std::string("credential.c.key_file = /key.json: ");
        CHECK(refused("not JSON") == name + "it is no JSON object, as the key file of a service account is");
        CHECK(refused("{\"installed\": {}}") == name + "it is no key file of a service account");
        CHECK(refused(account("authorized_user", "x", "y", google)) == name + "it is no key file of a service account, its type is authorized_user");
        CHECK(refused(account("service_account", "", made().rsa.keyPem(), google)) == name + "it has no client_email");
        CHECK(refused(account("service_account", "x", "", google)) == name + "it has no private_key");
        CHECK(refused(account("service_account", "x", "-----BEGIN PRIVATE KEY-----\nhalf", google)) == name + "its private_key cannot be read");
        CHECK(refused(account("service_account", "x", made().rsa.keyPem(), "https://elsewhere.test/"))
                  .find("the token_uri of the key file is https://elsewhere.test/") != std::string::npos);
    }
}
