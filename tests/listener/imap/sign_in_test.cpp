#include "listener/imap/sign_in.h"
#include "tests/listener/imap/fixture.h"
#include "tests/servers/transcript.h"

#include <catch2/catch.hpp>

using namespace imaptest;
using listener::imap::chooseMechanism;
using listener::imap::Mechanism;
using plugin::Code;
using plugin::Reaction;

namespace {

using Lines = std::initializer_list<std::string_view>;

const std::string authenticate = "C: A1 AUTHENTICATE XOAUTH2 " + std::string{xoauth2};

struct Attempt {
    explicit Attempt(Lines lines) : server(std::make_shared<servers::Transcript>(lines)), fixture(server) {}
    plugin::Result<void> open() {
        auto result = fixture.open();
        INFO(server->failure());
        CHECK(server->failure().empty());
        if (!result) {
            CHECK(result.error().what.find(token) == std::string::npos);
            CHECK(result.error().what.find("geheim") == std::string::npos);
        }
        CHECK(fixture.log.text.find("geheim") == std::string::npos);
        return result;
    }
    void password(std::string secret = "geheim") {
        fixture.access.signInKind = auth::Access::Kind::password;
        fixture.access.username = "tester";
        fixture.access.secret = std::move(secret);
    }
    std::shared_ptr<servers::Transcript> server;
    Fixture fixture;
};

}  // namespace

SCENARIO("a refused token is reported once and never shown", "[imap]") {
    GIVEN("Gmail, which sends a challenge first") {
        Attempt attempt{"S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] ready", authenticate,
                        "S: + eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIG1hYyIsInNjb3BlIjoiaHR0cHM6Ly9tYWlsLmdvb2dsZS5jb20vIn0K",
                        "C: ", "S: A1 NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)"};
        const auto result = attempt.open();
        REQUIRE_FALSE(result);
        REQUIRE(result.error().reaction == Reaction::reauthenticate);
        REQUIRE(result.error().code == Code::mailboxSignInRefused);
        REQUIRE(result.error().what.find("401") != std::string::npos);
        REQUIRE(result.error().what.find("https://mail.google.com/") != std::string::npos);
        REQUIRE(attempt.fixture.access.tokens().refusals == 1);
    }
    GIVEN("Exchange Online, which does not") {
        Attempt attempt{"S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] ready", authenticate, "S: A1 NO AUTHENTICATE failed."};
        const auto result = attempt.open();
        REQUIRE(result.error().reaction == Reaction::reauthenticate);
        REQUIRE(attempt.fixture.access.tokens().refusals == 1);
    }
    GIVEN("a server that never stops asking") {
        Attempt attempt{
            "S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] ready", authenticate, "S: + ", "C: ", "S: + ", "C: ", "S: + ", "C: ", "S: + "};
        REQUIRE(attempt.open().error().code == Code::mailboxProtocol);
    }
}

SCENARIO("what is not about the token does not cost the token", "[imap]") {
    struct Row {
        std::string answer;
        Reaction reaction;
        Code code;
    };
    const auto row = GENERATE(values<Row>({
        {"A1 NO [UNAVAILABLE] Temporary authentication failure.", Reaction::retryLater, Code::mailboxCommandRefused},
        {"A1 NO [ALERT] Too many simultaneous connections. (Failure)", Reaction::retryLater, Code::mailboxThrottled},
        {"A1 BAD Request is throttled. Suggested Backoff Time: 299910 milliseconds", Reaction::retryLater, Code::mailboxThrottled},
        {"A1 NO [AUTHORIZATIONFAILED] not yours", Reaction::askOperator, Code::mailboxAccess},
        {"A1 BAD Command Argument Error. 11", Reaction::askOperator, Code::mailboxSignInRefused},
        {"* BYE Too many tries", Reaction::reconnect, Code::mailboxClosedByServer},
    }));
    GIVEN(row.answer) {
        const auto answer = "S: " + row.answer;
        Attempt attempt{"S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] ready", authenticate, answer};
        const auto result = attempt.open();
        REQUIRE(result.error().reaction == row.reaction);
        REQUIRE(result.error().code == row.code);
        REQUIRE(attempt.fixture.access.tokens().refusals == 0);
        if (row.answer.find("299910") != std::string::npos) REQUIRE(result.error().retryAfter == std::chrono::milliseconds{299910});
    }
}

