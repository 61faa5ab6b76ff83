// PEM files with several keys, as `openssl pkcs12` writes them and as people put them together.
#include "auth/keystore/keystore.h"
#include "auth/secret_source.h"
#include "tests/servers/keystores.h"

#include <catch2/catch.hpp>

using auth::keyCalled;
using auth::Keystore;
using auth::readPem;
using auth::Secret;
using servers::encryptedKeyPem;
using servers::makeCertificate;

namespace {

const std::string name = "keystore.k.path = /k";

struct Made {
    servers::Certificate root = makeCertificate({.commonName = "Root", .authority = true});
    servers::Certificate lower = makeCertificate({.commonName = "Lower", .authority = true}, &root);
    servers::Certificate client = makeCertificate({.commonName = "client"}, &lower);
    servers::Certificate other = makeCertificate({.commonName = "other", .rsa = true}, &root);
};
const Made& made() {
    static const Made all;
    return all;
}

bool same(const auth::KeyEntry& entry, const servers::Certificate& certificate) {
    return X509_cmp(entry.certificate.get(), certificate.certificate.get()) == 0 && EVP_PKEY_eq(entry.key.get(), certificate.key.get()) == 1;
}

/// What stands before a key or a certificate with a name.
std::string attributes(const std::string& friendlyName) {
    return "Bag Attributes\n    friendlyName: " + friendlyName + "\n    localKeyID: 01 \nKey Attributes: <No Attributes>\n";
}

std::string aliases(const plugin::Result<Keystore>& keystore) {
    if (!keystore) return keystore.error().what;
    std::string all;
    for (const auto& each : *keystore) all += each.alias + "|";
    return all;
}

std::string refusal(const std::string& text, const std::string& password = "", const auth::KeyPasswords& ofKeys = {}) {
    const auto keystore = readPem(text, Secret(password), "k", name, ofKeys);
    REQUIRE_FALSE(keystore);
    CHECK(keystore.error().reaction == plugin::Reaction::askOperator);
    CHECK(keystore.error().what.starts_with(name + ": "));
    CHECK(keystore.error().what.find("hunter2") == std::string::npos);
    return keystore.error().what.substr(name.size() + 2);
}

}  // namespace

