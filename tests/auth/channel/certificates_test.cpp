#include "tests/auth/channel/world.h"
#include "tests/servers/keystores.h"
#include "tests/servers/tls_server.h"

using plugin::Code;
using plugin::Reaction;
using servers::Certificate;
using servers::makeCertificate;
using servers::TlsServer;

namespace {

Certificate authority(const std::string& name = "Test Root") { return makeCertificate({.commonName = name, .authority = true}); }

void greet(TlsServer::Stream& stream) {
    stream.write("hello\r\n");
    stream.read();
}

/// What a dial to such a server comes to.
struct Met {
    std::optional<plugin::Error> error;
    std::string said;
};
Met meet(const std::vector<Certificate>& chain, const std::string& host, const std::string& trusted) {
    const TlsServer server({.chain = chain}, greet);
    const TemporaryFile truststore(trusted);
    World world({{"own", truststore.path}});
    auto channel = world.dial({.host = host, .port = server.port(), .truststore = "own"});
    if (!channel) return {channel.error(), {}};
    char into[64];
    auto got = world.run((*channel)->read(into, world.soon(), {}));
    if (!got) return {got.error(), {}};
    return {std::nullopt, std::string(into, *got)};
}

}  // namespace

SCENARIO("a server is who its certificate says, on loopback too", "[channel][tls]") {
    const auto root = authority();
    GIVEN("a certificate for localhost and 127.0.0.1") {
        const auto leaf = makeCertificate({.commonName = "leaf", .names = {"localhost"}, .addresses = {"127.0.0.1"}}, &root);
        THEN("it is trusted under its name") { REQUIRE(meet({leaf}, "localhost", root.pem()).said == "hello\r\n"); }
        THEN("it is trusted under its address") { REQUIRE(meet({leaf}, "127.0.0.1", root.pem()).said == "hello\r\n"); }
    }
    GIVEN("a certificate for another name") {
        const auto leaf = makeCertificate({.commonName = "leaf", .names = {"mail.example.org", "*.example.net"}, .addresses = {"192.0.2.7"}}, &root);
        const auto host = GENERATE(as<std::string>{}, "localhost", "127.0.0.1");
        WHEN("it is met as " + host) {
            const auto met = meet({leaf}, host, root.pem());
            THEN("it is refused, and the names it has are told") {
                REQUIRE(met.error);
                CHECK(met.error->code == Code::channelCertificateName);
                CHECK(met.error->reaction == Reaction::askOperator);
                CHECK(met.error->what.find(host) != std::string::npos);
                CHECK(met.error->what.find("mail.example.org, *.example.net, 192.0.2.7") != std::string::npos);
            }
        }
    }
    GIVEN("a certificate for the address alone") {
        const auto leaf = makeCertificate({.commonName = "localhost", .addresses = {"127.0.0.1"}}, &root);
        THEN("a name in an address's place is refused") {
            const auto named = makeCertificate({.commonName = "leaf", .names = {"127.0.0.1"}}, &root);
            REQUIRE(meet({named}, "127.0.0.1", root.pem()).error->code == Code::channelCertificateName);
        }
        THEN("it is trusted under the address") { REQUIRE(meet({leaf}, "127.0.0.1", root.pem()).said == "hello\r\n"); }
    }
}

