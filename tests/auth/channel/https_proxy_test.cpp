#include "tests/auth/channel/trusting.h"
#include "tests/servers/squid.h"

using auth::Target;
using plugin::Code;
using plugin::Reaction;
using servers::Squid;
using servers::TemporaryDirectory;
using servers::TlsServer;

namespace {

/// An authority of the proxy's own, which nobody behind it has anything to do with.
const servers::Certificate& proxysRoot() {
    static const auto made = servers::makeCertificate({.commonName = "Proxy Root", .authority = true});
    return made;
}
const servers::Certificate& proxysLeaf() {
    static const auto made = servers::makeCertificate({.commonName = "proxy", .names = {"localhost"}, .addresses = {"127.0.0.1"}}, &proxysRoot());
    return made;
}

struct Trust {
    TemporaryFile file{proxysRoot().pem()};
    Settings settings(std::uint16_t port, Settings more = {}) const {
        more.insert({{"proxy.p.type", "https"},
                     {"proxy.p.host", "127.0.0.1"},
                     {"proxy.p.port", std::to_string(port)},
                     {"proxy.p.truststore", "proxys"},
                     {"truststore.proxys.path", file.path}});
        return more;
    }
};

Squid::Options overTls(Squid::Options options = {}) {
    options.certificate = proxysLeaf().pem();
    options.key = proxysLeaf().keyPem();
    return options;
}

const Target plain{.host = "mail.behind.test", .port = 143, .tls = Target::Tls::none, .proxy = "p"};

}  // namespace

SCENARIO("a mail server is reached through Squid that is spoken to with TLS", "[squid][https]") {
    const TemporaryDirectory place;
    const Trust trust;
    const auto closed = servers::closedPort(), denied = servers::closedPort();
    Squid squid(place / "squid", overTls({.hosts = {{"mail.behind.test", "127.0.0.1"}}, .denied = {denied}}));
    Trusting own(trust.settings(squid.port()));

    GIVEN("TLS with it inside the TLS with the proxy") {
        const TlsServer server({.chain = {leaf()}}, greet);
        const Target target{.host = "mail.behind.test", .port = server.port(), .truststore = "own", .proxy = "p"};
        {
            auto channel = own.dial(target);
            CHECK(own.read(*channel, 22) == "hello mail.behind.test");
            CHECK(channel->security().starts_with("TLSv1.3"));
        }
        AND_GIVEN("a second connection: it resumes the session of the first") {
            auto channel = own.dial(target);
            CHECK(own.read(*channel, 22) == "hello mail.behind.test");
            CHECK(own.world.log.count("resumed=yes") == 1);
        }
        AND_GIVEN("a proxy that goes away") {
            auto channel = own.dial(target);
            own.read(*channel, 22);
            squid.stop();
            char into[8];
            const auto cut = own.world.run(channel->read(into, own.world.soon(), {}));
            REQUIRE_FALSE(cut);
            CHECK(cut.error().reaction == Reaction::reconnect);
            CHECK(cut.error().what.find("mail.behind.test:" + std::to_string(server.port()) + " through https proxy p 127.0.0.1:") !=
                  std::string::npos);
        }
    }
    GIVEN("large pieces in both directions at once") {
        const std::string piece(3U << 20, 'x');
        const TlsServer server({.chain = {leaf()}}, [&](TlsServer::Stream& stream) {
            stream.write(stream.readExactly(piece.size()));
            stream.read();
        });
        auto channel = own.dial({.host = "mail.behind.test", .port = server.port(), .truststore = "own", .proxy = "p"});
        own.write(*channel, piece);
        CHECK(own.read(*channel, piece.size()) == piece);
    }
    GIVEN("STARTTLS") {
        const TlsServer server({.chain = {leaf()}, .plainFirst = true}, [](TlsServer::Stream& stream) {
            stream.write("* OK ready\r\n");
            stream.readLine();
            stream.write("A1 OK\r\n");
            stream.beginTls();
            greet(stream);
        });
        auto channel = own.dial({.host = "mail.behind.test", .port = server.port(), .tls = Target::Tls::starttls, .truststore = "own", .proxy = "p"});
        CHECK(own.read(*channel, 12) == "* OK ready\r\n");
        CHECK(channel->security() == "plain");  // whatever there is with the proxy
        own.write(*channel, "A1 STARTTLS\r\n");
        CHECK(own.read(*channel, 7) == "A1 OK\r\n");
        REQUIRE(own.world.run(channel->startTls(own.world.soon(), {})));
        CHECK(own.read(*channel, 22) == "hello mail.behind.test");
        CHECK(channel->security().starts_with("TLSv1.3"));
    }
    GIVEN("what it does not do") {
        auto nobody = plain;
        nobody.port = closed;
        const auto failed = own.world.dial(nobody);
        REQUIRE_FALSE(failed);
        INFO(failed.error().what);
        CHECK(failed.error().code == Code::channelProxyFailed);
        auto forbidden = plain;
        forbidden.port = denied;
        const auto refused = own.world.dial(forbidden);
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == Code::channelProxyForbidden);
    }
}

