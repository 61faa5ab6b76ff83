#include "auth/channel/http_client.h"
#include "tests/auth/channel/trusting.h"
#include "tests/servers/keystores.h"

using plugin::Code;
using plugin::Reaction;
using servers::Certificate;
using servers::makeCertificate;
using servers::TlsServer;

namespace {

const Certificate& clients() {
    static const auto made = makeCertificate({.commonName = "Clients", .authority = true});
    return made;
}
const Certificate& between() {
    static const auto made = makeCertificate({.commonName = "Between", .authority = true}, &clients());
    return made;
}
const Certificate& postern() {
    static const auto made = makeCertificate({.commonName = "postern"}, &between());
    return made;
}
const Certificate& second() {
    static const auto made = makeCertificate({.commonName = "second"}, &clients());
    return made;
}

std::string twoKeys() {
    return servers::pkcs12({{"first", &postern(), {postern(), between(), clients()}}, {"other", &second(), {second()}}}, "hunter2");
}

TlsServer::Options demanding(int version) {
    return {.chain = {leaf()}, .maxVersion = version, .demandsClientCertificate = true, .clientAuthorities = {clients()}};
}
/// Says who the client is, and whether its session was resumed.
void recognise(TlsServer::Stream& stream) {
    stream.write((stream.clientName().empty() ? "nobody" : stream.clientName()) + (stream.resumed() ? " again" : "") + "\n");
    stream.read();
}

/// What is shown is in one file, whose settings a test gives.
struct Showing {
    Showing(const std::string& content, const std::string& type, const std::string& password)
        : file(content),
          own({{"keystore.k.type", type}, {"keystore.k.path", file.path}, {"keystore.k.password", password}, {"keystore.gone.path", "/nowhere"}}) {}

    /// The server's words, or the error of dialling or of the first read.
    plugin::Result<std::string> meet(const TlsServer& server, const std::string& keystore, const std::string& key = {}) {
        auto to = own.to(server);
        to.keystore = keystore;
        to.keyAlias = key;
        auto channel = own.world.dial(std::move(to));
        if (!channel) return channel.error();
        std::vector<char> into(256);
        auto got = own.world.run((*channel)->read(into, own.world.soon(), {}));
        if (!got) return got.error();
        return std::string(into.data(), *got);
    }
    void refused(const TlsServer& server, const std::string& keystore, const std::string& key, const std::string& why) {
        const auto met = meet(server, keystore, key);
        REQUIRE_FALSE(met);
        CHECK(met.error().code == Code::channelKeystore);
        CHECK(met.error().reaction == Reaction::askOperator);
        CHECK(met.error().what.find(why) != std::string::npos);
        CHECK(met.error().what.find("keystore." + keystore) != std::string::npos);
        CHECK(met.error().what.find("hunter2") == std::string::npos);
        CHECK(server.accepted() == 0);
    }

    TemporaryFile file;
    Trusting own;
};

}  // namespace

SCENARIO("a server that demands a client certificate is shown the right one", "[channel][tls][keystore]") {
    const auto version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    const TlsServer server(demanding(version), recognise);
    GIVEN("PKCS#12 with two keys") {
        Showing client(twoKeys(), "pkcs12", "hunter2");
        CHECK(*client.meet(server, "k", "first") == "postern\n");
        CHECK(*client.meet(server, "k", "other") == "second\n");
        THEN("a second connection is still who it was, and not the other") {
            CHECK(*client.meet(server, "k", "first") == "postern again\n");
            CHECK(*client.meet(server, "k", "other") == "second again\n");
            CHECK(client.own.world.log.count("keystore loaded keystore=k path=" + client.file.path + " key=") == 2);
            CHECK(client.own.world.log.count("hunter2") == 0);
        }
    }
    GIVEN("PEM with an encrypted key") {
        Showing client(postern().pem() + between().pem() + servers::encryptedKeyPem(postern(), "hunter2"), "pem", "hunter2");
        CHECK(*client.meet(server, "k") == "postern\n");
        CHECK(*client.meet(server, "k", "k") == "postern\n");
    }
    GIVEN("none") {
        Showing client(twoKeys(), "pkcs12", "hunter2");
        const auto met = client.meet(server, "");
        REQUIRE_FALSE(met);
        CHECK(met.error().code == Code::channelTlsHandshake);
        CHECK(met.error().reaction == Reaction::askOperator);
        CHECK(met.error().what.find("demands a client certificate, and no .keystore is named for it") != std::string::npos);
    }
    GIVEN("one of another authority") {
        const auto stranger = makeCertificate({.commonName = "stranger"});
        Showing client(stranger.pem() + stranger.keyPem(), "pem", "");
        const auto met = client.meet(server, "k");
        REQUIRE_FALSE(met);
        CHECK(met.error().code == Code::channelTlsHandshake);
        CHECK(met.error().reaction == Reaction::askOperator);
        CHECK(met.error().what.find("refuses our client certificate /CN=stranger") != std::string::npos);
    }
    GIVEN("one that has ended") {
        const auto old = makeCertificate({.commonName = "old", .endsInSeconds = -60}, &clients());
        Showing client(old.pem() + old.keyPem(), "pem", "");
        const auto met = client.meet(server, "k");
        REQUIRE_FALSE(met);
        CHECK(met.error().reaction == Reaction::askOperator);
        CHECK(met.error().what.find("expired") != std::string::npos);
    }
}

