#include "auth/keystore/keystore.h"
#include "auth/keystore/key_description.h"
#include "plugin/contract/text.h"
#include "tests/servers/keystores.h"

#include <catch2/catch.hpp>

using auth::keyCalled;
using auth::Keystore;
using auth::readPem;
using auth::readPkcs12;
using auth::Secret;
using plugin::Code;
using plugin::Reaction;
using servers::encryptedKeyPem;
using servers::makeCertificate;
using servers::pkcs12;

namespace {

const std::string name = "keystore.k.path = /k";

struct Made {
    servers::Certificate root = makeCertificate({.commonName = "Root", .authority = true});
    servers::Certificate upper = makeCertificate({.commonName = "Upper", .authority = true}, &root);
    servers::Certificate lower = makeCertificate({.commonName = "Lower", .authority = true}, &upper);
    servers::Certificate client = makeCertificate({.commonName = "client"}, &lower);
    servers::Certificate other = makeCertificate({.commonName = "other"}, &root);
};
const Made& made() {
    static const Made all;
    return all;
}

bool same(const auth::KeyEntry& entry, const servers::Certificate& certificate) {
    return X509_cmp(entry.certificate.get(), certificate.certificate.get()) == 0 && EVP_PKEY_eq(entry.key.get(), certificate.key.get()) == 1;
}

std::string refusal(const plugin::Result<Keystore>& keystore) {
    REQUIRE_FALSE(keystore);
    const auto& error = keystore.error();
    CHECK(error.code == Code::channelKeystore);
    CHECK(error.reaction == Reaction::askOperator);
    CHECK(error.what.starts_with(name + ": "));
    CHECK(error.what.find("hunter2") == std::string::npos);
    return error.what.substr(name.size() + 2);
}

/// Each chain as a list of pointers to compare.
void checkChain(const auth::KeyEntry& entry) {
    REQUIRE(entry.chain.size() == 2);
    CHECK(X509_cmp(entry.chain[0].get(), made().lower.certificate.get()) == 0);
    CHECK(X509_cmp(entry.chain[1].get(), made().upper.certificate.get()) == 0);
}

}  // namespace

SCENARIO("a PEM file holds a key and its certificates in any order", "[keystore]") {
    const auto& [root, upper, lower, client, other] = made();
    const Secret password("hunter2");
    GIVEN("a key that is not encrypted, the certificates above it, and one of somebody else") {
        const auto text = GENERATE_REF(client.keyPem() + client.pem() + lower.pem() + upper.pem() + root.pem(),
                                       root.pem() + upper.pem() + other.pem() + client.pem() + "a comment\n" + lower.pem() + client.keyPem());
        const auto keystore = readPem(text, {}, "k", name);
        REQUIRE(keystore);
        REQUIRE(keystore->size() == 1);
        CHECK(keystore->front().alias == "k");
        CHECK(same(keystore->front(), client));
        checkChain(keystore->front());
    }
    GIVEN("an encrypted key, of the newer or the older form") {
        const auto text = client.pem() + encryptedKeyPem(client, "hunter2", GENERATE(false, true));
        CHECK(same(readPem(text, password, "k", name)->front(), client));
        CHECK(readPem(text, password, "k", name)->front().chain.empty());
        CHECK(refusal(readPem(text, Secret("wrong"), "k", name)) == "the password does not fit its key, or the key is damaged");
        CHECK(refusal(readPem(text, {}, "k", name)) == "its key is encrypted: .password is needed");
    }
    GIVEN("a password nobody needs") { CHECK(readPem(client.pem() + client.keyPem(), password, "k", name)); }
    GIVEN("files that lack something") {
        CHECK(refusal(readPem(client.pem(), {}, "k", name)).starts_with("there is no private key in it"));
        CHECK(refusal(readPem(client.keyPem(), {}, "k", name)).starts_with("there is no certificate in it"));
        CHECK(refusal(readPem(client.keyPem() + other.pem(), {}, "k", name)) == "none of its certificates is for its key");
        CHECK(refusal(readPem(pkcs12({{"a", &client, {client}}}, "hunter2"), password, "k", name)).starts_with("there is no private key in it"));
    }
    GIVEN("damaged ones") {
        auto certificate = client.pem();
        certificate[100] = '!';
        CHECK(refusal(readPem(client.keyPem() + certificate, {}, "k", name)) == "its certificate 1 is damaged");
        auto key = client.keyPem();
        key[40] = key[40] == 'A' ? 'B' : 'A';
        CHECK(refusal(readPem(client.pem() + key, {}, "k", name)) == "its key is damaged, or of a kind OpenSSL does not have");
    }
}