SCENARIO("signed in but not connected is a matter of access, found before anything is selected", "[imap]") {
    Attempt attempt{"S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] ready",
                    authenticate,
                    "S: A1 OK AUTHENTICATE completed.",
                    "C: A2 CAPABILITY",
                    "S: * CAPABILITY IMAP4rev1 NAMESPACE",
                    "S: A2 OK done",
                    "C: A3 NAMESPACE",
                    "S: A3 BAD User is authenticated but not connected.",
                    "S: * BYE Connection closed. 14",
                    "close"};
    const auto result = attempt.open();
    REQUIRE(result.error().reaction == Reaction::askOperator);
    REQUIRE(result.error().code == Code::mailboxAccess);
    REQUIRE(attempt.fixture.access.tokens().refusals == 0);
}

SCENARIO("passwords go by PLAIN, or by LOGIN where that is all there is", "[imap]") {
    GIVEN("PLAIN with an initial response") {
        Attempt attempt{"S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=PLAIN] ready",
                        "C: A1 AUTHENTICATE PLAIN AHRlc3RlcgBnZWhlaW0=",
                        "S: A1 OK [CAPABILITY IMAP4rev1] in",
                        "C: A2 LIST \"\" \"\"",
                        "S: * LIST (\\Noselect) \"/\" \"\"",
                        "S: A2 OK done"};
        attempt.password();
        REQUIRE(attempt.open());
        REQUIRE(attempt.server->isOver());
    }
    GIVEN("LOGIN with a password that needs a literal") {
        Attempt attempt{"S: * OK [CAPABILITY IMAP4rev1] ready",
                        "C: A1 LOGIN \"tester\" {9}",
                        "S: + go on",
                        "C: geh\"eim\xc3\xbc",
                        "S: A1 OK [CAPABILITY IMAP4rev1] in",
                        "C: A2 LIST \"\" \"\"",
                        "S: * LIST (\\Noselect) \"/\" \"\"",
                        "S: A2 OK done"};
        attempt.password("geh\"eim\xc3\xbc");
        REQUIRE(attempt.open());
        REQUIRE(attempt.server->isOver());
    }
    GIVEN("a wrong password") {
        Attempt attempt{"S: * OK [CAPABILITY IMAP4rev1] ready", "C: A1 LOGIN \"tester\" \"geheim\"", "S: A1 NO [AUTHENTICATIONFAILED] no"};
        attempt.password();
        const auto result = attempt.open();
        REQUIRE(result.error().reaction == Reaction::askOperator);
        REQUIRE(result.error().code == Code::mailboxSignInRefused);
    }
    GIVEN("LOGINDISABLED") {
        Attempt attempt{"S: * OK [CAPABILITY IMAP4rev1 LOGINDISABLED STARTTLS] ready"};
        attempt.password();
        REQUIRE(attempt.open().error().code == Code::mailboxNoMechanism);
    }
}

SCENARIO("the way to sign in follows from credential, configuration and server", "[imap]") {
    const auto choose = [](auth::Access::Kind kind, std::string_view sasl, std::set<std::string, std::less<>> offers) {
        return chooseMechanism(kind, sasl, [&](std::string_view name) { return offers.contains(name); });
    };
    using Kind = auth::Access::Kind;
    REQUIRE(*choose(Kind::token, "auto", {"AUTH=XOAUTH2", "AUTH=OAUTHBEARER"}) == Mechanism::oauthbearer);
    REQUIRE(*choose(Kind::token, "auto", {"AUTH=XOAUTH2"}) == Mechanism::xoauth2);
    REQUIRE(*choose(Kind::token, "auto", {"AUTH=OAUTHBEARER"}) == Mechanism::oauthbearer);
    REQUIRE(*choose(Kind::token, "xoauth2", {"AUTH=XOAUTH2", "AUTH=OAUTHBEARER"}) == Mechanism::xoauth2);
    REQUIRE(*choose(Kind::password, "auto", {"AUTH=XOAUTH2", "AUTH=PLAIN"}) == Mechanism::plain);
    REQUIRE(*choose(Kind::password, "plain", {}) == Mechanism::login);
    REQUIRE_FALSE(choose(Kind::token, "auto", {"AUTH=PLAIN"}));
    REQUIRE_FALSE(choose(Kind::token, "plain", {"AUTH=PLAIN"}));
    REQUIRE_FALSE(choose(Kind::password, "xoauth2", {"AUTH=XOAUTH2"}));
}

