#include "auth/channel/proxy.h"

#include "auth/access.h"
#include "auth/channel/http_tunnel.h"
#include "tests/auth/channel/trusting.h"

#include <algorithm>

using auth::Target;
using plugin::Code;
using plugin::Configuration;
using plugin::Reaction;
using servers::TlsServer;

namespace {

Configuration configured(const Settings& settings) {
    std::map<std::string, Configuration::Setting, std::less<>> all;
    for (const auto& [key, value] : settings) all[key] = {value, {"test", 1}, true};
    return Configuration(std::move(all));
}

Settings proxy(const std::string& alias, std::uint16_t port, Settings more = {}) {
    more["proxy." + alias + ".host"] = "127.0.0.1";
    more["proxy." + alias + ".port"] = std::to_string(port);
    return more;
}

Settings operator+(Settings a, const Settings& b) {
    a.insert(b.begin(), b.end());
    return a;
}

/// "direct", the alias ("?" behind it: it may be passed by), or the code of the error.
std::string way(const Settings& settings, const std::string& host, const std::string& named = {}, std::uint16_t port = 993) {
    const auto found = auth::wayTo(configured(settings), {.host = host, .port = port, .proxy = named});
    if (!found) return plugin::codeName(found.error().code);
    if (!found->proxy) return "direct";
    return found->proxy->alias + (found->mayGoDirect ? "?" : "");
}

const Settings named = proxy("a", 1) + proxy("b", 2);

/// A proxy that reads the request's head and then does as it is told.
struct Scripted {
    explicit Scripted(std::function<void(TlsServer::Stream&)> then, std::string address = "127.0.0.1")
        : server({.address = address == "::1" ? "::1" : "127.0.0.1"}, [this, then = std::move(then)](TlsServer::Stream& stream) {
              auto head = stream.readUntil("\r\n\r\n");
              {
                  const std::lock_guard lock(mutex);
                  heads.push_back(std::move(head));
              }
              then(stream);
          }) {}
    std::vector<std::string> seen() const {
        const std::lock_guard lock(mutex);
        return heads;
    }
    Settings settings(Settings more = {}) const { return proxy("p", server.port(), std::move(more)); }

    mutable std::mutex mutex{};
    std::vector<std::string> heads{};
    TlsServer server;
};

const Target plain{.host = "mail.behind.test", .port = 143, .tls = Target::Tls::none, .proxy = "p"};

}  // namespace

SCENARIO("a bypass entry means a host as people write it", "[proxy]") {
    struct Row {
        const char* entry;
        const char* host;
        bool means;
    };
    const auto row =
        GENERATE(Row{"localhost", "localhost", true}, Row{"localhost", "LOCALHOST", true}, Row{"LocalHost", "localhost", true},
                 Row{"localhost", "localhost.example", false}, Row{"*.corp.example", "mail.corp.example", true},
                 Row{"*.corp.example", "a.b.corp.example", true}, Row{"*.corp.example", "corp.example", false}, Row{"NYC*.*", "nyc7.example", true},
                 Row{"*", "anything", true}, Row{"*.*", "plain", false}, Row{"mail.example:993", "mail.example", true},
                 Row{"mail.example:994", "mail.example", false}, Row{"mail.example:*", "mail.example", true}, Row{"10.*", "10.1.2.3", true},
                 Row{"10.*", "110.1.2.3", false}, Row{"::1", "::1", true}, Row{"[::1]", "::1", true}, Row{"[::1]:993", "::1", true},
                 Row{"[::1]:99", "::1", false}, Row{"mail.example", "mail.example.", true}, Row{"a*b*c", "axxbxxbc", true},
                 Row{"a*b*c", "axxbxxbcd", false}, Row{"**", "x", true}, Row{"*a", "ba", true}, Row{"*a", "ab", false});
    INFO(row.entry << " / " << row.host);
    CHECK(auth::bypasses(row.entry, row.host, 993) == row.means);
}

