#include "auth/keystore/configured_keystore.h"
#include "auth/access.h"
#include "tests/auth/token/fakes.h"
#include "tests/servers/keystores.h"

#include <catch2/catch.hpp>

#include <algorithm>

using auth::configuredKeystore;
using plugin::Code;
using plugin::Problem;
using plugin::Reaction;

SCENARIO("a keystore is read as the configuration says", "[keystore]") {
    const auto client = servers::makeCertificate({.commonName = "client"});
    fakes::SecretReader machine;
    machine.put("/k.p12", servers::pkcs12({{"mine", &client, {client}}}, "hunter2"));
    machine.put("/k.pem", client.pem() + servers::encryptedKeyPem(client, "hunter2"));
    machine.put("/password", "hunter2\n");
    GIVEN("a PKCS#12 file") {
        const auto settings = fakes::configuration(
            {{"keystore.k.type", "pkcs12"}, {"keystore.k.path", "/k.p12"}, {"keystore.k.password", GENERATE("${file:/password}", "hunter2")}});
        std::optional<auth::SecretReader::Stamp> stamp;
        const auto keystore = configuredKeystore(settings, "k", machine, &stamp);
        REQUIRE(keystore);
        CHECK(keystore->front().alias == "mine");
        CHECK(stamp == machine.stamp("/k.p12"));
    }
    GIVEN("a PEM file") {
        const auto settings =
            fakes::configuration({{"keystore.k.type", "pem"}, {"keystore.k.path", "/k.pem"}, {"keystore.k.password", "${file:/password}"}});
        const auto keystore = configuredKeystore(settings, "k", machine);
        REQUIRE(keystore);
        CHECK(keystore->front().alias == "k");
    }
    GIVEN("settings that lead nowhere") {
        const auto error = [&](const plugin::Configuration& settings) {
            const auto keystore = configuredKeystore(settings, "k", machine);
            REQUIRE_FALSE(keystore);
            CHECK(keystore.error().code == Code::channelKeystore);
            CHECK(keystore.error().reaction == Reaction::askOperator);
            CHECK(keystore.error().what.find("hunter2") == std::string::npos);
            return keystore.error().what;
        };
        CHECK(error({}) == "keystore.k: there is no such keystore, or it has no .path");
        CHECK(error(fakes::configuration({{"keystore.k.path", "/none"}})) == "keystore.k.path: the file /none cannot be read");
        CHECK(error(fakes::configuration({{"keystore.k.path", "/k.p12"}, {"keystore.k.password", "${file:/none}"}})) ==
              "keystore.k.password: the file /none cannot be read");
        machine.put("/empty", "");
        CHECK(error(fakes::configuration({{"keystore.k.path", "/empty"}})) == "keystore.k.path = /empty: the file is empty");
        CHECK(error(fakes::configuration({{"keystore.k.path", "/k.pem"}, {"keystore.k.password", "hunter2"}})) ==
              "keystore.k.path = /k.pem: it is no PKCS#12 file");
        CHECK(error(fakes::configuration(
                  {{"keystore.k.path", "/k.p12"}, {"keystore.k.password", "hunter2"}, {"keystore.k.key.mine.password", "${file:/none}"}})) ==
              "keystore.k.key.mine.password: the file /none cannot be read");
    }
    GIVEN("a key with a password of its own") {
        machine.put("/two.p12", servers::pkcs12({{"mine", &client, {client}}}, "hunter2", {.keyPassword = "another"}));
        machine.put("/another", "another\n");
        CHECK_FALSE(configuredKeystore(fakes::configuration({{"keystore.k.path", "/two.p12"}, {"keystore.k.password", "hunter2"}}), "k", machine));
        CHECK(configuredKeystore(
            fakes::configuration(
                {{"keystore.k.path", "/two.p12"}, {"keystore.k.password", "hunter2"}, {"keystore.k.key.mine.password", "${file:/another}"}}),
            "k", machine));
        machine.put("/two.pem", client.pem() + servers::encryptedKeyPem(client, "another"));
        CHECK(configuredKeystore(
            fakes::configuration({{"keystore.k.type", "pem"}, {"keystore.k.path", "/two.pem"}, {"keystore.k.key.k.password", "${file:/another}"}}),
            "k", machine));
        machine.put("/named.pem", "Bag Attributes\n    friendlyName: mine\n" + servers::encryptedKeyPem(client, "another") + client.pem());
        for (const auto* called : {"k", "mine"}) {
            const auto settings = std::string("keystore.k.key.") + called + ".password";
            const auto named = configuredKeystore(
                fakes::configuration({{"keystore.k.type", "pem"}, {"keystore.k.path", "/named.pem"}, {settings.c_str(), "${file:/another}"}}), "k",
                machine);
            INFO(settings);
            CHECK(named);
        }
    }
    GIVEN("a PEM file with two keys, each with a password of its own") {
        const auto other = servers::makeCertificate({.commonName = "other"});
        machine.put("/keys.pem", "Bag Attributes\n    friendlyName: mine\n" + servers::encryptedKeyPem(client, "hunter2") + client.pem() +
                                     servers::encryptedKeyPem(other, "another") + other.pem());
        const auto read = [&](const std::string& first, const std::string& second, const char* const third = "keystore.k.key.2.password") {
            return configuredKeystore(fakes::configuration({{"keystore.k.type", "pem"},
                                                            {"keystore.k.path", "/keys.pem"},
                                                            {"keystore.k.key.mine.password", first},
                                                            {"keystore.k.key.2.password", second},
                                                            {third, second}}),
                                      "k", machine);
        };
        const auto keystore = read("${file:/password}", "another");
        REQUIRE(keystore);
        CHECK(keystore->front().alias == "mine");
        CHECK(keystore->back().alias == "2");
        CHECK(read("hunter2", "hunter2").error().what == "keystore.k.path = /keys.pem: the password does not fit its key '2', or the key is damaged");
        CHECK(read("hunter2", "another", "keystore.k.key.k.password").error().what ==
              "keystore.k.key.k.password: keystore.k.path = /keys.pem: it holds no key called 'k', but 'mine', '2'");
    }
    GIVEN("a password for a key a PKCS#12 file does not have") {
        const auto told = configuredKeystore(
            fakes::configuration({{"keystore.k.path", "/k.p12"}, {"keystore.k.password", "hunter2"}, {"keystore.k.key.mnie.password", "x"}}), "k",
            machine);
        REQUIRE_FALSE(told);
        CHECK(told.error().what == "keystore.k.key.mnie.password: keystore.k.path = /k.p12: it holds no key called 'mnie', but 'mine'");
    }
    GIVEN("a file of Java's own kind") {
        machine.put("/etc/it's/client.jks", "\xfe\xed\xfe\xed\x00\x00\x00\x02 and more");
        machine.put("/etc/keys.d/client", "\xce\xce\xce\xce and more");
        const auto refused = [&](const std::string& path) {
            return configuredKeystore(fakes::configuration({{"keystore.k.path", path}}), "k", machine).error().what;
        };
        THEN("the line that converts it is told, as a shell takes it") {
            CHECK(refused("/etc/it's/client.jks") ==
                  "keystore.k.path = /etc/it's/client.jks: it is a JKS file, which only Java reads; convert it with `keytool -importkeystore "
                  "-srckeystore '/etc/it'\\''s/client.jks' -srcstoretype JKS -destkeystore '/etc/it'\\''s/client.p12' -deststoretype PKCS12`");
            CHECK(refused("/etc/keys.d/client")
                      .ends_with("keytool -importkeystore -srckeystore /etc/keys.d/client -srcstoretype JCEKS "
                                 "-destkeystore /etc/keys.d/client.p12 -deststoretype PKCS12`"));
        }
    }
}