SCENARIO("what the configuration disables is not used", "[imap]") {
    Attempt attempt{"S: * OK [CAPABILITY IMAP4rev1 SASL-IR ID NAMESPACE AUTH=XOAUTH2] ready"};
    attempt.fixture.settings.disabledCapabilities = {"AUTH=XOAUTH2"};
    const auto result = attempt.fixture.open();
    REQUIRE(result.error().code == Code::mailboxNoMechanism);
    REQUIRE(result.error().what.find("SASL-IR") != std::string::npos);
}

SCENARIO("what does not greet as IMAP does is not spoken to", "[imap]") {
    const std::string greeting = GENERATE(as<std::string>{}, "S: * NO come later", "S: A1 OK hello", "S: + hello", "S: 220 mail.example.com ESMTP");
    const auto server = std::make_shared<servers::Transcript>(Lines{greeting});
    Fixture fixture{server};
    const auto result = fixture.open();
    REQUIRE_FALSE(result);
    REQUIRE(result.error().code == Code::mailboxProtocol);
    REQUIRE(server->failure().empty());
}

SCENARIO("who is signed in already is not asked again", "[imap]") {
    Attempt attempt{"S: * PREAUTH [CAPABILITY IMAP4rev1] welcome", "C: A1 LIST \"\" \"\"", "S: * LIST () NIL \"\"", "S: A1 OK done"};
    REQUIRE(attempt.open());
}

SCENARIO("a server that says nothing more is given up after the time-out", "[imap]") {
    Attempt attempt{"S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] ready", authenticate};
    const auto before = attempt.fixture.loop.clock().steady();
    const auto result = attempt.open();
    REQUIRE(result.error().code == Code::channelTimeout);
    REQUIRE(attempt.fixture.loop.clock().steady() - before == attempt.fixture.settings.ioTimeout);
}

SCENARIO("a stop ends every wait", "[imap]") {
    Attempt attempt{"S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] ready", authenticate};
    attempt.fixture.stop.request_stop();
    REQUIRE(attempt.open().error().code == Code::channelStopped);
}

SCENARIO("a server that repeats what we signed in with is not quoted", "[imap]") {
    GIVEN("one that repeats the whole line with the token") {
        Attempt attempt{"S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] ready", authenticate,
                        "S: A1 NO bad: A1 AUTHENTICATE XOAUTH2 " + std::string{xoauth2}};
        const auto result = attempt.open();
        REQUIRE(result.error().what.find(std::string{xoauth2}.substr(0, 20)) == std::string::npos);
        REQUIRE(result.error().what.find("left out") != std::string::npos);
    }
    GIVEN("one that says a password back in an alert") {
        Attempt attempt{"S: * OK [CAPABILITY IMAP4rev1] ready", "C: A1 LOGIN \"tester\" \"geheim\"", "S: * OK [ALERT] geheim is weak",
                        "S: A1 NO not geheim"};
        attempt.password();
        REQUIRE_FALSE(attempt.open());
    }
}

SCENARIO("a server's alerts do not fill the log", "[imap]") {
    const std::string alert = "S: * OK [ALERT] look here";
    Attempt attempt{"S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] ready", authenticate, alert, alert, alert, alert, alert, "S: A1 NO no"};
    REQUIRE_FALSE(attempt.open());
    std::size_t shown = 0;
    for (auto at = attempt.fixture.log.text.find("look here"); at != std::string::npos; at = attempt.fixture.log.text.find("look here", at + 1))
        ++shown;
    REQUIRE(shown == 3);
}