SCENARIO("which way a connection goes", "[proxy]") {
    const Settings isDefault{{"proxy.a.default", "true"}};
    const Settings mayFall{{"proxy.fallback_to_direct", "true"}};
    CHECK(way({}, "h") == "direct");
    CHECK(way(named, "h") == "direct");  // neither named nor default: never used
    CHECK(way(named, "h", "b") == "b");
    CHECK(way(named + isDefault, "h") == "a");
    CHECK(way(named + isDefault, "h", "b") == "b");
    CHECK(way(named + isDefault + mayFall, "h") == "a?");
    CHECK(way(named + isDefault + mayFall, "h", "a") == "a");  // named: never passed by, also when it is the default one
    CHECK(way(named, "h", "nobody") == "PO-1008");
    CHECK(way(named + Settings{{"proxy.b.enabled", "false"}}, "h", "b") == "PO-2015");
    CHECK(way(named + isDefault + Settings{{"proxy.a.enabled", "false"}}, "h") == "direct");
    const Settings bypass{{"proxy.a.bypass", "localhost; *.corp.example, 127.*"}};
    CHECK(way(named + isDefault + bypass, "mail.corp.example") == "direct");
    CHECK(way(named + isDefault + bypass, "mail.corp.example", "a") == "direct");
    CHECK(way(named + isDefault + bypass, "mail.corp.example", "b") == "b");  // the other one's list
    CHECK(way(named + isDefault + bypass, "127.0.0.1") == "direct");
    CHECK(way(named + isDefault, "localhost") == "a");  // this machine is no exception
    CHECK(way(named + bypass + Settings{{"proxy.a.enabled", "false"}}, "localhost", "a") == "PO-2015");
    CHECK(way(named + Settings{{"proxy.b.username", "u"}, {"proxy.b.password", "${vault:x}"}}, "h", "b") == "PO-1011");
    CHECK(way(named + Settings{{"proxy.b.type", "ftp"}}, "h", "b") == "PO-1006");
    struct Row {
        const char* type;
        auth::Proxy::Type means;
        const char* name;
    };
    using Type = auth::Proxy::Type;
    for (const auto& row : {Row{"http", Type::http, "proxy b 127.0.0.1:2"}, Row{"https", Type::https, "https proxy b 127.0.0.1:2"},
                            Row{"socks4", Type::socks4, "socks4 proxy b 127.0.0.1:2"}, Row{"socks5", Type::socks5, "socks5 proxy b 127.0.0.1:2"}}) {
        const auto found = auth::wayTo(configured(named + Settings{{"proxy.b.type", row.type}}), {.host = "h", .port = 1, .proxy = "b"});
        REQUIRE(found);
        CHECK(found->proxy->type == row.means);
        CHECK(found->proxy->name() == row.name);
    }
}

