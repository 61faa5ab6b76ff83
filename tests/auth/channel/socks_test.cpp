#include "auth/channel/socks_tunnel.h"
#include "tests/auth/channel/trusting.h"

#include <thread>

using auth::Secret;
using auth::SocksTalk;
using auth::Target;
using plugin::Code;
using plugin::Reaction;
using servers::TlsServer;
using Phase = SocksTalk::Phase;
using Version = SocksTalk::Version;
using namespace std::string_literals;

namespace {

constexpr auto host = "mail.behind.test";
const std::string asksFor = "\x05\x01\x00\x03\x10mail.behind.test\x00\x8f"s;                   // port 143
const std::string asksFor4 = "\x04\x01\x00\x8f\x00\x00\x00\x01"s + "me\0mail.behind.test\0"s;  // 0.0.0.1: the name follows
const std::string yes = "\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"s;
const std::string yes4 = "\x00\x5a\x00\x00\x00\x00\x00\x00"s;

std::string shown(const std::string& bytes) { return plugin::printable(bytes, 600); }

SocksTalk talk(Version version, std::string_view to = host, std::uint16_t port = 143, std::string_view user = {}, const Secret* password = nullptr) {
    auto begun = SocksTalk::begin(version, to, port, user, password);
    if (!begun) FAIL(describe(begun.error()));
    return std::move(*begun);
}

/// The last thing we say where the proxy says yes to everything.
std::string requestOf(Version version, std::string_view to, std::uint16_t port, std::string_view user = {}) {
    auto one = talk(version, to, port, user);
    auto said = one.say();
    if (version == Version::four) return std::string(said.reveal());
    CHECK(one.feed("\x05\x00"s) == 2);
    return std::string(one.say().reveal());
}

/// A SOCKS proxy that is strict about what it hears: each step is what must come, octet for octet, and what it says then.
struct Scripted {
    using Steps = std::vector<std::pair<std::string, std::string>>;
    explicit Scripted(Steps script, std::function<void(TlsServer::Stream&)> behind = {})
        : server({}, [script = std::move(script), behind = std::move(behind)](TlsServer::Stream& stream) {
              for (const auto& [heard, said] : script) {
                  const auto got = stream.readExactly(heard.size());
                  if (got != heard) throw std::runtime_error("expected " + shown(heard) + ", got " + shown(got));
                  if (!said.empty()) stream.write(said);
              }
              if (behind) return behind(stream);
              stream.goodbye();
              stream.read();
          }) {}
    ~Scripted() { CHECK(server.problems() == std::vector<std::string>{}); }

    Settings settings(const std::string& type, Settings more = {}) const {
        more["proxy.p.type"] = type;
        more["proxy.p.host"] = "127.0.0.1";
        more["proxy.p.port"] = std::to_string(server.port());
        return more;
    }
    std::string name(const std::string& type) const { return type + " proxy p 127.0.0.1:" + std::to_string(server.port()); }
    TlsServer server;
};

const Target plain{.host = host, .port = 143, .tls = Target::Tls::none, .proxy = "p"};

}  // namespace

SCENARIO("a SOCKS proxy is asked as its version wants it", "[socks]") {
    CHECK(requestOf(Version::five, host, 143) == asksFor);
    CHECK(requestOf(Version::five, "192.0.2.7", 993) == "\x05\x01\x00\x01\xc0\x00\x02\x07\x03\xe1"s);
    CHECK(requestOf(Version::five, "2001:db8::1", 993) == "\x05\x01\x00\x04\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x01\x03\xe1"s);
    CHECK(requestOf(Version::five, "127.1", 1) == "\x05\x01\x00\x03\x05"s + "127.1" + "\x00\x01"s);  // only the proxy knows what that means to it
    CHECK(requestOf(Version::four, host, 143, "me") == asksFor4);
    CHECK(requestOf(Version::four, "192.0.2.7", 993) == "\x04\x01\x03\xe1\xc0\x00\x02\x07\x00"s);
    CHECK(requestOf(Version::four, "0.0.0.9", 993) == "\x04\x01\x03\xe1\x00\x00\x00\x01\x00"s + "0.0.0.9\0"s);  // else it would wait for a name
    CHECK(requestOf(Version::five, std::string(255, 'a'), 1).size() == 4 + 1 + 255 + 2);
    const Secret password("p\xc3\xa4ss:w\xc3\xb6rd");
    auto known = talk(Version::five, host, 143, "J\xc3\xb6rg:x", &password);
    CHECK(known.say().reveal() == "\x05\x02\x02\x00"s);
    CHECK(known.feed("\x05\x02"s) == 2);
    CHECK(known.say().reveal() == "\x01\x07J\xc3\xb6rg:x\x0bp\xc3\xa4ss:w\xc3\xb6rd");
    CHECK(known.feed("\x01\x00"s) == 2);
    CHECK(known.say().reveal() == asksFor);
}

