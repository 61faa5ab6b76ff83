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
    }
}

SCENARIO("keys of keystores are declared, and who names a key of a PEM one is told", "[keystore][keys]") {
    const auto all = auth::keys();
    for (const auto* part : {"type", "path", "password"}) {
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
    const auto found = problems("pem", "other");
    REQUIRE(found.size() == 1);
    CHECK(found[0].code == Code::configConflict);
    CHECK(found[0].key == "sink.s.key_alias");
    CHECK(found[0].place.line == 5);
}