SCENARIO("what is wrong with proxies is found before they are used", "[proxy][keys]") {
    const auto told = [](const Settings& settings) {
        std::vector<plugin::Problem> problems;
        auth::checkProxies(configured(settings), problems);
        std::vector<std::string> keys;
        for (const auto& problem : problems)
            keys.push_back((problem.severity == plugin::Problem::Severity::warning ? "(" : "") + plugin::codeName(problem.code) + " " + problem.key);
        return keys;
    };
    using Told = std::vector<std::string>;
    CHECK(told(named) == Told{});
    CHECK(told(named + Settings{{"proxy.a.default", "true"}, {"proxy.b.default", "true"}}) == Told{"PO-1013 proxy.b.default"});
    // A disabled one is as if it were not there: the other one is the default.
    CHECK(told(named + Settings{{"proxy.a.enabled", "false"}, {"proxy.a.default", "true"}, {"proxy.b.default", "true"}}) == Told{});
    CHECK(told(named + Settings{{"proxy.a.username", "u"}}) == Told{"PO-1005 proxy.a.username"});
    CHECK(told(named + Settings{{"proxy.a.password", "p"}}) == Told{"PO-1005 proxy.a.password"});
    CHECK(told(named + Settings{{"proxy.a.enabled", "false"}, {"proxy.a.default", "true"}}) == Told{"(PO-1013 proxy.a.default"});
    const Settings withoutB{{"proxy.b.enabled", "false"}};
    CHECK(told(named + withoutB + Settings{{"mailbox.m.proxy", "b"}}) == Told{"PO-1013 mailbox.m.proxy"});
    CHECK(told(named + withoutB + Settings{{"mailbox.m.proxy", "a"}, {"mailbox.m.graph.proxy", "b"}, {"mailbox.m.imap.proxy", "b"}}) ==
          Told{"PO-1013 mailbox.m.graph.proxy", "PO-1013 mailbox.m.imap.proxy"});
    CHECK(told(named + withoutB + Settings{{"mailbox.m.enabled", "false"}, {"mailbox.m.graph.proxy", "b"}}) == Told{});
    const auto socks = [](int version, Settings more) {
        more["proxy.a.type"] = "socks" + std::to_string(version);
        return named + more;
    };
    const std::string full(255, 'x'), over(256, 'x');
    CHECK(told(socks(5, {{"proxy.a.username", full}, {"proxy.a.password", full}})) == Told{});
    CHECK(told(socks(5, {{"proxy.a.username", over}, {"proxy.a.password", "p"}})) == Told{"PO-1006 proxy.a.username"});
    CHECK(told(socks(5, {{"proxy.a.username", "u"}, {"proxy.a.password", over}})) == Told{"PO-1006 proxy.a.password"});
    CHECK(told(socks(5, {{"proxy.a.username", "u"}, {"proxy.a.password", "${file:/" + over + "}"}})) == Told{});  // what is in it is seen at the dial
    CHECK(told(socks(5, {{"proxy.a.username", "u"}})) == Told{"PO-1005 proxy.a.username"});
    CHECK(told(socks(5, {{"proxy.a.username", "a:b"}, {"proxy.a.password", "p"}})) == Told{});
    CHECK(told(socks(4, {{"proxy.a.username", "a:b"}})) == Told{});
    CHECK(told(socks(4, {{"proxy.a.username", over}})) == Told{"PO-1006 proxy.a.username"});
    CHECK(told(socks(4, {{"proxy.a.username", "u"}, {"proxy.a.password", "p"}})) == Told{"PO-1013 proxy.a.password"});
    CHECK(told(named + Settings{{"proxy.a.username", "a:b"}, {"proxy.a.password", over}}) == Told{"PO-1006 proxy.a.username"});
    CHECK(told(named + Settings{{"proxy.a.type", "https"}, {"proxy.a.username", "a:b"}, {"proxy.a.password", "p"}}) ==
          Told{"PO-1006 proxy.a.username"});
    CHECK(told(named + Settings{{"proxy.a.type", "https"}, {"proxy.a.truststore", "t"}}) == Told{});
    CHECK(told(named + Settings{{"proxy.a.truststore", "t"}}) == Told{"PO-1013 proxy.a.truststore"});
    CHECK(told(socks(5, {{"proxy.a.truststore", "t"}})) == Told{"PO-1013 proxy.a.truststore"});
    const Settings off{{"proxy.a.enabled", "false"}};
    CHECK(told(named + off) == Told{});
    CHECK(told(named + off + Settings{{"mailbox.m.proxy", "a"}, {"credential.c.proxy", "a"}, {"mailbox.n.proxy", "b"}}) ==
          Told{"PO-1013 mailbox.m.proxy", "PO-1013 credential.c.proxy"});
    CHECK(told(named + off + Settings{{"mailbox.m.proxy", "a"}, {"mailbox.m.enabled", "false"}}) == Told{});
    CHECK(told(named + off + Settings{{"sink.s.proxy", "a"}, {"alert.a.proxy", "a"}}) == Told{"PO-1013 sink.s.proxy", "PO-1013 alert.a.proxy"});

    const auto all = auth::keys();
    const auto key = [&](const std::string& pattern) {
        return *std::find_if(all.begin(), all.end(), [&](const plugin::Key& each) { return each.pattern == pattern; });
    };
    CHECK(key("proxy.<alias>.host").required);
    CHECK(key("proxy.<alias>.port").required);
    CHECK(key("proxy.<alias>.type").choices == std::vector<std::string>{"http", "https", "socks4", "socks5"});
    CHECK(key("proxy.<alias>.truststore").reference == "truststore");
    CHECK(key("credential.<name>.proxy").reference == "proxy");
    const auto user = key("proxy.<alias>.username").form;
    CHECK_FALSE(user("J\xc3\xb6rg M\xc3\xbcller"));
    CHECK(user("a\tb"));
    const auto bypass = key("proxy.<alias>.bypass").form;
    CHECK_FALSE(bypass("localhost, *.corp.example;[::1]:993"));
    CHECK(bypass("http://corp.example/"));
    CHECK(bypass("10.0.0.0/8"));
}