SCENARIO("what SOCKS has no room for is told before a word is said", "[socks]") {
    const auto refused = [](Version version, std::string_view to, std::string_view user, std::optional<std::string_view> word) {
        const auto password = word ? std::optional<Secret>(Secret(*word)) : std::nullopt;
        const auto begun = SocksTalk::begin(version, to, 1, user, password ? &*password : nullptr);
        if (begun) return "nothing"s;
        CHECK(begun.error().reaction == Reaction::askOperator);
        return plugin::codeName(begun.error().code) + " " + begun.error().what;
    };
    const std::string full(255, 'u'), over(256, 'u');
    CHECK(refused(Version::five, host, full, full) == "nothing");
    CHECK(refused(Version::five, host, over, "p") == "PO-1006 its .username is longer than the 255 octets SOCKS has room for");
    CHECK(refused(Version::five, host, "u", over) == "PO-1006 its .password is longer than the 255 octets SOCKS 5 has room for");
    CHECK(refused(Version::five, host, "u", "") == "PO-1006 SOCKS 5 knows no user without a password, and its .password is empty");
    CHECK(refused(Version::five, host, "u", {}) == "PO-1006 SOCKS 5 knows no user without a password, and its .password is empty");
    CHECK(refused(Version::five, host, "", {}) == "nothing");
    CHECK(refused(Version::five, over, "", {}) == "PO-2018 SOCKS has no room for that host name");
    CHECK(refused(Version::four, host, full, {}) == "nothing");
    CHECK(refused(Version::four, host, over, {}) == "PO-1006 its .username is longer than the 255 octets SOCKS has room for");
    CHECK(refused(Version::four, host, "a\0b"s, {}) == "PO-1006 its .username has a NUL in it, which ends it in SOCKS 4");
    CHECK(refused(Version::four, "::1", "", {}) == "PO-2018 SOCKS 4 cannot be asked for an IPv6 address; 5 can");
}

SCENARIO("not an octet is taken that belongs to the tunnel", "[socks]") {
    struct Row {
        Version version;
        std::string says;
    };
    const auto row =
        GENERATE(Row{Version::five, "\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x8f"s}, Row{Version::five, "\x05\x00\x07\x04"s + std::string(18, '\xff')},
                 Row{Version::five, "\x05\x00\x00\x03\x00\x00\x00"s}, Row{Version::five, "\x05\x00\x00\x03\xff"s + std::string(257, 'x')},
                 Row{Version::four, yes4}, Row{Version::four, "\x00\x5a\xff\xff\xff\xff\xff\xff"s});
    GIVEN("an answer of " + std::to_string(row.says.size()) + " octets and a greeting behind it, cut anywhere") {
        const auto all = row.says + "* OK behind the proxy\r\n";
        for (std::size_t cut = 0; cut <= all.size(); ++cut) {
            auto one = talk(row.version);
            one.say();
            if (row.version == Version::five) {
                one.feed("\x05\x00"s);
                one.say();
            }
            const auto first = one.feed(std::string_view(all).substr(0, cut));
            REQUIRE(first == std::min(cut, row.says.size()));
            REQUIRE(one.phase() == (cut < row.says.size() ? Phase::listening : Phase::open));
            REQUIRE(first + one.feed(std::string_view(all).substr(cut)) == row.says.size());
            REQUIRE(one.phase() == Phase::open);
        }
    }
}