SCENARIO("a certificate is trusted only by way of the truststore", "[channel][tls]") {
    const auto root = authority();
    const auto leaf = makeCertificate({.commonName = "leaf", .addresses = {"127.0.0.1"}}, &root);
    GIVEN("a truststore with another root") {
        const auto met = meet({leaf}, "127.0.0.1", authority("Another Root").pem());
        THEN("the server is refused, and who signed is told") {
            REQUIRE(met.error);
            CHECK(met.error->code == Code::channelCertificateUntrusted);
            CHECK(met.error->reaction == Reaction::askOperator);
            CHECK(met.error->what.find("CN=Test Root") != std::string::npos);
        }
    }
    GIVEN("the system's roots only") {
        const TlsServer server({.chain = {leaf}}, greet);
        World world;
        auto channel = world.dial({.host = "127.0.0.1", .port = server.port()});
        THEN("the server is refused") {
            REQUIRE_FALSE(channel);
            REQUIRE(channel.error().code == Code::channelCertificateUntrusted);
        }
    }
    GIVEN("a root the system trusts, and a truststore without it") {
        // The process's own idea of "the system's roots", which OpenSSL lets the environment name.
        const TemporaryFile system(root.pem());
        ::setenv("SSL_CERT_FILE", system.path.c_str(), 1);
        const TlsServer server({.chain = {leaf}}, greet);
        const TemporaryFile truststore(authority("Another Root").pem());
        World world({{"own", truststore.path}});
        auto bySystem = world.dial({.host = "127.0.0.1", .port = server.port()});
        auto byTruststore = world.dial({.host = "127.0.0.1", .port = server.port(), .truststore = "own"});
        ::unsetenv("SSL_CERT_FILE");
        THEN("the truststore replaces the system's roots") {
            REQUIRE(bySystem);
            REQUIRE_FALSE(byTruststore);
            REQUIRE(byTruststore.error().code == Code::channelCertificateUntrusted);
        }
    }
    GIVEN("a self-signed certificate") {
        const auto own = makeCertificate({.commonName = "own", .addresses = {"127.0.0.1"}});
        THEN("it is refused where it is not in the truststore") {
            REQUIRE(meet({own}, "127.0.0.1", root.pem()).error->code == Code::channelCertificateUntrusted);
        }
        THEN("it is trusted where it is") { REQUIRE(meet({own}, "127.0.0.1", root.pem() + own.pem()).said == "hello\r\n"); }
    }
    GIVEN("a chain with an intermediate") {
        const auto intermediate = makeCertificate({.commonName = "Intermediate", .authority = true}, &root);
        const auto below = makeCertificate({.commonName = "below", .addresses = {"127.0.0.1"}}, &intermediate);
        THEN("the root is enough when the server sends the rest") {
            REQUIRE(meet({below, intermediate}, "127.0.0.1", root.pem()).said == "hello\r\n");
        }
        THEN("it is refused when the server forgets the intermediate") {
            REQUIRE(meet({below}, "127.0.0.1", root.pem()).error->code == Code::channelCertificateUntrusted);
        }
        THEN("the intermediate alone is enough in a truststore") { REQUIRE(meet({below}, "127.0.0.1", intermediate.pem()).said == "hello\r\n"); }
    }
    GIVEN("a leaf that signs for others") {
        const auto forged = makeCertificate({.commonName = "forged", .addresses = {"127.0.0.1"}}, &leaf);
        THEN("it is refused") { REQUIRE(meet({forged, leaf}, "127.0.0.1", root.pem()).error->code == Code::channelCertificateUntrusted); }
    }
}

SCENARIO("a certificate counts only in its time", "[channel][tls]") {
    const auto root = authority();
    GIVEN("one that has ended") {
        const auto leaf = makeCertificate({.commonName = "old", .addresses = {"127.0.0.1"}, .beginsInSeconds = -7200, .endsInSeconds = -3600}, &root);
        const auto met = meet({leaf}, "127.0.0.1", root.pem());
        THEN("it is refused as expired") {
            REQUIRE(met.error);
            CHECK(met.error->code == Code::channelCertificateExpired);
            CHECK(met.error->what.find("has expired (/CN=old ended on 20") != std::string::npos);
        }
    }
    GIVEN("one that has not begun") {
        const auto leaf = makeCertificate({.commonName = "new", .addresses = {"127.0.0.1"}, .beginsInSeconds = 3600}, &root);
        const auto met = meet({leaf}, "127.0.0.1", root.pem());
        THEN("it is refused as not yet valid") {
            REQUIRE(met.error);
            CHECK(met.error->code == Code::channelCertificateExpired);
            CHECK(met.error->what.find("is not valid yet") != std::string::npos);
        }
    }
}