SCENARIO("a tunnel is asked for as RFC 9110 wants it", "[proxy]") {
    CHECK(auth::connectRequest("mail.example", 993, nullptr).reveal() == "CONNECT mail.example:993 HTTP/1.1\r\nHost: mail.example:993\r\n\r\n");
    CHECK(auth::connectRequest("2001:db8::1", 993, nullptr).reveal() == "CONNECT [2001:db8::1]:993 HTTP/1.1\r\nHost: [2001:db8::1]:993\r\n\r\n");
    const auto user = auth::ProxyUser::make("J\xc3\xb6rg", auth::Secret("p\xc3\xa4ss:w\xc3\xb6rd"));
    CHECK(auth::connectRequest("h", 1, &user).reveal() ==
          "CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\nProxy-Authorization: Basic SsO2cmc6cMOkc3M6d8O2cmQ=\r\n\r\n");
}

SCENARIO("what the proxy says instead of yes decides what is done next", "[proxy]") {
    struct Row {
        const char* answer;
        Code code;
        Reaction reaction;
        const char* told;
    };
    const auto row = GENERATE(
        Row{"HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n", Code::channelProxyRefused,
            Reaction::askOperator, "it wants a user and a password (407 Proxy Authentication Required)"},
        Row{"HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: Negotiate\r\n\r\n", Code::channelProxyRefused, Reaction::askOperator,
            "it wants a sign-in we do not have (NTLM, Negotiate), not Basic (407 No)"},
        Row{"HTTP/1.1 407 No\r\nProxy-Authenticate: Digest realm=\"a, Basic \\\" b\", nonce=x, Negotiate ,NTLM\r\n\r\n", Code::channelProxyRefused,
            Reaction::askOperator, "it wants a sign-in we do not have (Digest, Negotiate, NTLM), not Basic (407 No)"},
        Row{"HTTP/1.1 407 No\r\nProxy-Authenticate: Digest realm = \"a\", nonce\t=x\r\n\r\n", Code::channelProxyRefused, Reaction::askOperator,
            "it wants a sign-in we do not have (Digest), not Basic (407 No)"},
        Row{"HTTP/1.1 407 No\r\nProxy-Authenticate: Negotiate, Basic realm=\"a\"\r\n\r\n", Code::channelProxyRefused, Reaction::askOperator,
            "it wants a user and a password (407 No)"},
        Row{"HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\nProxy-Authenticate: basic\r\n\r\n", Code::channelProxyRefused, Reaction::askOperator,
            "it wants a user and a password (407 No)"},
        Row{"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nforbidden", Code::channelProxyForbidden, Reaction::askOperator,
            "it does not let us (403 Forbidden)"},
        Row{"HTTP/1.1 302 Found\r\nLocation: http://x/\r\n\r\n", Code::channelProxyForbidden, Reaction::askOperator,
            "it does not let us (302 Found)"},
        Row{"HTTP/1.1 404 Not Found\r\n\r\n", Code::channelProxyFailed, Reaction::reconnect, "it cannot get there (404 Not Found)"},
        Row{"HTTP/1.1 502 Bad Gateway\r\n\r\n", Code::channelProxyFailed, Reaction::reconnect, "it cannot get there (502 Bad Gateway)"},
        Row{"HTTP/1.1 503\r\n\r\n", Code::channelProxyFailed, Reaction::reconnect, "it cannot get there (503)"},
        Row{"HTTP/1.1 504 Gateway Timeout\r\n\r\n", Code::channelProxyFailed, Reaction::reconnect, "it cannot get there (504 Gateway Timeout)"},
        Row{"HTTP/1.1 405 Method Not Allowed\r\n\r\n", Code::channelProxyProtocol, Reaction::askOperator,
            "it does not understand CONNECT (405 Method Not Allowed)"},
        Row{"HTTP/1.1 400 Bad\xc2\x9bthing\r\n\r\n", Code::channelProxyProtocol, Reaction::askOperator,
            "it does not understand CONNECT (400 Bad\\xc2\\x9bthing)"},
        Row{"220 mail.example ESMTP\r\n", Code::channelProxyProtocol, Reaction::reconnect,
            "it does not answer as an HTTP proxy does: it does not begin with an HTTP/1 status line"},
        Row{"HTTP/1.1 200 OK\nX: y\n\n", Code::channelProxyProtocol, Reaction::reconnect,
            "it does not answer as an HTTP proxy does: a line does not end with CR LF"},
        Row{"HTTP/1.1 200 OK\r\nX", Code::channelProxyProtocol, Reaction::reconnect,
            "it does not answer as an HTTP proxy does: the stream ended within the head"},
        Row{"", Code::channelProxyProtocol, Reaction::reconnect, "it does not answer as an HTTP proxy does: the stream ended within the head"});
    GIVEN("a proxy that says " + plugin::printable(row.answer)) {
        const Scripted scripted([&](TlsServer::Stream& stream) {
            stream.write(row.answer);
            stream.goodbye();
            stream.read();
        });
        Trusting own(scripted.settings());
        const auto channel = own.world.dial(plain);
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == row.code);
        CHECK(channel.error().reaction == row.reaction);
        CHECK(channel.error().what ==
              "mail.behind.test:143 cannot be reached through proxy p 127.0.0.1:" + std::to_string(scripted.server.port()) + ": " + row.told);
        CHECK(scripted.seen() == std::vector<std::string>{"CONNECT mail.behind.test:143 HTTP/1.1\r\nHost: mail.behind.test:143\r\n\r\n"});
    }
}