SCENARIO("what a SOCKS 5 proxy says instead of yes decides what is done next", "[socks]") {
    struct Row {
        std::string says;  // after the request
        Code code;
        Reaction reaction;
        const char* told;
    };
    const std::string none = "\x00\x00\x01\x00\x00\x00\x00\x00\x00"s;
    const auto row = GENERATE_COPY(
        Row{"\x05\x01" + none, Code::channelProxyFailed, Reaction::reconnect, "it has failed and does not say why (general failure) (reply 1)"},
        Row{"\x05\x02" + none, Code::channelProxyForbidden, Reaction::askOperator, "its rules do not let us (reply 2)"},
        Row{"\x05\x03" + none, Code::channelProxyFailed, Reaction::reconnect, "it has no way there (network unreachable) (reply 3)"},
        Row{"\x05\x04" + none, Code::channelProxyFailed, Reaction::reconnect,
            "it does not find that host, or no way to it (host unreachable) (reply 4)"},
        Row{"\x05\x05" + none, Code::channelProxyFailed, Reaction::reconnect, "nothing listens there (connection refused) (reply 5)"},
        Row{"\x05\x06" + none, Code::channelProxyFailed, Reaction::reconnect, "it got no answer from there in time (TTL expired) (reply 6)"},
        Row{"\x05\x07" + none, Code::channelProxyProtocol, Reaction::askOperator, "it does not understand CONNECT (command not supported) (reply 7)"},
        Row{"\x05\x08" + none, Code::channelProxyProtocol, Reaction::askOperator,
            "it has no way to that kind of address or name (address type not supported) (reply 8)"},
        Row{"\x05\xf0" + none, Code::channelProxyFailed, Reaction::reconnect, "it has failed with a reply no RFC knows (reply 240)"},
        Row{"\x05\x05", Code::channelProxyFailed, Reaction::reconnect, "nothing listens there (connection refused) (reply 5)"},  // no more than that
        Row{"\x05\x00\x00\x02\x00\x00\x00\x00\x00\x00"s, Code::channelProxyProtocol, Reaction::reconnect,
            "it does not answer as a SOCKS 5 proxy does: it names an address of an unknown kind"},
        Row{"\x04\x00\x00\x01"s, Code::channelProxyProtocol, Reaction::reconnect, "it does not answer as a SOCKS 5 proxy does; it may speak SOCKS 4"},
        Row{yes.substr(0, 9), Code::channelProxyProtocol, Reaction::reconnect,
            "it does not answer as a SOCKS 5 proxy does: the stream ended within its answer"},
        Row{"\x05\x00\x00\x03\xff"s + std::string(256, 'x'), Code::channelProxyProtocol, Reaction::reconnect,
            "it does not answer as a SOCKS 5 proxy does: the stream ended within its answer"},
        Row{"", Code::channelProxyProtocol, Reaction::reconnect, "it closed the connection instead of answering as a SOCKS proxy does"});
    GIVEN("a proxy that says " + shown(row.says)) {
        const Scripted scripted({{"\x05\x01\x00"s, "\x05\x00"s}, {asksFor, row.says}});
        Trusting own(scripted.settings("socks5"));
        const auto channel = own.world.dial(plain);
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == row.code);
        CHECK(channel.error().reaction == row.reaction);
        CHECK(channel.error().what == "mail.behind.test:143 cannot be reached through " + scripted.name("socks5") + ": " + row.told);
    }
}