SCENARIO("a truststore that cannot be loaded is named with the reason", "[channel][truststore]") {
    const auto root = authority();
    const auto leaf = makeCertificate({.commonName = "leaf", .addresses = {"127.0.0.1"}}, &root);
    const TlsServer server({.chain = {leaf}}, greet);
    const TemporaryFile file("");
    World world({{"own", file.path}, {"gone", "/nonexistent/roots.pem"}});
    const auto errorOf = [&](const std::string& alias) {
        auto channel = world.dial({.host = "127.0.0.1", .port = server.port(), .truststore = alias});
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == Code::channelTruststore);
        CHECK(channel.error().reaction == Reaction::askOperator);
        return channel.error().what;
    };
    THEN("an empty file is an error") { REQUIRE(errorOf("own").find(file.path + ": the file is empty") != std::string::npos); }
    THEN("a missing file is an error") { REQUIRE(errorOf("gone").find("/nonexistent/roots.pem: No such file") != std::string::npos); }
    THEN("an unknown alias is an error") { REQUIRE(errorOf("other").find("truststore.other: there is no such truststore") != std::string::npos); }
    THEN("a file without a certificate is an error") {
        file.write("these are not the certificates you are looking for\n");
        REQUIRE(errorOf("own").find("there is no certificate in it") != std::string::npos);
    }
    THEN("a key in a certificate's place is an error") {
        file.write(root.keyPem());
        REQUIRE(errorOf("own").find("there is no certificate in it") != std::string::npos);
    }
    THEN("a damaged certificate behind a good one is an error") {
        auto damaged = root.pem();
        damaged.replace(damaged.size() / 2, 8, "????????");
        file.write(root.pem() + damaged);
        REQUIRE(errorOf("own").find("certificate 2 cannot be read") != std::string::npos);
    }
    CHECK(server.accepted() == 0);  // nobody is dialled whom we could not check
}

SCENARIO("a truststore's file may be replaced while the program runs", "[channel][truststore]") {
    const auto root = authority();
    const auto leaf = makeCertificate({.commonName = "leaf", .addresses = {"127.0.0.1"}}, &root);
    const TlsServer server({.chain = {leaf}}, greet);
    const TemporaryFile file(authority("Another Root, by chance of another length").pem());
    World world({{"own", file.path}});
    const auth::Target target{.host = "127.0.0.1", .port = server.port(), .truststore = "own"};
    GIVEN("a server that is not trusted") {
        REQUIRE(world.dial(target).error().code == Code::channelCertificateUntrusted);
        WHEN("its root is put into the file") {
            file.write(root.pem());
            THEN("the next dial trusts it") {
                REQUIRE(world.dial(target));
                AND_THEN("the file is loaded once for each content") {
                    REQUIRE(world.dial(target));
                    REQUIRE(world.log.count("truststore loaded") == 2);
                }
                AND_WHEN("the root is taken out again, after a session was kept") {
                    auto channel = world.dial(target);
                    REQUIRE(channel);
                    char into[64];
                    REQUIRE(world.run((*channel)->read(into, world.soon(), {})));
                    file.write(authority("Another Root, of another length still").pem());
                    THEN("the kept session does not bring it back") { REQUIRE(world.dial(target).error().code == Code::channelCertificateUntrusted); }
                }
            }
        }
    }
}

SCENARIO("a truststore may be a PKCS#12 file with a password", "[channel][truststore]") {
    const auto root = authority();
    const auto leaf = makeCertificate({.commonName = "leaf", .addresses = {"127.0.0.1"}}, &root);
    const TlsServer server({.chain = {leaf}}, greet);
    const TemporaryFile file(servers::pkcs12({{"", nullptr, {authority("Another Root"), root}}}, "hunter2"));
    const auto dialled = [&](const std::string& password) {
        World world({{"own", file.path}}, {{"truststore.own.password", password}});
        const auto channel = world.dial({.host = "127.0.0.1", .port = server.port(), .truststore = "own"});
        return channel ? std::nullopt : std::optional(channel.error());
    };
    CHECK_FALSE(dialled("hunter2"));
    const auto refused = dialled("wrong");
    REQUIRE(refused);
    CHECK(refused->code == Code::channelTruststore);
    CHECK(refused->what.find("the password does not fit") != std::string::npos);
    file.write(servers::pkcs12({{"", nullptr, {authority("Another Root")}}}, "hunter2"));
    CHECK(dialled("hunter2")->code == Code::channelCertificateUntrusted);
}