SCENARIO("who we are is told to the proxy and to nobody else", "[proxy]") {
    const TemporaryFile password("s3cret p\xc3\xa4ss\n");
    const Settings user{{"proxy.p.username", "postern"}, {"proxy.p.password", "${file:" + password.path + "}"}};
    GIVEN("a proxy that refuses us and repeats what it got, also in its reason") {
        const auto words = GENERATE(as<std::string>{}, "s3cret p\xc3\xa4ss", "cG9zdGVybjpzM2NyZXQgcMOkc3M=");
        const Scripted scripted([&](TlsServer::Stream& stream) {
            stream.write("HTTP/1.1 407 not " + words + "\r\nProxy-Authenticate: Basic realm=\"" + words + "\"\r\n\r\n");
            stream.goodbye();
            stream.read();
        });
        Trusting own(scripted.settings(user));
        const auto channel = own.world.dial(plain);
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == Code::channelProxyRefused);
        CHECK(channel.error().what.ends_with(": it refused the user and the password (407)"));
        CHECK(own.world.log.count(words) == 0);
        CHECK(scripted.seen().front().find("Proxy-Authorization: Basic cG9zdGVybjpzM2NyZXQgcMOkc3M=\r\n") != std::string::npos);
    }
    GIVEN("a proxy that repeats most of it, or calls its scheme by that name") {
        password.write("0123456789abcdef");
        const auto words = GENERATE(as<std::string>{}, "0123456789abcde", "G9zdGVuOjAxMjM0N", "OjAxMjM0NTY3ODlhYmNkZWY");
        const Scripted scripted([&](TlsServer::Stream& stream) {
            stream.write("HTTP/1.1 407 not " + words + "\r\nProxy-Authenticate: " + words + "\r\n\r\n");
            stream.goodbye();
            stream.read();
        });
        Trusting own(scripted.settings({{"proxy.p.username", "posten"}, {"proxy.p.password", "${file:" + password.path + "}"}}));
        const auto channel = own.world.dial(plain);
        REQUIRE_FALSE(channel);
        CHECK(channel.error().what.ends_with(": it wants a sign-in we do not have (?), not Basic (407)"));
    }
    GIVEN("a password whose file is another one by the next dial") {
        const Scripted scripted([](TlsServer::Stream& stream) { stream.write("HTTP/1.1 200 OK\r\n\r\n"); });
        Trusting own(scripted.settings(user));
        REQUIRE(own.world.dial(plain));
        password.write("other");
        REQUIRE(own.world.dial(plain));
        const auto heads = scripted.seen();
        REQUIRE(heads.size() == 2);
        CHECK(heads[1].find("Basic cG9zdGVybjpvdGhlcg==\r\n") != std::string::npos);
    }
    GIVEN("a password that cannot be read") {
        const Scripted scripted([](TlsServer::Stream&) {});
        Trusting own(scripted.settings({{"proxy.p.username", "postern"}, {"proxy.p.password", "${file:/nowhere/at/all}"}}));
        const auto channel = own.world.dial(plain);
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == Code::configSecretSource);
        CHECK(channel.error().what.find("proxy p ") != std::string::npos);
        CHECK(scripted.server.accepted() == 0);
    }
}