SCENARIO("a PEM file holds several keys by their names", "[keystore][pem]") {
    const auto& [root, lower, client, other] = made();
    GIVEN("keys with names, their certificates anywhere") {
        const auto first = attributes("first") + client.keyPem(), second = attributes("Second_2") + other.keyPem();
        const auto text =
            GENERATE_REF(first + attributes("first") + client.pem() + lower.pem() + second + attributes("Second_2") + other.pem() + root.pem(),
                         other.pem() + root.pem() + lower.pem() + client.pem() + first + second,
                         first + "-- a comment --\n" + second + root.pem() + "friendlyName: somebody's\n" + lower.pem() + other.pem() + client.pem());
        const auto keystore = readPem(text, {}, "k", name);
        REQUIRE(aliases(keystore) == "first|Second_2|");
        CHECK(same(*keyCalled(*keystore, "first", name), client));
        CHECK(same(*keyCalled(*keystore, "Second_2", name), other));
        REQUIRE(keystore->front().chain.size() == 1);
        CHECK(X509_cmp(keystore->front().chain[0].get(), lower.certificate.get()) == 0);
        CHECK(keystore->back().chain.empty());
        CHECK(keyCalled(*keystore, "", name).error().what == name + ": it holds several keys: say which with .key_alias ('first', 'Second_2')");
        CHECK(keyCalled(*keystore, "k", name).error().what == name + ": it holds no key called 'k', but 'first', 'Second_2'");
    }
    GIVEN("keys without names") {
        const auto certificates = client.pem() + other.pem();
        THEN("several are numbered as they stand") {
            const auto keystore = readPem(other.keyPem() + certificates + client.keyPem(), {}, "k", name);
            REQUIRE(aliases(keystore) == "1|2|");
            CHECK(same(*keyCalled(*keystore, "1", name), other));
            CHECK(same(*keyCalled(*keystore, "2", name), client));
        }
        THEN("the only one is called as the keystore") { CHECK(aliases(readPem(certificates + client.keyPem(), {}, "k", name)) == "k|"); }
        THEN("one beside named ones has the number of its place") {
            CHECK(aliases(readPem(attributes("first") + client.keyPem() + other.keyPem() + certificates, {}, "k", name)) == "first|2|");
            CHECK(aliases(readPem(attributes("first") + "Bag Attributes: <No Attributes>\n" + client.keyPem() + certificates, {}, "k", name)) ==
                  "k|");
            CHECK(aliases(readPem(attributes("") + client.keyPem() + certificates, {}, "k", name)) == "k|");
        }
    }
    GIVEN("the only key, with a name") {
        const auto keystore = readPem(attributes("mine") + client.keyPem() + client.pem(), {}, "k", name);
        CHECK(aliases(keystore) == "mine|");
        CHECK(same(*keyCalled(*keystore, "", name), client));
        THEN("it is found as the keystore as well, and by nothing else") {
            CHECK(same(*keyCalled(*keystore, "mine", name), client));
            CHECK(same(*keyCalled(*keystore, "k", name), client));
            CHECK(keyCalled(*keystore, "other", name).error().what == name + ": it holds no key called 'other', but 'mine'");
        }
        THEN("so is a password of its own") {
            auth::KeyPasswords ofKeys;
            ofKeys.emplace("k", Secret("hunter2"));
            const auto encrypted = attributes("mine") + encryptedKeyPem(client, "hunter2") + client.pem();
            CHECK(aliases(readPem(encrypted, {}, "k", name, ofKeys)) == "mine|");
            ofKeys.emplace("mine", Secret("another"));  // its name comes first
            CHECK(refusal(encrypted, "", ofKeys) == "the password does not fit its key, or the key is damaged");
        }
    }
    GIVEN("lines that end as on Windows, and parameters before a key") {
        std::string text;
        const std::string parameters = "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n";
        for (const char c : attributes("first") + parameters + client.keyPem() + client.pem() + attributes("second") + other.keyPem() + other.pem())
            text += c == '\n' ? std::string("\r\n") : std::string(1, c);
        CHECK(aliases(readPem(text, {}, "k", name)) == "first|second|");
    }
    GIVEN("names as nobody would configure them") {
        const auto both = client.pem() + other.pem();
        THEN("they are kept as in PKCS#12; what openssl makes of other letters is UTF-8 again") {
            CHECK(aliases(readPem(attributes("le\xe7on d'\xe9t\xe9") + client.keyPem() + both, {}, "k", name)) ==
                  "le\xc3\xa7on d'\xc3\xa9t\xc3\xa9|");
            CHECK(aliases(readPem(attributes("le\xc3\xa7on") + client.keyPem() + both, {}, "k", name)) == "le\xc3\xa7on|");
        }
        THEN("who asks for one that two keys have is told") {
            const auto keystore = readPem(attributes("a") + client.keyPem() + attributes("a") + other.keyPem() + both, {}, "k", name);
            REQUIRE(aliases(keystore) == "a|a|");
            CHECK(keyCalled(*keystore, "a", name).error().what == name + ": it holds several keys called 'a': give them different names");
        }
    }
    GIVEN("the same key twice") {
        const auto keystore = readPem(client.keyPem() + client.keyPem() + client.pem(), {}, "k", name);
        REQUIRE(aliases(keystore) == "1|2|");
        CHECK(same(keystore->front(), client));
        CHECK(same(keystore->back(), client));
    }
}