SCENARIO("a PKCS#12 file holds keys by their names", "[keystore]") {
    const auto& [root, upper, lower, client, other] = made();
    const Secret password("hunter2");
    GIVEN("one key, with the certificates above it") {
        const auto authenticated = GENERATE(true, false);
        const auto keystore =
            readPkcs12(pkcs12({{"mine", &client, {client, upper, root, lower}}}, "hunter2", {.authenticated = authenticated}), password, name);
        REQUIRE(keystore);
        REQUIRE(keystore->size() == 1);
        CHECK(keystore->front().alias == "mine");
        CHECK(same(keystore->front(), client));
        checkChain(keystore->front());
        CHECK(same(*keyCalled(*keystore, "", name), client));
        CHECK(same(*keyCalled(*keystore, "mine", name), client));
    }
    GIVEN("two keys, marked or not") {
        const bool marked = GENERATE(true, false);
        const auto keystore =
            readPkcs12(pkcs12({{"first", &client, {client, lower}, marked}, {"second", &other, {other}, marked}}, "hunter2"), password, name);
        REQUIRE(keystore);
        REQUIRE(keystore->size() == 2);
        CHECK(same(*keyCalled(*keystore, "first", name), client));
        CHECK(same(*keyCalled(*keystore, "second", name), other));
        CHECK(keyCalled(*keystore, "second", name)->chain.empty());
        CHECK(keyCalled(*keystore, "", name).error().what == name + ": it holds several keys: say which with .key_alias ('first', 'second')");
        CHECK(keyCalled(*keystore, "third", name).error().what == name + ": it holds no key called 'third', but 'first', 'second'");
        CHECK(keyCalled(*keystore, "third", name).error().code == Code::channelKeystore);
    }
    GIVEN("names that are none, or not told apart") {
        const auto keystore =
            readPkcs12(pkcs12({{"", &client, {client}}, {"x\ny", &other, {other}}, {"x\ny", &lower, {lower}}}, "hunter2"), password, name);
        REQUIRE(keystore);
        CHECK(keyCalled(*keystore, "a", name).error().what.ends_with("but one without a name, 'x\\x0ay', 'x\\x0ay'"));
        CHECK(keyCalled(*keystore, "x\ny", name).error().what.find("several keys called") != std::string::npos);
    }
    GIVEN("two certificates for one key") {
        auto renewed = makeCertificate({.commonName = "renewed"}, &root);
        X509_set_pubkey(renewed.certificate.get(), client.key.get());
        X509_sign(renewed.certificate.get(), root.key.get(), EVP_sha256());
        const auto keystore = readPkcs12(pkcs12({{"", nullptr, {client}}, {"mine", &client, {renewed}}}, "hunter2"), password, name);
        REQUIRE(keystore);
        THEN("the marked one is its own") { CHECK(X509_cmp(keystore->front().certificate.get(), renewed.certificate.get()) == 0); }
    }
    GIVEN("no password, written in either way") {
        CHECK(readPkcs12(pkcs12({{"mine", &client, {client}}}, ""), {}, name));
        CHECK(readPkcs12(pkcs12({{"mine", &client, {client}}}, "", {.authenticated = false}), {}, name));
    }
    GIVEN("a password that does not fit") {
        const auto file = pkcs12({{"mine", &client, {client}}}, "hunter2");
        CHECK(refusal(readPkcs12(file, Secret("wrong"), name)) == "the password does not fit, or it is damaged");
        CHECK(refusal(readPkcs12(file, {}, name)) == "it is encrypted: .password is needed");
        const auto unsure = pkcs12({{"mine", &client, {client}}}, "hunter2", {.authenticated = false});
        CHECK(refusal(readPkcs12(unsure, Secret("wrong"), name)).starts_with("the password does not fit a part of it"));
    }
    GIVEN("a key with a password of its own") {
        const auto twofold = pkcs12({{"mine", &client, {client, lower}}}, "hunter2", {.keyPassword = "another"});
        auth::KeyPasswords ofKeys;
        CHECK(refusal(readPkcs12(twofold, password, name)) ==
              "the password does not fit its key 'mine', or it is damaged; one of its own is .key.mine.password");
        ofKeys.emplace("other", Secret("another"));
        CHECK(refusal(readPkcs12(twofold, password, name, ofKeys)).starts_with("the password does not fit its key 'mine'"));
        ofKeys.emplace("mine", Secret("another"));
        const auto keystore = readPkcs12(twofold, password, name, ofKeys);
        REQUIRE(keystore);
        CHECK(same(keystore->front(), client));
        CHECK(keystore->front().chain.size() == 1);
        ofKeys["mine"] = Secret("hunter2");
        CHECK(refusal(readPkcs12(twofold, password, name, ofKeys)) == "the password does not fit its key 'mine', or it is damaged");
    }
    GIVEN("an RSA key") {
        const auto rsa = makeCertificate({.commonName = "rsa", .rsa = true}, &root);
        const auto keystore = readPkcs12(pkcs12({{"mine", &rsa, {rsa}}}, "hunter2"), password, name);
        REQUIRE(keystore);
        CHECK(same(keystore->front(), rsa));
    }
    GIVEN("certificates alone, as a truststore has them") {
        const auto file = pkcs12({{"", nullptr, {root, upper}}, {"mine", &client, {client}}}, "hunter2", {.keyPassword = "of nobody's concern"});
        const auto certificates = auth::readPkcs12Certificates(file, password, name);
        REQUIRE(certificates);
        CHECK(certificates->size() == 3);
        CHECK_FALSE(auth::readPkcs12Certificates(file, Secret("wrong"), name));
        CHECK(auth::readPkcs12Certificates(pkcs12({{"mine", &client, {}}}, "hunter2"), password, name).error().what ==
              name + ": there is no certificate in it");
    }
    GIVEN("files that lack something") {
        CHECK(refusal(readPkcs12(pkcs12({{"", nullptr, {client}}}, "hunter2"), password, name)) == "there is no private key in it");
        CHECK(refusal(readPkcs12(pkcs12({{"mine", &client, {other}}}, "hunter2"), password, name)) ==
              "none of its certificates is for its key 'mine'");
        CHECK(refusal(readPkcs12(client.pem() + client.keyPem(), password, name)) == "it is no PKCS#12 file");
    }
    GIVEN("what OpenSSL no longer reads") {
        CHECK(refusal(readPkcs12(pkcs12({{"mine", &client, {client}}}, "hunter2", {.legacy = true}), password, name))
                  .find("algorithm OpenSSL no longer has: write it anew") != std::string::npos);
    }
    GIVEN("one that was cut, at any place") {
        const auto file = pkcs12({{"mine", &client, {client}}}, "hunter2");
        for (std::size_t length = 0; length < file.size(); length += 7) refusal(readPkcs12(file.substr(0, length), password, name));
    }
}

SCENARIO("a certificate that ends after our time does ends with it", "[keystore]") {
    const auto client = makeCertificate({.commonName = "client", .endsInSeconds = 400L * 366 * 86'400});
    const auto keystore = readPem(client.pem() + client.keyPem(), Secret(), "k", name);
    REQUIRE(keystore);
    CHECK(plugin::utcText(auth::describe(keystore->front()).ends).starts_with("2262-04-11T"));
}