SCENARIO("nothing of the tunnel is lost, however the proxy cuts its answer", "[proxy]") {
    const std::string head = "HTTP/1.0 200 Connection established\r\nProxy-agent: test\r\nContent-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n";
    const std::string greeting = "* OK behind the proxy\r\n";
    const auto cut = GENERATE_COPY(range(std::size_t{0}, head.size() + greeting.size(), std::size_t{7}));
    GIVEN("an answer and a greeting cut after byte " + std::to_string(cut)) {
        const Scripted scripted([&](TlsServer::Stream& stream) {
            const auto all = head + greeting;
            if (cut > 0) stream.write(all.substr(0, cut));
            if (cut > 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));  // or they come in one piece, which is as good
            stream.write(all.substr(cut));
            stream.write(stream.readLine());
        });
        Trusting own(scripted.settings());
        auto channel = own.dial(plain);
        CHECK(own.read(*channel, greeting.size()) == greeting);
        own.write(*channel, "echo\n");
        CHECK(own.read(*channel, 4) == "echo");
        CHECK(channel->security() == "plain");
    }
}

SCENARIO("a proxy cannot keep us or fill us", "[proxy]") {
    GIVEN("one that never ends its head") {
        const Scripted scripted([](TlsServer::Stream& stream) {
            stream.write("HTTP/1.1 200 OK\r\n");
            try {
                for (int i = 0; i < 100'000; ++i) stream.write("X-Filler: 0123456789012345678901234567890123456789\r\n");
            } catch (const std::runtime_error&) {  // it has had enough of us
            }
        });
        Trusting own(scripted.settings());
        const auto channel = own.world.dial(plain);
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == Code::channelProxyProtocol);
        CHECK(channel.error().what.find("the head is longer than any we accept") != std::string::npos);
    }
    GIVEN("one that says nothing") {
        const Scripted scripted([](TlsServer::Stream& stream) { stream.read(); });
        Trusting own(scripted.settings());
        const auto channel = own.world.dial(plain, own.world.in(std::chrono::milliseconds(50)));
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == Code::channelTimeout);
        CHECK(channel.error().reaction == Reaction::reconnect);
    }
    GIVEN("one that says nothing while the service stops") {
        std::stop_source stop;
        const Scripted scripted([&](TlsServer::Stream& stream) {
            stop.request_stop();
            stream.read();
        });
        Trusting own(scripted.settings());
        const auto channel = own.world.run(own.world.dialer->dial(plain, own.world.soon(), stop.get_token()));
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == Code::channelStopped);
    }
}