SCENARIO("a truststore is PEM, or with a password PKCS#12", "[keystore][truststore]") {
    const auto one = servers::makeCertificate({.commonName = "one", .authority = true});
    const auto two = servers::makeCertificate({.commonName = "two", .authority = true});
    const auto file = servers::pkcs12({{"", nullptr, {one, two}}}, "hunter2");
    fakes::SecretReader machine;
    machine.put("/password", "hunter2\n");
    const auto read = [&](const std::string& bytes, const std::string& password) {
        auto settings = fakes::configuration({{"truststore.t.path", "/t"}, {"truststore.t.password", password}});
        return auth::truststorePem(settings, "t", bytes, machine);
    };
    CHECK(*read(one.pem(), "") == one.pem());
    CHECK(*read(file, "${file:/password}") == one.pem() + two.pem());
    const auto refused = [&](const std::string& bytes, const std::string& password) {
        const auto pem = read(bytes, password);
        REQUIRE_FALSE(pem);
        CHECK(pem.error().code == Code::channelTruststore);
        CHECK(pem.error().what.find("hunter2") == std::string::npos);
        return pem.error().what;
    };
    CHECK(refused(file, "wrong") == "truststore.t.path = /t: the password does not fit, or it is damaged");
    CHECK(refused(file, "${file:/none}") == "truststore.t.password: the file /none cannot be read");
    CHECK(refused(file, "") == "truststore.t.path = /t: it is no PEM file; a PKCS#12 file needs .password");
    CHECK(refused(one.pem(), "hunter2") == "truststore.t.path = /t: it is no PKCS#12 file");
    CHECK(refused("\xfe\xed\xfe\xed...", "hunter2").find("keytool -importkeystore") != std::string::npos);
}

SCENARIO("keys of keystores are declared, and a kind only Java reads is told", "[keystore][keys]") {
    const auto all = auth::keys();
    for (const auto* part : {"type", "path", "password", "key.<key_alias>.password"}) {
        const auto key =
            std::find_if(all.begin(), all.end(), [&](const auto& each) { return each.pattern == std::string("keystore.<alias>.") + part; });
        REQUIRE(key != all.end());
        CHECK_FALSE(key->planned);
    }
    const auto problems = [](const std::string& type, const std::string& key) {
        std::vector<Problem> found;
        auth::check(
            fakes::configuration(
                {{"keystore.k.type", type}, {"keystore.k.path", "/k"}, {"sink.s.type", "http"}, {"sink.s.keystore", "k"}, {"sink.s.key_alias", key}}),
            found);
        return found;
    };
    CHECK(problems("pkcs12", "other").empty());
    CHECK(problems("pem", "k").empty());
    CHECK(problems("pem", "other").empty());
    GIVEN("a type only Java reads") {
        const auto java = problems("jks", "");
        REQUIRE(java.size() == 1);
        CHECK(java[0].code == Code::configBadValue);
        CHECK(java[0].key == "keystore.k.type");
        CHECK(java[0].what.find("keytool -importkeystore -srckeystore /k -srcstoretype JKS -destkeystore /k.p12") != std::string::npos);
    }
}