SCENARIO("what begins otherwise is no SOCKS 5 proxy", "[socks]") {
    struct Row {
        std::string says;  // after the greeting
        Code code;
        Reaction reaction;
        const char* told;
    };
    const auto row = GENERATE(
        Row{"\x05\xff"s, Code::channelProxyRefused, Reaction::askOperator, "it wants a user and a password, or another sign-in"},
        Row{"\x05\x02"s, Code::channelProxyProtocol, Reaction::reconnect,
            "it does not answer as a SOCKS 5 proxy does: it chose a sign-in that was not offered"},
        Row{"\x05\x01"s, Code::channelProxyProtocol, Reaction::reconnect,
            "it does not answer as a SOCKS 5 proxy does: it chose a sign-in that was not offered"},
        Row{"HTTP/1.1 400 Bad Request\r\n\r\n", Code::channelProxyProtocol, Reaction::reconnect,
            "it does not answer as a SOCKS 5 proxy does; it may be an HTTP proxy"},
        Row{"\x00\x5b"s, Code::channelProxyProtocol, Reaction::reconnect, "it does not answer as a SOCKS 5 proxy does; it may speak SOCKS 4"},
        Row{"\x15\x03\x01\x00\x02\x02\x46"s, Code::channelProxyProtocol, Reaction::reconnect,
            "it does not answer as a SOCKS 5 proxy does; it may want TLS"},
        Row{"220 mail.example ESMTP\r\n", Code::channelProxyProtocol, Reaction::reconnect, "it does not answer as a SOCKS 5 proxy does"},
        Row{"\x05", Code::channelProxyProtocol, Reaction::reconnect,
            "it does not answer as a SOCKS 5 proxy does: the stream ended within its answer"});
    GIVEN("a proxy that says " + shown(row.says)) {
        const Scripted scripted({{"\x05\x01\x00"s, row.says}});
        Trusting own(scripted.settings("socks5"));
        const auto channel = own.world.dial(plain);
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == row.code);
        CHECK(channel.error().reaction == row.reaction);
        CHECK(channel.error().what == "mail.behind.test:143 cannot be reached through " + scripted.name("socks5") + ": " + row.told);
    }
}

SCENARIO("what a SOCKS 4 proxy says instead of yes decides what is done next", "[socks]") {
    struct Row {
        std::string says;
        Code code;
        Reaction reaction;
        const char* told;
    };
    const std::string none(6, '\0');
    const auto row = GENERATE_COPY(
        Row{"\x00\x5b"s + none, Code::channelProxyFailed, Reaction::reconnect,
            "it does not let us or cannot get there: SOCKS 4 does not say which (reply 91)"},
        Row{"\x00\x5c"s + none, Code::channelProxyRefused, Reaction::askOperator,
            "it wants to hear from an identd on this machine who we are, and reaches none (reply 92)"},
        Row{"\x00\x5d"s + none, Code::channelProxyRefused, Reaction::askOperator,
            "the identd on this machine calls us by another name than .username (reply 93)"},
        Row{"\x00\x00"s + none, Code::channelProxyFailed, Reaction::reconnect, "it has failed with a reply SOCKS 4 does not know (reply 0)"},
        Row{"\x05\x00"s, Code::channelProxyProtocol, Reaction::reconnect, "it does not answer as a SOCKS 4 proxy does; it may speak SOCKS 5"},
        Row{yes4.substr(0, 7), Code::channelProxyProtocol, Reaction::reconnect,
            "it does not answer as a SOCKS 4 proxy does: the stream ended within its answer"},
        Row{"", Code::channelProxyProtocol, Reaction::reconnect, "it closed the connection instead of answering as a SOCKS proxy does"});
    GIVEN("a proxy that says " + shown(row.says)) {
        const Scripted scripted({{asksFor4, row.says}});
        Trusting own(scripted.settings("socks4", {{"proxy.p.username", "me"}}));
        const auto channel = own.world.dial(plain);
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == row.code);
        CHECK(channel.error().reaction == row.reaction);
        CHECK(channel.error().what == "mail.behind.test:143 cannot be reached through " + scripted.name("socks4") + ": " + row.told);
    }
}