SCENARIO("TLS goes through a tunnel, begun at once or later", "[proxy][tls]") {
    const auto inside = [](TlsServer::Stream& stream) {
        stream.write("hello " + stream.serverName());
        stream.read();
    };
    // The proxy and what is behind it in one: it answers, then is the mail server.
    GIVEN("implicit TLS") {
        TlsServer both({.chain = {leaf()}, .plainFirst = true}, [&](TlsServer::Stream& stream) {
            stream.readUntil("\r\n\r\n");
            stream.write("HTTP/1.1 200 OK\r\n\r\n");
            stream.beginTls();
            inside(stream);
        });
        Trusting own(proxy("p", both.port()));
        auto target = plain;
        target.tls = Target::Tls::implicit;
        target.truststore = "own";
        auto channel = own.dial(target);
        CHECK(own.read(*channel, 22) == "hello mail.behind.test");
        CHECK(channel->security().starts_with("TLSv1.3"));
        AND_GIVEN("a name the certificate is not for") {
            target.host = "mail.elsewhere.test";
            const auto refused = own.world.dial(target);
            REQUIRE_FALSE(refused);
            CHECK(refused.error().code == Code::channelCertificateName);
            CHECK(refused.error().what.find("mail.elsewhere.test:143 through proxy p 127.0.0.1:") != std::string::npos);
        }
    }
    GIVEN("STARTTLS whose greeting comes with the proxy's answer") {
        TlsServer both({.chain = {leaf()}, .plainFirst = true}, [&](TlsServer::Stream& stream) {
            stream.readUntil("\r\n\r\n");
            stream.write("HTTP/1.1 200 OK\r\n\r\n* OK ready\r\n");
            stream.readLine();
            stream.write("A1 OK\r\n");
            stream.beginTls();
            inside(stream);
        });
        Trusting own(proxy("p", both.port()));
        auto target = plain;
        target.tls = Target::Tls::starttls;
        target.truststore = "own";
        auto channel = own.dial(target);
        CHECK(own.read(*channel, 12) == "* OK ready\r\n");
        own.write(*channel, "A1 STARTTLS\r\n");
        CHECK(own.read(*channel, 7) == "A1 OK\r\n");
        REQUIRE(own.world.run(channel->startTls(own.world.soon(), {})));
        CHECK(own.read(*channel, 22) == "hello mail.behind.test");
    }
    GIVEN("bytes that come with the proxy's answer where TLS is to begin at once") {
        TlsServer both({.chain = {leaf()}, .plainFirst = true}, [&](TlsServer::Stream& stream) {
            stream.readUntil("\r\n\r\n");
            stream.write("HTTP/1.1 200 OK\r\n\r\n* OK not TLS\r\n");
            stream.read();
        });
        Trusting own(proxy("p", both.port()));
        auto target = plain;
        target.tls = Target::Tls::implicit;
        target.truststore = "own";
        const auto channel = own.world.dial(target);
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == Code::channelNotTls);
    }
}

SCENARIO("a host that would say more in a request line is none", "[proxy]") {
    const Scripted scripted([](TlsServer::Stream&) {});
    Trusting own(scripted.settings());
    const auto host = GENERATE(as<std::string>{}, "a b", "a/b", "user@host", "a?b", "a#b", "[::1]", "a\\b");
    auto target = plain;
    target.host = host;
    const auto channel = own.world.dial(target);
    REQUIRE_FALSE(channel);
    CHECK(channel.error().code == Code::channelNameNotFound);
    CHECK(scripted.server.accepted() == 0);
}