SCENARIO("a keystore that cannot be used ends the dial before it begins", "[channel][tls][keystore]") {
    const TlsServer server(demanding(TLS1_3_VERSION), recognise);
    GIVEN("a password that does not fit") { Showing(twoKeys(), "pkcs12", "wrong").refused(server, "k", "first", "the password does not fit"); }
    GIVEN("a key nobody has") {
        Showing(twoKeys(), "pkcs12", "hunter2").refused(server, "k", "third", "no key called 'third', but 'first', 'other'");
    }
    GIVEN("several keys and no name") { Showing(twoKeys(), "pkcs12", "hunter2").refused(server, "k", "", "say which with .key_alias"); }
    GIVEN("another name for the key of a PEM file") {
        Showing(postern().pem() + postern().keyPem(), "pem", "").refused(server, "k", "first", "no key called 'first', but 'k'");
    }
    GIVEN("no file") { Showing("", "pem", "").refused(server, "gone", "", "/nowhere"); }
    GIVEN("a keystore nobody has configured") { Showing("", "pem", "").refused(server, "unknown", "", "there is no such keystore"); }
    GIVEN("a password that cannot be read") {
        Showing(twoKeys(), "pkcs12", "${file:/nowhere}").refused(server, "k", "first", "keystore.k.password: the file /nowhere cannot be read");
    }
    GIVEN("a key too small for TLS of today") {
        auto small = makeCertificate({.commonName = "small"});
        small.key.reset(EVP_RSA_gen(512), &EVP_PKEY_free);
        X509_set_pubkey(small.certificate.get(), small.key.get());
        X509_sign(small.certificate.get(), small.key.get(), EVP_sha256());
        Showing(small.pem() + small.keyPem(), "pem", "").refused(server, "k", "", "TLS cannot use the key 'k': ee key too small");
    }
}

SCENARIO("a keystore that is replaced while we run is shown from then on", "[channel][tls][keystore]") {
    const TlsServer server(demanding(TLS1_3_VERSION), recognise);
    Showing client(postern().pem() + between().pem() + postern().keyPem(), "pem", "");
    REQUIRE(*client.meet(server, "k") == "postern\n");
    WHEN("it holds another key") {
        client.file.write(second().pem() + second().keyPem());
        THEN("nobody is taken for who they were") {
            CHECK(*client.meet(server, "k") == "second\n");
            CHECK(*client.meet(server, "k") == "second again\n");
        }
    }
    WHEN("it is damaged, and then mended") {
        client.file.write("half of it");
        const auto met = client.meet(server, "k");
        REQUIRE_FALSE(met);
        CHECK(met.error().code == Code::channelKeystore);
        client.file.write(second().pem() + second().keyPem());
        CHECK(*client.meet(server, "k") == "second\n");
    }
}

SCENARIO("who shows a certificate and who shows none share no session", "[channel][tls][keystore]") {
    auto options = demanding(GENERATE(TLS1_2_VERSION, TLS1_3_VERSION));
    options.demandsClientCertificate = false;
    const TlsServer server(options, recognise);
    Showing client(twoKeys(), "pkcs12", "hunter2");
    const auto first = GENERATE(true, false);
    if (first) CHECK(*client.meet(server, "k", "first") == "postern\n");
    CHECK(*client.meet(server, "") == "nobody\n");
    if (!first) CHECK(*client.meet(server, "k", "first") == "postern\n");
    CHECK(*client.meet(server, "") == "nobody again\n");
    CHECK(*client.meet(server, "k", "first") == "postern again\n");
}

SCENARIO("requests over HTTPS show a client certificate too", "[http][tls][keystore]") {
    const TlsServer server(demanding(TLS1_3_VERSION), [](TlsServer::Stream& stream) {
        while (!stream.readUntil("\r\n\r\n").empty()) {
            const auto name = stream.clientName();
            stream.write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(name.size()) + "\r\n\r\n" + name);
        }
    });
    Showing client(twoKeys(), "pkcs12", "hunter2");
    auth::HttpSession session(*client.own.world.dialer);
    const auto ask = [&](const std::string& keystore, const std::string& key) {
        const auto url = "https://127.0.0.1:" + std::to_string(server.port());
        return client.own.world.run(
            session.request({.url = url, .truststore = "own", .keystore = keystore, .keyAlias = key}, client.own.world.soon(), {}));
    };
    CHECK(ask("k", "first")->body == "postern");
    CHECK(ask("k", "first")->body == "postern");
    CHECK(server.accepted() == 1);
    THEN("a kept connection is not used for somebody else") {
        CHECK(ask("k", "other")->body == "second");
        CHECK(server.accepted() == 2);
        const auto nobody = ask("", "");
        REQUIRE_FALSE(nobody);
        CHECK(nobody.error().reaction == Reaction::askOperator);
    }
}
