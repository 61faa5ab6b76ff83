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
        fixture.access.signInSecret = std::move(secret);
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

SCENARIO("a server that keeps talking and never comes to the point is given up too", "[imap]") {
    std::vector<std::string> lines{"S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] ready", authenticate};
    for (int i = 0; i < 100; ++i)
        for (const auto* line : {"wait 10", "S: * OK in a moment"}) lines.emplace_back(line);
    const auto server = std::make_shared<servers::Transcript>(std::initializer_list<std::string_view>{});
    for (const auto& line : lines) server->add(line);
    Fixture fixture(server);
    const auto begun = fixture.loop.clock().steady();
    const auto result = fixture.open();
    REQUIRE_FALSE(result);
    REQUIRE(result.error().code == Code::channelTimeout);
    REQUIRE(fixture.loop.clock().steady() - begun == 3 * fixture.settings.ioTimeout);
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
    GIVEN("one that says a password back as a response code, which is read in capitals") {
        Attempt attempt{"S: * OK [CAPABILITY IMAP4rev1] ready", "C: A1 LOGIN \"tester\" \"Hunter2-Hunter2\"", "S: A1 NO [Hunter2-Hunter2] no"};
        attempt.password("Hunter2-Hunter2");
        const auto result = attempt.open();
        REQUIRE(result.error().code == plugin::Code::mailboxSignInRefused);
        REQUIRE(result.error().what.find("HUNTER2") == std::string::npos);
    }
    GIVEN("one that knows the token from another session") {
        const std::string known{token};
        const auto beginning = GENERATE_COPY(values<std::string>({"* BYE " + known, "* NO [ALERT] " + known, known + " is what you sent",
                                                                  "* OK [CAPABILITY IMAP4rev1 " + known + "] ready", known + " OK hello"}));
        Attempt attempt{"S: " + beginning, "S: * BYE " + known.substr(0, 20)};
        REQUIRE_FALSE(attempt.open());
        REQUIRE(attempt.fixture.log.text.find(known.substr(0, 12)) == std::string::npos);
    }
    GIVEN("one that repeats it long after the sign-in") {
        const std::string known{token};
        const auto answer = GENERATE_COPY(values<std::string>({"S: A3 NO you sent " + known, "S: * BYE you sent " + known, "S: " + known + " what",
                                                               "S: " + known + " NO what", "S: * OK [ALERT] " + known}));
        Attempt attempt{"S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] ready",
                        authenticate,
                        "S: A1 OK [CAPABILITY IMAP4rev1] in",
                        "C: A2 LIST \"\" \"\"",
                        "S: * LIST () \"/\" \"\"",
                        "S: A2 OK done",
                        "C: A3 SELECT \"INBOX\"",
                        answer};
        REQUIRE(attempt.open());
        const auto selected = attempt.fixture.select("INBOX");
        REQUIRE_FALSE(selected);
        REQUIRE(selected.error().what.find(known.substr(0, 12)) == std::string::npos);
        REQUIRE(attempt.fixture.log.text.find(known.substr(0, 12)) == std::string::npos);
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

namespace {

const std::string oauthbearer =
    "bixhPXNvbWV1c2VyQGV4YW1wbGUuY29tLAFob3N0PWltYXAuZXhhbXBsZS5jb20BcG9ydD05OTMBYXV0aD1CZWFyZXIgeWEyOS52RjlkZnQ0cW1UYzJOdmIzUmxja0JoZEhSaGRtbHpk"
    "R0V1WTI5dENnAQE=";
const std::string both = "S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2 AUTH=OAUTHBEARER] ready";
const std::string bearer = "C: A1 AUTHENTICATE OAUTHBEARER " + oauthbearer;

}  // namespace

SCENARIO("OAUTHBEARER goes first, and where it does not work XOAUTH2 second", "[imap]") {
    GIVEN("a server that refuses the token") {
        Attempt attempt{both, bearer,
                        "S: + eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIiwic2NvcGUiOiJtYWlsIn0=", "C: AQ==", "S: A1 NO [AUTHENTICATIONFAILED] no"};
        const auto result = attempt.open();
        REQUIRE(result.error().reaction == Reaction::reauthenticate);
        REQUIRE(result.error().what.find("status invalid_token, scope mail") != std::string::npos);
        REQUIRE(attempt.fixture.access.tokens().refusals == 1);
        REQUIRE(attempt.server->isOver());
    }
    GIVEN("a server that refuses the mechanism") {
        const std::string answer = GENERATE(as<std::string>{}, "S: A1 BAD Unsupported", "S: A1 NO Unsupported authentication mechanism");
        Attempt attempt{both,
                        bearer,
                        answer,
                        "C: A2 AUTHENTICATE XOAUTH2",
                        "S: + ",
                        "C: " + std::string{xoauth2},
                        "S: A2 OK [CAPABILITY IMAP4rev1] in",
                        "C: A3 LIST \"\" \"\"",
                        "S: * LIST () \"/\" \"\"",
                        "S: A3 OK done"};
        REQUIRE(attempt.open());
        REQUIRE(attempt.fixture.access.tokens().refusals == 0);
        REQUIRE(attempt.server->isOver());
    }
    GIVEN("a server that takes neither") {
        Attempt attempt{both,
                        bearer,
                        "S: A1 NO Unsupported",
                        "C: A2 AUTHENTICATE XOAUTH2",
                        "S: + ",
                        "C: " + std::string{xoauth2},
                        "S: A2 NO AUTHENTICATE failed."};
        REQUIRE(attempt.open().error().reaction == Reaction::reauthenticate);
        REQUIRE(attempt.fixture.access.tokens().refusals == 1);
    }
    GIVEN("a server that is busy") {
        Attempt attempt{both, bearer, "S: A1 NO [UNAVAILABLE] later"};
        REQUIRE(attempt.open().error().reaction == Reaction::retryLater);
    }
    GIVEN("a configuration that says which") {
        Attempt attempt{both, bearer, "S: A1 BAD Unsupported"};
        attempt.fixture.settings.sasl = "oauthbearer";
        REQUIRE(attempt.open().error().reaction == Reaction::askOperator);
    }
}

SCENARIO("authenticated but not connected does not cost the token, however it is said", "[imap]") {
    const std::string answer = GENERATE(as<std::string>{}, "S: A2 BAD User is authenticated but not connected.",
                                        "S: A2 NO User is authenticated but not connected.", "S: * BYE User is authenticated but not connected.");
    Attempt attempt{"S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] ready", authenticate, "S: A1 OK [CAPABILITY IMAP4rev1 NAMESPACE] in",
                    "C: A2 NAMESPACE", answer};
    const auto result = attempt.open();
    REQUIRE(result.error().reaction == Reaction::askOperator);
    REQUIRE(result.error().code == Code::mailboxAccess);
    for (const auto cause : {"FullAccess", "object id", "name is wrong", "IMAP is disabled", "tenant", "load"})
        REQUIRE(result.error().what.find(cause) != std::string::npos);
    REQUIRE(attempt.fixture.access.tokens().refusals == 0);
}

SCENARIO("STARTTLS is not done without once it is chosen", "[imap]") {
    const auto starttls = [](Attempt& attempt) { attempt.fixture.settings.target.tls = auth::Target::Tls::starttls; };
    GIVEN("a server that offers it") {
        Attempt attempt{"S: * OK [CAPABILITY IMAP4rev1 STARTTLS LOGINDISABLED AUTH=OAUTHBEARER SASL-IR] ready",
                        "C: A1 STARTTLS",
                        "S: A1 OK begin",
                        "starttls",
                        "C: A2 CAPABILITY",
                        "S: * CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2",
                        "S: A2 OK done",
                        "C: A3 AUTHENTICATE XOAUTH2 " + std::string{xoauth2},
                        "S: A3 OK [CAPABILITY IMAP4rev1] in",
                        "C: A4 LIST \"\" \"\"",
                        "S: * LIST () \"/\" \"\"",
                        "S: A4 OK done"};
        starttls(attempt);
        const auto result = attempt.open();
        INFO((result ? std::string{} : describe(result.error())));
        REQUIRE(result);  // nothing of what was said before counts
        REQUIRE(attempt.server->isOver());
    }
    GIVEN("a server that lists nothing in its greeting") {
        Attempt attempt{"S: * OK ready", "C: A1 CAPABILITY", "S: * CAPABILITY IMAP4rev1 STARTTLS",
                        "S: A1 OK done", "C: A2 STARTTLS",   "S: A2 NO [UNAVAILABLE] no certificate today"};
        starttls(attempt);
        REQUIRE(attempt.open().error().reaction == Reaction::retryLater);
        REQUIRE(attempt.server->isOver());
    }
    GIVEN("a server, or somebody on the way, that does not offer it") {
        Attempt attempt{"S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2] ready"};
        starttls(attempt);
        const auto result = attempt.open();
        REQUIRE(result.error().reaction == Reaction::askOperator);
        REQUIRE(result.error().code == Code::channelNotTls);
    }
    GIVEN("a server that signs us in before") {
        Attempt attempt{"S: * PREAUTH [CAPABILITY IMAP4rev1 STARTTLS] in"};
        starttls(attempt);
        REQUIRE(attempt.open().error().code == Code::channelNotTls);
    }
    GIVEN("octets that come before TLS does") {
        Attempt attempt{"S: * OK [CAPABILITY IMAP4rev1 STARTTLS] ready", "C: A1 STARTTLS", "S: A1 OK begin", "S: * CAPABILITY IMAP4rev1 AUTH=PLAIN",
                        "starttls"};
        starttls(attempt);
        const auto result = attempt.open();
        REQUIRE(result.error().code == Code::mailboxProtocol);
        REQUIRE(result.error().reaction == Reaction::reconnect);
    }
}

SCENARIO("a session that ends with its token's life is no failure", "[imap]") {
    const auto gmail = [](std::vector<std::string> more) {
        const auto server = std::make_shared<servers::Transcript>(Lines{});
        for (const std::string_view line :
             {std::string_view{"S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] ready"}, std::string_view{authenticate},
              std::string_view{"S: A1 OK [CAPABILITY IMAP4rev1 IDLE X-GM-EXT-1] in"}, std::string_view{"C: A2 LIST \"\" \"\""},
              std::string_view{"S: * LIST () \"/\" \"\""}, std::string_view{"S: A2 OK done"}, std::string_view{"C: A3 SELECT \"INBOX\""},
              std::string_view{"S: * 0 EXISTS"}, std::string_view{"S: * OK [UIDVALIDITY 1]"}, std::string_view{"S: * OK [UIDNEXT 1]"},
              std::string_view{"S: A3 OK done"}, std::string_view{"C: A4 UID SEARCH UID 1:*"}, std::string_view{"S: * SEARCH"},
              std::string_view{"S: A4 OK done"}})
            server->add(line);
        for (const auto& line : more) server->add(line);
        return server;
    };
    const auto ready = [](Fixture& fixture, std::chrono::seconds life) {
        fixture.access.tokens().life = life;
        fixture.watchFor = std::chrono::hours{2};
        REQUIRE(fixture.open());
        REQUIRE(fixture.select("INBOX"));
        REQUIRE(fixture.list());
    };
    GIVEN("a watched mailbox at Gmail") {
        const auto server = gmail({"C: A5 IDLE", "S: + idling", "C: DONE", "S: A5 OK done", "C: A6 LOGOUT", "S: * BYE", "S: A6 OK done", "close"});
        Fixture fixture{server};
        ready(fixture, std::chrono::seconds{300 + 300});
        const auto begun = fixture.loop.clock().steady();
        const auto news = fixture.watch({"INBOX"});
        REQUIRE(server->failure().empty());
        THEN("it is renewed in order five minutes before") {
            REQUIRE(news.error().code == Code::mailboxSessionExpired);
            REQUIRE(fixture.loop.clock().steady() - begun == std::chrono::seconds{300});
            REQUIRE(fixture.access.tokens().refusals == 0);
            fixture.close();
            REQUIRE(server->isOver());
        }
    }
    GIVEN("Gmail ending it, by BYE or without a word, when the token ends") {
        const std::string end = GENERATE(as<std::string>{}, "S: * BYE Bye", "close");
        const std::string wait = GENERATE(as<std::string>{}, "wait 10", "wait 50");
        const auto server = gmail({"C: A5 IDLE", "S: + idling", wait, end});
        Fixture fixture{server};
        ready(fixture, std::chrono::seconds{100});
        const auto news = fixture.watch({"INBOX"});
        const bool early = wait == "wait 10";
        REQUIRE((news.error().code == Code::mailboxSessionExpired) == !early);
        REQUIRE(news.error().reaction == Reaction::reconnect);
        REQUIRE(fixture.access.tokens().refusals == 0);
    }
    GIVEN("a server that says so") {
        const auto server = gmail({"C: A5 IDLE", "S: + idling", "S: * BYE Session expired, please login again."});
        Fixture fixture{server};
        ready(fixture, std::chrono::hours{1});
        REQUIRE(fixture.watch({"INBOX"}).error().code == Code::mailboxSessionExpired);
        REQUIRE(fixture.access.tokens().refusals == 0);
    }
    GIVEN("a server that knows the token no more") {
        const std::string answer =
            GENERATE(as<std::string>{}, "S: A5 NO [AUTHENTICATIONFAILED] Invalid credentials (Failure)", "S: A5 BAD Invalid credentials (Failure)");
        const auto server = gmail({"C: A5 UID SEARCH UID 1:*", answer});
        Fixture fixture{server};
        ready(fixture, std::chrono::hours{1});
        const auto listing = fixture.list();
        REQUIRE(listing.error().code == Code::mailboxSessionExpired);
        REQUIRE(listing.error().reaction == Reaction::reconnect);
        THEN("the source of tokens is told, once") {
            REQUIRE(fixture.access.tokens().refusals == 1);
            REQUIRE_FALSE(fixture.list());
            REQUIRE(fixture.access.tokens().refusals == 1);
        }
    }
}

SCENARIO("a good-bye is said, and nobody waits for its answer", "[imap]") {
    GIVEN("a server that does not answer it") {
        Attempt attempt{"S: * PREAUTH [CAPABILITY IMAP4rev1] ready", "C: A1 LIST \"\" \"\"", "S: * LIST () \"/\" \"\"", "S: A1 OK done",
                        "C: A2 LOGOUT"};
        REQUIRE(attempt.open());
        const auto begun = attempt.fixture.loop.clock().steady();
        attempt.fixture.close();
        THEN("the session is over at once") {
            REQUIRE(attempt.server->isOver());
            REQUIRE(attempt.server->failure().empty());
            REQUIRE(attempt.fixture.loop.clock().steady() == begun);
            REQUIRE(attempt.fixture.select("INBOX").error().reaction == Reaction::reconnect);
        }
    }
}

SCENARIO("nobody is signed in without TLS but at this machine", "[imap]") {
    Attempt attempt{"S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=XOAUTH2] ready", authenticate, "S: A1 OK done"};
    attempt.fixture.settings.target.tls = auth::Target::Tls::none;
    const bool password = GENERATE(false, true);
    if (password) attempt.password();
    const auto opened = attempt.fixture.open();
    REQUIRE_FALSE(opened);
    CHECK(opened.error().code == Code::configPlainHttp);
    CHECK(opened.error().reaction == Reaction::askOperator);
}