SCENARIO("when the default proxy fails, the configuration decides", "[proxy]") {
    const TlsServer server({}, [](TlsServer::Stream& stream) {
        stream.write("direct");
        stream.read();
    });
    const Target target{.host = "127.0.0.1", .port = server.port(), .tls = Target::Tls::none};
    const Settings isDefault{{"proxy.p.default", "true"}};
    const Settings mayFall{{"proxy.fallback_to_direct", "true"}};
    GIVEN("a port where no proxy is") {
        const auto port = servers::closedPort();
        WHEN("nothing is said about it") {
            Trusting own(proxy("p", port) + isDefault);
            const auto channel = own.world.dial(target);
            REQUIRE_FALSE(channel);
            CHECK(channel.error().code == Code::channelRefused);
            CHECK(server.accepted() == 0);
        }
        WHEN("it may be passed by") {
            Trusting own(proxy("p", port) + isDefault + mayFall);
            auto channel = own.dial(target);
            CHECK(own.read(*channel, 6) == "direct");
            CHECK(own.world.log.count("the default proxy is passed by") == 1);
            CHECK(channel->passedBy().find("cannot be reached through proxy p 127.0.0.1:" + std::to_string(port)) != std::string::npos);
        }
        WHEN("it may be passed by, and the server is not there either, or no TLS") {
            const bool there = GENERATE(false, true);
            Trusting own(proxy("p", port) + isDefault + mayFall);
            auto other = target;
            if (there) other.tls = Target::Tls::implicit;
            if (!there) other.port = servers::closedPort();
            const auto channel = own.world.dial(other);
            REQUIRE_FALSE(channel);
            CHECK(channel.error().code == (there ? Code::channelNotTls : Code::channelRefused));
            THEN("both are told") {
                CHECK(channel.error().what.find(std::to_string(other.port)) <
                      channel.error().what.find(" (directly, as proxy.fallback_to_direct allows; before, "));
                CHECK(channel.error().what.find("cannot be reached through proxy p 127.0.0.1:" + std::to_string(port)) != std::string::npos);
            }
        }
        WHEN("it may be passed by, but it is named") {
            Trusting own(proxy("p", port) + isDefault + mayFall);
            auto named = target;
            named.proxy = "p";
            CHECK_FALSE(own.world.dial(named));
            CHECK(server.accepted() == 0);
        }
    }
    GIVEN("a proxy that refuses, and may be passed by") {
        const auto* const answer = GENERATE("HTTP/1.1 407 No\r\n\r\n", "HTTP/1.1 503 No\r\n\r\n", "garbage\r\n");
        const Scripted scripted([&](TlsServer::Stream& stream) {
            stream.write(answer);
            stream.goodbye();
        });
        Trusting own(scripted.settings(isDefault + mayFall));
        auto channel = own.dial(target);
        CHECK(own.read(*channel, 6) == "direct");
    }
    GIVEN("a proxy that swallows connections, and may be passed by") {
        const servers::Blackhole hole;
        Trusting own(proxy("p", hole.port()) + isDefault + mayFall);
        auto channel = own.world.dial(target, own.world.in(std::chrono::milliseconds(400)));
        REQUIRE(channel);
        CHECK(own.read(**channel, 6) == "direct");
    }
    GIVEN("a certificate that is not trusted behind the proxy") {
        TlsServer both({.chain = {leaf()}, .plainFirst = true}, [&](TlsServer::Stream& stream) {
            stream.readUntil("\r\n\r\n");
            stream.write("HTTP/1.1 200 OK\r\n\r\n");
            stream.beginTls();
        });
        Trusting own(proxy("p", both.port()) + isDefault + mayFall);
        auto encrypted = target;
        encrypted.tls = Target::Tls::implicit;
        const auto channel = own.world.dial(encrypted);
        THEN("it is not the proxy that failed: nothing is sent past it") {
            REQUIRE_FALSE(channel);
            CHECK(channel.error().code == Code::channelCertificateUntrusted);
            CHECK(server.accepted() == 0);
        }
    }
    GIVEN("a target on its bypass list") {
        Trusting own(proxy("p", servers::closedPort()) + isDefault + Settings{{"proxy.p.bypass", "127.0.0.*"}});
        auto channel = own.dial(target);
        CHECK(own.read(*channel, 6) == "direct");
    }
}

SCENARIO("of a proxy's name it is told that it cannot be found", "[proxy]") {
    Trusting own({{"proxy.p.host", "no-such-proxy.invalid"}, {"proxy.p.port", "3128"}});
    const auto channel = own.world.dial(plain);
    REQUIRE_FALSE(channel);
    CHECK(channel.error().code == Code::channelNameNotFound);
    CHECK(channel.error().what.starts_with("mail.behind.test:143 cannot be reached through proxy p no-such-proxy.invalid:3128: the name "));
}