SCENARIO("keys of a PEM file have passwords of their own", "[keystore][pem]") {
    const auto& [root, lower, client, other] = made();
    const auto text = attributes("first") + encryptedKeyPem(client, "hunter2", GENERATE(false, true)) + client.pem() + attributes("second") +
                      encryptedKeyPem(other, "another") + other.pem();
    auth::KeyPasswords ofKeys;
    THEN("who gives none is told which key needs one") {
        CHECK(refusal(text) == "its key 'first' is encrypted: .password or .key.first.password is needed");
    }
    THEN("a password that does not fit names its key, and where one of its own belongs") {
        CHECK(refusal(text, "hunter2") ==
              "the password does not fit its key 'second', or the key is damaged; one of its own is .key.second.password");
        ofKeys.emplace("second", Secret("wrong"));
        CHECK(refusal(text, "hunter2", ofKeys) == "the password does not fit its key 'second', or the key is damaged");
    }
    THEN("each is opened with its own, else with that of the file") {
        ofKeys.emplace("second", Secret("another"));
        CHECK(aliases(readPem(text, Secret("hunter2"), "k", name, ofKeys)) == "first|second|");
        ofKeys.emplace("first", Secret("hunter2"));
        CHECK(aliases(readPem(text, {}, "k", name, ofKeys)) == "first|second|");
    }
    THEN("those without names have them by their numbers") {
        ofKeys.emplace("2", Secret("another"));
        const auto plain = client.keyPem() + client.pem() + encryptedKeyPem(other, "another") + other.pem();
        CHECK(aliases(readPem(plain, {}, "k", name, ofKeys)) == "1|2|");
        CHECK(refusal(plain) == "its key '2' is encrypted: .password or .key.2.password is needed");
    }
}

SCENARIO("of several keys of a PEM file the one that is wrong is named", "[keystore][pem]") {
    const auto& [root, lower, client, other] = made();
    const auto both = client.pem() + other.pem();
    GIVEN("one without a certificate") {
        CHECK(refusal(client.keyPem() + other.keyPem() + client.pem() + root.pem()) == "none of its certificates is for its key '2'");
        CHECK(refusal(client.keyPem() + other.keyPem()).starts_with("there is no certificate in it"));
    }
    GIVEN("one that was cut") {
        const auto cut = client.keyPem().substr(0, 90) + "\n";
        CHECK(refusal(cut + other.keyPem() + both) == "its key '1' is damaged, or of a kind OpenSSL does not have");
        CHECK(refusal(both + other.keyPem() + attributes("last") + cut) == "its key 'last' is damaged, or of a kind OpenSSL does not have");
    }
    GIVEN("a certificate that was cut") {
        const auto cut = client.pem().substr(0, 200) + "\n";
        CHECK(refusal(client.keyPem() + other.keyPem() + other.pem() + cut) == "its certificate 2 is damaged");
        CHECK(refusal(cut + client.keyPem() + other.keyPem() + both) == "its certificate 1 is damaged");
    }
    GIVEN("what is none of both between them") {
        const std::string garbage = std::string(70'000, 'x') +
                                    "\n-----BEGIN \n-----END CERTIFICATE-----\n\xff\xfe\x01 -----BEGIN PRIVATE KEY-----\n" +
                                    "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n" +
                                    "-----BEGIN ATTRIBUTE CERTIFICATE-----\nAAAA\n-----END ATTRIBUTE CERTIFICATE-----\n";
        CHECK(aliases(readPem(garbage + client.keyPem() + garbage + other.keyPem() + garbage + both + garbage, {}, "k", name)) == "1|2|");
    }
    GIVEN("as many as the largest file holds") {
        std::string text;
        std::size_t count = 0;
        while (text.size() + client.keyPem().size() + client.pem().size() < auth::SecretReader::maxFile) {
            text += attributes("n" + std::to_string(++count)) + client.keyPem() + client.pem();
        }
        const auto keystore = readPem(text, {}, "k", name);
        REQUIRE(keystore);
        CHECK(keystore->size() == count);
        CHECK(keystore->back().alias == "n" + std::to_string(count));
    }
}