SCENARIO("a SOCKS proxy is told who we are where it asks, and nobody else is", "[socks]") {
    const TemporaryFile password("s3cret p\xc3\xa4ss:\n");
    const Settings user{{"proxy.p.username", "post:ern"}, {"proxy.p.password", "${file:" + password.path + "}"}};
    const std::string offer = "\x05\x02\x02\x00"s, signIn = "\x01\x08post:ern\x0ds3cret p\xc3\xa4ss:"s;
    GIVEN("a proxy that asks, and likes it") {
        const auto like = GENERATE(as<std::string>{}, "\x01\x00"s, "\x05\x00"s);  // some have the wrong version there
        const Scripted scripted({{offer, "\x05\x02"s}, {signIn, like}, {asksFor, yes + "hello"}}, [](TlsServer::Stream& stream) { stream.read(); });
        Trusting own(scripted.settings("socks5", user));
        auto channel = own.dial(plain);
        CHECK(own.read(*channel, 5) == "hello");
    }
    GIVEN("a proxy that does not ask") {
        const Scripted scripted({{offer, "\x05\x00"s}, {asksFor, yes + "hello"}}, [](TlsServer::Stream& stream) { stream.read(); });
        Trusting own(scripted.settings("socks5", user));
        auto channel = own.dial(plain);
        CHECK(own.read(*channel, 5) == "hello");
    }
    GIVEN("a proxy that refuses us") {
        const Scripted scripted({{offer, "\x05\x02"s}, {signIn, "\x01\x01"s}});
        Trusting own(scripted.settings("socks5", user));
        const auto channel = own.world.dial(plain);
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == Code::channelProxyRefused);
        CHECK(channel.error().reaction == Reaction::askOperator);
        CHECK(channel.error().what.ends_with(": it refused the user and the password (status 1)"));
        CHECK(own.world.log.count("s3cret") == 0);
    }
    GIVEN("a proxy that hangs up on us") {
        const Scripted scripted({{offer, "\x05\x02"s}, {signIn, ""}});
        Trusting own(scripted.settings("socks5", user));
        const auto channel = own.world.dial(plain);
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == Code::channelProxyProtocol);
        CHECK(channel.error().what.ends_with(": it closed the connection when it heard user and password"));
    }
    GIVEN("a proxy that wants a sign-in we do not have") {
        const Scripted scripted({{offer, "\x05\xff"s}});
        Trusting own(scripted.settings("socks5", user));
        const auto channel = own.world.dial(plain);
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == Code::channelProxyRefused);
        CHECK(channel.error().what.ends_with(": it takes no sign-in by user and password"));
    }
    GIVEN("a password its file has made too long") {
        password.write(std::string(256, 'p'));
        const Scripted scripted({});
        Trusting own(scripted.settings("socks5", user));
        const auto channel = own.world.dial(plain);
        THEN("it is told without a connection") {
            REQUIRE_FALSE(channel);
            CHECK(channel.error().code == Code::configBadValue);
            CHECK(channel.error().what.ends_with(": its .password is longer than the 255 octets SOCKS 5 has room for"));
            CHECK(scripted.server.accepted() == 0);
        }
    }
    GIVEN("a SOCKS 4 proxy, beside whose user no password is read") {
        const Scripted scripted({{asksFor4, yes4 + "hello"}}, [](TlsServer::Stream& stream) { stream.read(); });
        Trusting own(scripted.settings("socks4", {{"proxy.p.username", "me"}}));
        auto channel = own.dial(plain);
        CHECK(own.read(*channel, 5) == "hello");
        CHECK(channel->security() == "plain");
    }
}

SCENARIO("nothing of a SOCKS tunnel is lost, however the proxy cuts its answer", "[socks]") {
    const std::string answer = "\x05\x00\x00\x03\x05"s + "proxy" + "\x00\x8f"s, greeting = "* OK behind the proxy\r\n";
    const auto cut = GENERATE_COPY(range(std::size_t{0}, answer.size() + greeting.size(), std::size_t{5}));
    GIVEN("an answer and a greeting cut after octet " + std::to_string(cut)) {
        const Scripted scripted({{"\x05\x01\x00"s, "\x05\x00"s}, {asksFor, ""}}, [&](TlsServer::Stream& stream) {
            const auto all = answer + greeting;
            if (cut > 0) stream.write(all.substr(0, cut));
            if (cut > 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));  // or they come in one piece, which is as good
            stream.write(all.substr(cut));
            stream.write(stream.readLine());
        });
        Trusting own(scripted.settings("socks5"));
        auto channel = own.dial(plain);
        CHECK(own.read(*channel, greeting.size()) == greeting);
        own.write(*channel, "echo\n");
        CHECK(own.read(*channel, 4) == "echo");
    }
}