SCENARIO("Squid is told who we are inside TLS", "[squid][https]") {
    const TemporaryDirectory place;
    const Trust trust;
    const TlsServer server({}, greet);
    const Squid squid(place / "squid", overTls({.users = {{"postern", "s3cret"}}}));
    const auto right = GENERATE(true, false);
    Trusting own(trust.settings(squid.port(), {{"proxy.p.username", "postern"}, {"proxy.p.password", right ? "s3cret" : "wrong"}}));
    const auto channel = own.world.dial({.host = "127.0.0.1", .port = server.port(), .tls = Target::Tls::none, .proxy = "p"});
    REQUIRE(static_cast<bool>(channel) == right);
    if (right)
        CHECK(own.read(**channel, 6) == "hello ");
    else
        CHECK(channel.error().code == Code::channelProxyRefused);
}

SCENARIO("nothing is said to a proxy whose certificate is not the right one", "[https][tls]") {
    const Trust trust;
    const auto past =
        servers::makeCertificate({.commonName = "old", .addresses = {"127.0.0.1"}, .beginsInSeconds = -7200, .endsInSeconds = -3600}, &proxysRoot());
    const auto other = servers::makeCertificate({.commonName = "other", .names = {"proxy.elsewhere.test"}}, &proxysRoot());
    struct Row {
        const char* title;
        servers::Certificate shows;
        Settings settings;
        const char* told;
    };
    const TemporaryFile empty("");
    const std::string missing = "/nowhere/at/all";
    const auto row = GENERATE_REF(
        Row{"one for another name", other, {}, "is not for 127.0.0.1"}, Row{"one that has ended", past, {}, "has expired"},
        Row{"one nobody in its truststore has signed", leaf(), {}, "is not trusted"},
        Row{"one the system's roots know nothing of", proxysLeaf(), {{"proxy.p.truststore", ""}}, "is not trusted"},
        Row{"a good one, but its truststore is not there", proxysLeaf(), {{"truststore.proxys.path", missing}}, "truststore.proxys.path = "});
    GIVEN(row.title) {
        std::mutex mutex;
        std::string heard;
        TlsServer proxy({.chain = {row.shows}}, [&](TlsServer::Stream& stream) {
            const auto got = stream.read();
            const std::lock_guard lock(mutex);
            heard += got;
        });
        auto settings = trust.settings(proxy.port(), {{"proxy.p.username", "postern"}, {"proxy.p.password", "s3cret"}});
        for (const auto& [key, value] : row.settings) settings[key] = value;
        Trusting own(settings);
        auto target = plain;
        target.truststore = "own";
        const auto channel = own.world.dial(target);
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == Code::channelProxyTls);
        CHECK(channel.error().reaction == Reaction::askOperator);
        CHECK(channel.error().what.starts_with("mail.behind.test:143 cannot be reached through https proxy p 127.0.0.1:"));
        CHECK(channel.error().what.find(row.told) != std::string::npos);
        const std::lock_guard lock(mutex);
        CHECK(heard.empty());
    }
}

SCENARIO("a proxy that demands a client certificate is told to have done so", "[https][tls]") {
    const Trust trust;
    const auto version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
    TlsServer proxy({.chain = {proxysLeaf()}, .maxVersion = version, .demandsClientCertificate = true},
                    [](TlsServer::Stream& stream) { stream.read(); });
    Trusting own(trust.settings(proxy.port()));
    const auto channel = own.world.dial(plain);
    REQUIRE_FALSE(channel);
    CHECK(channel.error().code == Code::channelProxyTls);
    CHECK(channel.error().reaction == Reaction::askOperator);
    CHECK(channel.error().what.find("demands a client certificate") != std::string::npos);
}

SCENARIO("a proxy that has no TLS is no https proxy", "[https][tls]") {
    const Trust trust;
    TlsServer proxy({}, [](TlsServer::Stream& stream) {
        stream.read();
        stream.write("HTTP/1.1 400 Bad Request\r\n\r\n");
        stream.goodbye();
    });
    GIVEN("a named one") {
        Trusting own(trust.settings(proxy.port()));
        const auto channel = own.world.dial(plain);
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == Code::channelProxyTls);
        CHECK(channel.error().what.ends_with("answers, but does not speak TLS"));
    }
    GIVEN("a default one that may be passed by") {
        const TlsServer server({}, [](TlsServer::Stream& stream) {
            stream.write("direct");
            stream.read();
        });
        Settings more{{"proxy.p.default", "true"}, {"proxy.fallback_to_direct", "true"}};
        if (GENERATE(true, false)) more["truststore.proxys.path"] = "/nowhere/at/all";
        Trusting own(trust.settings(proxy.port(), more));
        auto channel = own.dial({.host = "127.0.0.1", .port = server.port(), .tls = Target::Tls::none});
        CHECK(own.read(*channel, 6) == "direct");
        CHECK(own.world.log.count("the default proxy is passed by") == 1);
    }
}