SCENARIO("a SOCKS proxy cannot keep us", "[socks]") {
    const std::string longest = "\x05\x00\x00\x03\xff"s + std::string(257, 'x');
    GIVEN("one that drips, an octet at a time, and never comes to its end") {
        const Scripted scripted({{"\x05\x01\x00"s, "\x05\x00"s}, {asksFor, ""}}, [&](TlsServer::Stream& stream) {
            stream.write(longest.substr(0, 20));
            try {
                while (true) {
                    stream.write("x");
                    std::this_thread::sleep_for(std::chrono::milliseconds(5));  // past the deadline long before the 262nd
                }
            } catch (const std::runtime_error&) {  // it has had enough of us
            }
        });
        Trusting own(scripted.settings("socks5"));
        const auto channel = own.world.dial(plain, own.world.in(std::chrono::milliseconds(100)));
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == Code::channelTimeout);
        CHECK(channel.error().reaction == Reaction::reconnect);
    }
    GIVEN("one that says nothing") {
        const auto type = GENERATE(as<std::string>{}, "socks4", "socks5");
        const Scripted scripted({}, [](TlsServer::Stream& stream) {
            while (!stream.read().empty()) {
            }
        });
        Trusting own(scripted.settings(type));
        const auto channel = own.world.dial(plain, own.world.in(std::chrono::milliseconds(50)));
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == Code::channelTimeout);
    }
    GIVEN("one that says nothing while the service stops") {
        std::stop_source stop;
        const Scripted scripted({{"\x05\x01\x00"s, ""}}, [&](TlsServer::Stream& stream) {
            stop.request_stop();
            stream.read();
        });
        Trusting own(scripted.settings("socks5"));
        const auto channel = own.world.run(own.world.dialer->dial(plain, own.world.soon(), stop.get_token()));
        REQUIRE_FALSE(channel);
        CHECK(channel.error().code == Code::channelStopped);
    }
}

SCENARIO("TLS goes through a SOCKS tunnel, and its refusals are not the proxy's", "[socks][tls]") {
    const auto trusted = GENERATE(true, false);
    TlsServer both({.chain = {leaf()}, .plainFirst = true}, [](TlsServer::Stream& stream) {
        stream.readExactly(3);
        stream.write("\x05\x00"s);
        stream.readExactly(asksFor.size());
        stream.write(yes);
        stream.beginTls();
        stream.write("hello " + stream.serverName());
        stream.read();
    });
    Trusting own({{"proxy.p.type", "socks5"},
                  {"proxy.p.host", "127.0.0.1"},
                  {"proxy.p.port", std::to_string(both.port())},
                  {"proxy.p.default", "true"},
                  {"proxy.fallback_to_direct", "true"}});
    const Target target{.host = host, .port = 143, .truststore = trusted ? "own" : ""};
    const auto channel = own.world.dial(target);
    REQUIRE(static_cast<bool>(channel) == trusted);
    if (trusted) {
        CHECK(own.read(**channel, 22) == "hello mail.behind.test");
    } else {
        CHECK(channel.error().code == Code::channelCertificateUntrusted);
        CHECK(own.world.log.count("passed by") == 0);
    }
}

SCENARIO("a default SOCKS proxy is passed by where it may be, and a named one never", "[socks]") {
    const TlsServer server({}, [](TlsServer::Stream& stream) {
        stream.write("direct");
        stream.read();
    });
    Target target{.host = "127.0.0.1", .port = server.port(), .tls = Target::Tls::none};
    const auto type = GENERATE(as<std::string>{}, "socks4", "socks5");
    TlsServer broken({}, [](TlsServer::Stream& stream) {
        stream.read();
        stream.write("garbage");
        stream.goodbye();
    });
    Trusting own({{"proxy.p.type", type},
                  {"proxy.p.host", "127.0.0.1"},
                  {"proxy.p.port", std::to_string(broken.port())},
                  {"proxy.p.default", "true"},
                  {"proxy.fallback_to_direct", "true"}});
    auto channel = own.dial(target);
    CHECK(own.read(*channel, 6) == "direct");
    CHECK(own.world.log.count("the default proxy is passed by") == 1);
    target.proxy = "p";
    const auto refused = own.world.dial(target);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Code::channelProxyProtocol);
    CHECK(server.accepted() == 1);
}