SCENARIO("what comes with the answer of a proxy that is spoken to with TLS belongs to the tunnel", "[https]") {
    const Trust trust;
    const auto begin = [](TlsServer::Stream& stream, const std::string& behind) {
        const auto head = stream.readUntil("\r\n\r\n");
        if (head != "CONNECT mail.behind.test:143 HTTP/1.1\r\nHost: mail.behind.test:143\r\n\r\n") throw std::runtime_error(head);
        stream.write("HTTP/1.1 200 OK\r\n\r\n" + behind);
    };
    GIVEN("a greeting in the record of the answer") {
        TlsServer proxy({.chain = {proxysLeaf()}}, [&](TlsServer::Stream& stream) {
            begin(stream, "* OK ready\r\n");
            stream.write(stream.readLine());
        });
        Trusting own(trust.settings(proxy.port()));
        auto channel = own.dial(plain);
        CHECK(channel->security() == "plain");
        CHECK(own.read(*channel, 5) == "* OK ");
        CHECK(own.read(*channel, 7) == "ready\r\n");
        own.write(*channel, "echo\n");
        CHECK(own.read(*channel, 4) == "echo");
        CHECK(proxy.problems() == std::vector<std::string>{});
    }
    GIVEN("more in clear than was agreed where TLS is to begin later") {
        TlsServer proxy({.chain = {proxysLeaf()}}, [&](TlsServer::Stream& stream) {
            begin(stream, "* OK ready\r\nA1 OK\r\n* injected\r\n");
            stream.read();
        });
        auto target = plain;
        target.tls = Target::Tls::starttls;
        Trusting own(trust.settings(proxy.port()));
        auto channel = own.dial(target);
        CHECK(own.read(*channel, 19) == "* OK ready\r\nA1 OK\r\n");
        const auto begun = own.world.run(channel->startTls(own.world.soon(), {}));
        REQUIRE_FALSE(begun);
        CHECK(begun.error().code == Code::channelClearText);
    }
    GIVEN("bytes that are no TLS where TLS is to begin at once") {
        TlsServer proxy({.chain = {proxysLeaf()}}, [&](TlsServer::Stream& stream) {
            begin(stream, "* OK not TLS\r\n");
            stream.read();
        });
        auto target = plain;
        target.tls = Target::Tls::implicit;
        target.truststore = "own";
        Trusting own(trust.settings(proxy.port()));
        const auto channel = own.world.dial(target);
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == Code::channelNotTls);  // of the other side: the proxy has done its part
        CHECK(channel.error().what.find("mail.behind.test:143 through https proxy p ") != std::string::npos);
    }
    GIVEN("an end instead of an answer") {
        TlsServer proxy({.chain = {proxysLeaf()}}, [](TlsServer::Stream& stream) {
            stream.readUntil("\r\n\r\n");
            stream.goodbye();
            stream.read();
        });
        Trusting own(trust.settings(proxy.port()));
        const auto channel = own.world.dial(plain);
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == Code::channelProxyProtocol);
        CHECK(channel.error().reaction == Reaction::reconnect);
    }
    GIVEN("silence, in the handshake or after it") {
        const bool handshake = GENERATE(true, false);
        TlsServer::Options options{.chain = {proxysLeaf()}, .plainFirst = handshake};
        TlsServer proxy(options, [](TlsServer::Stream& stream) {
            while (!stream.read().empty()) {
            }
        });
        Trusting own(trust.settings(proxy.port()));
        const auto channel = own.world.dial(plain, own.world.in(std::chrono::milliseconds(150)));
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == Code::channelTimeout);
    }
}

SCENARIO("what is wrong with the TLS inside the TLS of a proxy is told as it is without one", "[https][tls]") {
    struct Row {
        const char* title;
        std::string says;
        Code code;
        const char* told;
    };
    const auto row = GENERATE(Row{"no TLS", "* OK this is no TLS at all, but a greeting\r\n", Code::channelNotTls, "answers, but does not speak TLS"},
                              Row{"a handshake message nobody asked for", std::string("\x16\x03\x03\x00\x04\x63\x00\x00\x00", 9),
                                  Code::channelTlsHandshake, "unexpected message"});
    GIVEN(row.title) {
        const Trust trust;
        TlsServer proxy({.chain = {proxysLeaf()}}, [&](TlsServer::Stream& stream) {
            stream.readUntil("\r\n\r\n");
            stream.write("HTTP/1.1 200 OK\r\n\r\n");
            stream.read();  // the hello
            stream.write(row.says);
            stream.read();
        });
        Trusting own(trust.settings(proxy.port()));
        const auto channel = own.world.dial({.host = "mail.behind.test", .port = 993, .truststore = "own", .proxy = "p"});
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == row.code);
        CHECK(channel.error().what.find(row.told) != std::string::npos);
    }
}
