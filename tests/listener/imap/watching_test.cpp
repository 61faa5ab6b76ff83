#include "listener/imap/watching.h"
#include "tests/listener/imap/fixture.h"
#include "tests/servers/transcript.h"

#include <catch2/catch.hpp>

using namespace imaptest;
using namespace std::chrono_literals;
using plugin::Code;
using plugin::Reaction;
using Names = std::vector<std::string>;

namespace {

/// A mailbox that is signed in, whose INBOX (UIDNEXT 10, four mails) has been looked into, and the rest of its conversation.
struct Watched {
    explicit Watched(std::string capabilities, std::vector<std::string> lines, servers::Link link = {})
        : server(std::make_shared<servers::Transcript>(std::initializer_list<std::string_view>{})),
          fixture((prepare(capabilities, lines), server), link) {
        REQUIRE(fixture.open());
        REQUIRE(fixture.select("INBOX"));
        REQUIRE(fixture.list({.above = 9}));
        begun = fixture.loop.clock().steady();
    }
    plugin::Result<Names> watch(Names folders = {"INBOX"}, std::chrono::seconds sweep = 5min, std::optional<std::chrono::seconds> wakeAfter = {}) {
        auto news = fixture.watch(std::move(folders), sweep, wakeAfter);
        INFO(server->failure());
        INFO((news ? std::string{} : describe(news.error())));
        CHECK(server->failure().empty());
        return news;
    }
    auto passed() { return fixture.loop.clock().steady() - begun; }

    std::shared_ptr<servers::Transcript> server;
    Fixture fixture;
    plugin::Steady begun{};

private:
    void prepare(const std::string& capabilities, const std::vector<std::string>& lines) {
        const std::string greeting = "S: * PREAUTH [CAPABILITY IMAP4rev1 " + capabilities + "] ready";
        for (const std::string_view line :
             {std::string_view{greeting}, std::string_view{"C: A1 LIST \"\" \"\""}, std::string_view{"S: * LIST (\\Noselect) \"/\" \"\""},
              std::string_view{"S: A1 OK done"}, std::string_view{"C: A2 SELECT \"INBOX\""}, std::string_view{"S: * 4 EXISTS"},
              std::string_view{"S: * OK [UIDVALIDITY 7]"}, std::string_view{"S: * OK [UIDNEXT 10]"}, std::string_view{"S: A2 OK [READ-WRITE] done"},
              std::string_view{"C: A3 UID SEARCH UID 10:*"}, std::string_view{"S: * SEARCH"}, std::string_view{"S: A3 OK done"}})
            server->add(line);
        for (const auto& line : lines) server->add(line);
    }
};

}  // namespace

SCENARIO("IDLE ends when mail comes, and only then", "[imap]") {
    GIVEN("a server that tells of all kinds of things first") {
        Watched watched{"IDLE",
                        {"C: A4 IDLE", "S: + idling", "wait 30", "S: * OK Still here", "S: * 2 FETCH (FLAGS (\\Seen))", "S: * 1 EXPUNGE", "wait 60",
                         "S: * 3 EXISTS", "S: * 0 RECENT", "wait 90", "S: * 4 EXISTS", "C: DONE", "S: A4 OK IDLE terminated"}};
        const auto news = watched.watch();
        REQUIRE(news);
        THEN("what grows the folder is news") {
            REQUIRE(*news == Names{"INBOX"});
            REQUIRE(watched.passed() == 180s);
            REQUIRE(watched.server->isOver());
            REQUIRE(watched.fixture.mailbox().pushes());
        }
    }
    GIVEN("one that sends it in the smallest pieces") {
        Watched watched{"IDLE", {"C: A4 IDLE", "S: + idling", "S: * 5 EXISTS", "C: DONE", "S: A4 OK done"}, {.chunk = 1, .pauses = true}};
        REQUIRE(*watched.watch() == Names{"INBOX"});
        REQUIRE(watched.server->isOver());
    }
    GIVEN("one that tells before it says that it idles, and says that late") {
        Watched watched{"IDLE", {"C: A4 IDLE", "S: * 5 EXISTS", "wait 40", "S: + idling", "C: DONE", "S: A4 OK done"}};
        REQUIRE(*watched.watch() == Names{"INBOX"});
        REQUIRE(watched.server->isOver());
    }
    GIVEN("mail that came while the folder was being looked into") {
        Watched watched{"IDLE", {"C: A4 UID SEARCH UID 10:*", "S: * SEARCH", "S: * 5 EXISTS", "S: A4 OK done"}};
        REQUIRE(watched.fixture.list({.above = 9}));
        REQUIRE(*watched.watch() == Names{"INBOX"});  // at once, without IDLE
    }
}

SCENARIO("IDLE is begun anew before routers forget it, and ends in order", "[imap]") {
    GIVEN("nothing to tell for twenty minutes") {
        Watched watched{"IDLE",
                        {"C: A4 IDLE", "S: + idling", "C: DONE", "S: A4 OK done", "C: A5 IDLE", "S: + idling", "C: DONE", "S: A5 OK done",
                         "C: A6 IDLE", "S: + idling", "C: DONE", "S: A6 OK done", "C: A7 LOGOUT", "S: * BYE", "S: A7 OK done", "close"}};
        watched.fixture.watchFor = 20min;
        REQUIRE(watched.watch()->empty());
        REQUIRE(watched.passed() == 20min);
        watched.fixture.close();
        REQUIRE(watched.server->isOver());
    }
    GIVEN("a caller who wants it back") {
        Watched watched{"IDLE",
                        {"C: A4 IDLE", "S: + idling", "C: DONE", "S: A4 OK done", "C: A5 SELECT \"INBOX\"", "S: * 4 EXISTS",
                         "S: * OK [UIDVALIDITY 7]", "S: * OK [UIDNEXT 10]", "S: A5 OK done"}};
        REQUIRE(watched.watch({"INBOX"}, 5min, 100s)->empty());
        REQUIRE(watched.passed() == 100s);
        REQUIRE(watched.fixture.select("INBOX"));  // the session goes on
        REQUIRE(watched.server->isOver());
    }
    GIVEN("a caller who wants it back before the server has said that it idles") {
        Watched watched{"IDLE", {"C: A4 IDLE", "wait 20", "S: + idling", "C: DONE", "S: A4 OK done"}};
        REQUIRE(watched.watch({"INBOX"}, 5min, 10s)->empty());
        REQUIRE(watched.server->isOver());
    }
    GIVEN("a caller who wants it back while a line is half here") {
        Watched watched{"IDLE", {"C: A4 IDLE", "S: + idling", "wait 50", "S: * 5 EXISTS", "C: DONE", "S: A4 OK done"}, {.chunk = 3, .pauses = true}};
        const auto news = watched.watch({"INBOX"}, 5min, 50s);
        REQUIRE(news);
        REQUIRE(watched.server->isOver());
    }
}

SCENARIO("a dead line shows when IDLE is to end", "[imap]") {
    GIVEN("a server that says nothing to DONE") {
        Watched watched{"IDLE", {"C: A4 IDLE", "S: + idling", "C: DONE"}};
        const auto news = watched.watch();
        REQUIRE_FALSE(news);
        REQUIRE(news.error().code == Code::channelTimeout);
        REQUIRE(news.error().reaction == Reaction::reconnect);
        REQUIRE(watched.passed() == listener::imap::idleTime + listener::imap::idleEndTime);
        REQUIRE_FALSE(watched.fixture.mailbox().pushes());
    }
    GIVEN("a server that keeps talking instead") {
        std::vector<std::string> lines{"C: A4 IDLE", "S: + idling", "C: DONE"};
        for (int i = 0; i < 10; ++i) lines.insert(lines.end(), {"wait 4", "S: * OK Still here"});
        Watched watched{"IDLE", lines};
        REQUIRE(watched.watch().error().code == Code::channelTimeout);
        REQUIRE(watched.passed() == listener::imap::idleTime + listener::imap::idleEndTime);
    }
    GIVEN("a server that never says that it idles") {
        Watched watched{"IDLE", {"C: A4 IDLE"}};
        REQUIRE(watched.watch().error().code == Code::channelTimeout);
        REQUIRE(watched.passed() == watched.fixture.settings.ioTimeout);
    }
    GIVEN("a server that hangs up") {
        Watched watched{"IDLE", {"C: A4 IDLE", "S: + idling", "wait 70", "close"}};
        REQUIRE(watched.watch().error().code == Code::channelClosed);
    }
    GIVEN("a stop of everything") {
        Watched watched{"IDLE", {"C: A4 IDLE", "S: + idling"}};
        watched.fixture.loop.at(watched.begun + 30s, [&] { watched.fixture.stop.request_stop(); });
        REQUIRE(watched.watch().error().code == Code::channelStopped);
        REQUIRE(watched.passed() < 1min);
    }
}

SCENARIO("a server that offers IDLE and does not mean it is asked now and then instead", "[imap]") {
    GIVEN("NO or BAD") {
        const std::string answer = GENERATE(as<std::string>{}, "S: A4 NO not here", "S: A4 BAD Unknown command");
        Watched watched{"IDLE", {"C: A4 IDLE", answer}};
        const auto news = watched.watch();
        REQUIRE(news);
        REQUIRE(news->empty());
        REQUIRE_FALSE(watched.fixture.mailbox().pushes());
        REQUIRE(watched.fixture.log.text.find("does not tell of arrivals") != std::string::npos);
    }
    GIVEN("one that ends it by itself, again and again") {
        Watched watched{
            "IDLE",
            {"C: A4 IDLE", "S: + idling", "S: A4 OK done", "C: A5 IDLE", "S: A5 OK done", "C: A6 IDLE", "S: + idling", "wait 20", "S: A6 OK done"}};
        REQUIRE(watched.watch()->empty());
        REQUIRE_FALSE(watched.fixture.mailbox().pushes());
        REQUIRE(watched.passed() == 30s);
        REQUIRE(watched.server->isOver());
    }
    GIVEN("one that ends it by itself now and then") {
        Watched watched{"IDLE", {"C: A4 IDLE",    "S: + idling",   "wait 90",     "S: A4 OK done", "C: A5 IDLE",    "S: + idling", "wait 90",
                                 "S: A5 OK done", "C: A6 IDLE",    "S: + idling", "wait 90",       "S: A6 OK done", "C: A7 IDLE",  "S: + idling",
                                 "wait 90",       "S: A7 OK done", "C: A8 IDLE",  "S: + idling",   "S: * 5 EXISTS", "C: DONE",     "S: A8 OK done"}};
        REQUIRE(*watched.watch() == Names{"INBOX"});
        REQUIRE(watched.fixture.mailbox().pushes());
    }
    GIVEN("a configuration that does not want it, or a server without") {
        Watched unwanted{"IDLE", {}};
        unwanted.fixture.settings.push = false;
        Fixture fixture{std::make_shared<servers::Transcript>(
            std::initializer_list<std::string_view>{"S: * PREAUTH [CAPABILITY IMAP4rev1 IDLE NOTIFY] in", "C: A1 LIST \"\" \"\"", "S: A1 OK done"})};
        fixture.settings.push = false;
        REQUIRE(fixture.open());
        REQUIRE_FALSE(fixture.mailbox().pushes());
        Watched without{"UIDPLUS", {}};
        REQUIRE_FALSE(without.fixture.mailbox().pushes());
    }
    GIVEN("one that tells again and again of mail that is not there") {
        std::vector<std::string> lines;
        int tag = 4;
        const auto next = [&tag] { return "A" + std::to_string(tag++); };
        for (int i = 0; i < 6; ++i) {
            const auto idle = next(), search = next();
            for (const auto& line : std::vector<std::string>{"C: " + idle + " IDLE", "S: + idling", "S: * " + std::to_string(5 + i) + " EXISTS",
                                                             "C: DONE", "S: " + idle + " OK done", "C: " + search + " UID SEARCH UID 10:*",
                                                             "S: * SEARCH", "S: " + search + " OK done"})
                lines.push_back(line);
        }
        Watched watched{"IDLE", lines};
        for (int i = 0; i < 6; ++i) {
            REQUIRE(*watched.watch() == Names{"INBOX"});
            REQUIRE(watched.fixture.select("INBOX"));
            REQUIRE(watched.fixture.list({.above = 9}));
        }
        THEN("it does not set the pace") { REQUIRE(watched.passed() == 15s); }
    }
}

SCENARIO("what goes wrong while we idle is told as what it is", "[imap]") {
    GIVEN("a BYE") {
        Watched watched{"IDLE", {"C: A4 IDLE", "S: + idling", "wait 5", "S: * BYE Server shutting down.", "close"}};
        const auto news = watched.watch();
        REQUIRE(news.error().code == Code::mailboxClosedByServer);
        REQUIRE(news.error().reaction == Reaction::reconnect);
    }
    GIVEN("throttling in an answer or a farewell") {
        const std::string text = "Request is throttled. Suggested Backoff Time: 1500 milliseconds";
        const auto lines = GENERATE_COPY(values<std::vector<std::string>>({{"C: A4 IDLE", "S: A4 NO " + text},
                                                                           {"C: A4 IDLE", "S: A4 BAD " + text},
                                                                           {"C: A4 IDLE", "S: + idling", "S: * BYE " + text},
                                                                           {"C: A4 IDLE", "S: + idling", "C: DONE", "S: A4 BAD " + text}}));
        Watched watched{"IDLE", lines};
        const auto news = watched.watch();
        REQUIRE(news.error().code == Code::mailboxThrottled);
        REQUIRE(news.error().reaction == Reaction::retryLater);
        REQUIRE(news.error().retryAfter == 1500ms);
    }
    GIVEN("a mailbox that is not connected any more") {
        Watched watched{"IDLE", {"C: A4 IDLE", "S: A4 BAD User is authenticated but not connected."}};
        REQUIRE(watched.watch().error().code == Code::mailboxAccess);
    }
    GIVEN("a folder that goes away meanwhile") {
        Watched watched{"IDLE",
                        {"C: A4 IDLE", "S: + idling", "C: DONE", "S: A4 NO [NONEXISTENT] Mailbox was deleted", "C: A5 SELECT \"INBOX\"",
                         "S: A5 NO [NONEXISTENT] no such mailbox"}};
        const auto news = watched.watch();
        REQUIRE(news.error().code == Code::mailboxFolderMissing);
    }
    GIVEN("a UIDVALIDITY that changes under us") {
        Watched watched{"IDLE", {"C: A4 IDLE", "S: + idling", "S: * OK [UIDVALIDITY 8] rebuilt"}};
        REQUIRE(watched.watch().error().code == Code::mailboxProtocol);
    }
    GIVEN("an answer to a command nobody sent") {
        Watched watched{"IDLE", {"C: A4 IDLE", "S: + idling", "S: A9 OK done"}};
        REQUIRE(watched.watch().error().code == Code::mailboxProtocol);
    }
}

SCENARIO("of several folders the first is watched, the others are asked about", "[imap]") {
    const std::vector<std::string> look{"C: A4 SELECT \"B\"",   "S: * 2 EXISTS", "S: * OK [UIDVALIDITY 8]",
                                        "S: * OK [UIDNEXT 20]", "S: A4 OK done", "C: A5 UID SEARCH UID 20:*",
                                        "S: * SEARCH",          "S: A5 OK done"};
    const auto with = [&look](std::vector<std::string> more) {
        auto lines = look;
        lines.insert(lines.end(), more.begin(), more.end());
        return lines;
    };
    const auto lookIntoB = [](Watched& watched) {
        REQUIRE(watched.fixture.select("B"));
        REQUIRE(watched.fixture.list({.above = 19}));
    };
    const std::vector<std::string> back{"C: A6 SELECT \"INBOX\"", "S: * 4 EXISTS", "S: * OK [UIDVALIDITY 7]", "S: * OK [UIDNEXT 10]",
                                        "S: A6 OK done"};

    GIVEN("a server that has STATUS alone") {
        auto lines = with(back);
        for (const auto& line :
             {"C: A7 IDLE", "S: + idling", "C: DONE", "S: A7 OK done", "C: A8 STATUS \"B\" (MESSAGES UIDNEXT UIDVALIDITY)",
              "S: * STATUS B (MESSAGES 2 UIDNEXT 20 UIDVALIDITY 8)", "S: A8 OK done", "C: A9 IDLE", "S: + idling", "C: DONE", "S: A9 OK done",
              "C: A10 STATUS \"B\" (MESSAGES UIDNEXT UIDVALIDITY)", "S: * STATUS \"B\" (MESSAGES 2 UIDNEXT 21 UIDVALIDITY 8)", "S: A10 OK done"})
            lines.emplace_back(line);
        Watched watched{"IDLE", lines};
        lookIntoB(watched);
        REQUIRE(*watched.watch({"INBOX", "B"}, 60s) == Names{"B"});
        REQUIRE(watched.passed() == 120s);
        REQUIRE(watched.server->isOver());
    }
    GIVEN("a server with LIST-STATUS, where the folder was rebuilt") {
        auto lines = with(back);
        for (const auto& line :
             {"C: A7 IDLE", "S: + idling", "C: DONE", "S: A7 OK done", "C: A8 LIST \"\" (\"B\" \"C\") RETURN (STATUS (MESSAGES UIDNEXT UIDVALIDITY))",
              "S: * LIST () \"/\" B", "S: * STATUS B (MESSAGES 2 UIDNEXT 3 UIDVALIDITY 9)", "S: * LIST (\\NonExistent) \"/\" C", "S: A8 OK done"})
            lines.emplace_back(line);
        Watched watched{"IDLE LIST-EXTENDED LIST-STATUS", lines};
        lookIntoB(watched);
        REQUIRE(*watched.watch({"INBOX", "B", "C"}, 60s) == Names{"B"});
        REQUIRE(watched.server->isOver());
    }
    GIVEN("mail in the first while the second was looked into") {
        auto lines = with({"C: A6 SELECT \"INBOX\"", "S: * 5 EXISTS", "S: * OK [UIDVALIDITY 7]", "S: * OK [UIDNEXT 11]", "S: A6 OK done"});
        Watched watched{"IDLE", lines};
        lookIntoB(watched);
        REQUIRE(*watched.watch({"INBOX", "B"}, 60s) == Names{"INBOX"});
        REQUIRE(watched.server->isOver());
    }
    GIVEN("a busy first folder") {
        auto lines = with(back);
        for (const auto& line :
             {"C: A7 IDLE", "S: + idling", "wait 40", "S: * 5 EXISTS", "C: DONE", "S: A7 OK done", "C: A8 UID SEARCH UID 10:*", "S: * SEARCH 10",
              "S: A8 OK done", "C: A9 IDLE", "S: + idling", "C: DONE", "S: A9 OK done", "C: A10 STATUS \"B\" (MESSAGES UIDNEXT UIDVALIDITY)",
              "S: * STATUS B (MESSAGES 3 UIDNEXT 21 UIDVALIDITY 8)", "S: A10 OK done"})
            lines.emplace_back(line);
        Watched watched{"IDLE", lines};
        lookIntoB(watched);
        REQUIRE(*watched.watch({"INBOX", "B"}, 60s) == Names{"INBOX"});
        const auto view = watched.fixture.select("INBOX");  // open already: not entered again
        INFO((view ? std::string{} : describe(view.error())));
        REQUIRE(view);
        REQUIRE((view->validity == 7 && view->next == 10 && view->exists == 5));
        REQUIRE(watched.fixture.list({.above = 9}));
        THEN("does not keep the others waiting longer than the sweep") {
            REQUIRE(*watched.watch({"INBOX", "B"}, 60s) == Names{"B"});
            REQUIRE(watched.passed() == 60s);
        }
    }
    GIVEN("a folder that cannot be asked about") {
        auto lines = with(back);
        for (const auto& line : {"C: A7 IDLE", "S: + idling", "C: DONE", "S: A7 OK done", "C: A8 STATUS \"B\" (MESSAGES UIDNEXT UIDVALIDITY)",
                                 "S: A8 NO no such folder", "C: A9 IDLE", "S: + idling", "S: * 5 EXISTS", "C: DONE", "S: A9 OK done"})
            lines.emplace_back(line);
        Watched watched{"IDLE", lines};
        lookIntoB(watched);
        REQUIRE(*watched.watch({"INBOX", "B"}, 60s) == Names{"INBOX"});
    }
    GIVEN("NOTIFY") {
        auto lines = with(back);
        const std::string set = " NOTIFY SET STATUS (selected (MessageNew MessageExpunge)) (mailboxes (\"INBOX\" \"B\") (MessageNew MessageExpunge))";
        WHEN("mail comes in the second") {
            for (const auto& line :
                 {"C: A7" + set, std::string{"S: * STATUS B (MESSAGES 2 UIDNEXT 20 UIDVALIDITY 8)"}, std::string{"S: A7 OK done"},
                  std::string{"C: A8 IDLE"}, std::string{"S: + idling"}, std::string{"wait 33"}, std::string{"S: * STATUS B (MESSAGES 3 UIDNEXT 21)"},
                  std::string{"C: DONE"}, std::string{"S: A8 OK done"}, std::string{"C: A9 NOTIFY NONE"}, std::string{"S: A9 OK done"}})
                lines.push_back(line);
            Watched watched{"IDLE NOTIFY", lines};
            lookIntoB(watched);
            REQUIRE(*watched.watch({"INBOX", "B"}, 60s) == Names{"B"});
            REQUIRE(watched.passed() == 33s);
            REQUIRE(watched.server->isOver());
        }
        WHEN("it came before") {
            for (const auto& line : {"C: A7" + set, std::string{"S: * STATUS B (MESSAGES 3 UIDNEXT 21 UIDVALIDITY 8)"}, std::string{"S: A7 OK done"},
                                     std::string{"C: A8 NOTIFY NONE"}, std::string{"S: A8 OK done"}})
                lines.push_back(line);
            Watched watched{"IDLE NOTIFY", lines};
            lookIntoB(watched);
            REQUIRE(*watched.watch({"INBOX", "B"}, 60s) == Names{"B"});
        }
        WHEN("the server will not, or has too much to tell") {
            const bool refuses = GENERATE(true, false);
            if (refuses)
                for (const auto& line : {"C: A7" + set, std::string{"S: A7 NO [BADEVENT (MessageNew)] no"}, std::string{"C: A8 IDLE"},
                                         std::string{"S: + idling"}, std::string{"C: DONE"}, std::string{"S: A8 OK done"}})
                    lines.push_back(line);
            else
                for (const auto& line :
                     {"C: A7" + set, std::string{"S: A7 OK done"}, std::string{"C: A8 IDLE"}, std::string{"S: + idling"},
                      std::string{"S: * OK [NOTIFICATIONOVERFLOW] too much"}, std::string{"C: DONE"}, std::string{"S: A8 OK done"}})
                    lines.push_back(line);
            for (const auto& line :
                 {"C: A9 STATUS \"B\" (MESSAGES UIDNEXT UIDVALIDITY)", "S: * STATUS B (MESSAGES 3 UIDNEXT 21 UIDVALIDITY 8)", "S: A9 OK done"})
                lines.emplace_back(line);
            Watched watched{"IDLE NOTIFY", lines};
            lookIntoB(watched);
            THEN("the folder is asked about") {
                REQUIRE(*watched.watch({"INBOX", "B"}, 60s) == Names{"B"});
                REQUIRE(watched.passed() == (refuses ? 60s : 0s));
                REQUIRE(watched.server->isOver());
            }
        }
        WHEN("it has too much to tell again, when it was asked to tell nothing") {
            for (const auto& line : {"C: A7" + set, std::string{"S: A7 OK done"}, std::string{"C: A8 IDLE"}, std::string{"S: + idling"},
                                     std::string{"S: * OK [NOTIFICATIONOVERFLOW] too much"}, std::string{"C: DONE"}, std::string{"S: A8 OK done"},
                                     std::string{"C: A9 STATUS \"B\" (MESSAGES UIDNEXT UIDVALIDITY)"},
                                     std::string{"S: * STATUS B (MESSAGES 2 UIDNEXT 20 UIDVALIDITY 8)"}, std::string{"S: A9 OK done"},
                                     std::string{"C: A10 IDLE"}, std::string{"S: + idling"}, std::string{"S: * OK [NOTIFICATIONOVERFLOW] too much"},
                                     std::string{"wait 33"}, std::string{"S: * 5 EXISTS"}, std::string{"C: DONE"}, std::string{"S: A10 OK done"}})
                lines.push_back(line);
            Watched watched{"IDLE NOTIFY", lines};
            lookIntoB(watched);
            THEN("IDLE goes on") {
                REQUIRE(*watched.watch({"INBOX", "B"}, 60s) == Names{"INBOX"});
                REQUIRE(watched.passed() == 33s);
            }
        }
        WHEN("it tells nothing of a folder under its name on the wire, as Dovecot of one that is not ASCII") {
            const std::string raw = "NOTIFY SET STATUS (selected (MessageNew MessageExpunge)) (mailboxes (\"INBOX\" {9+}";
            for (const auto& line :
                 {std::string{"C: A7 NOTIFY SET STATUS (selected (MessageNew MessageExpunge)) (mailboxes (\"INBOX\" \"Entw&APw-rfe\") "
                              "(MessageNew MessageExpunge))"},
                  std::string{"S: A7 OK done"}, "C: A8 " + raw, std::string{"C: Entw\xc3\xbcrfe) (MessageNew MessageExpunge))"},
                  std::string{"S: * STATUS {9}"}, std::string{"S: Entw\xc3\xbcrfe (MESSAGES 1 UIDNEXT 2 UIDVALIDITY 8)"},
                  std::string{"S: A8 OK done"}, std::string{"C: A9 NOTIFY NONE"}, std::string{"S: A9 OK done"}})
                lines.push_back(line);
            Watched watched{"IDLE NOTIFY LITERAL+", lines};
            lookIntoB(watched);
            THEN("it is tried with the name in UTF-8") { REQUIRE(*watched.watch({"INBOX", "Entw\xc3\xbcrfe"}, 60s) == Names{"Entw\xc3\xbcrfe"}); }
        }
        WHEN("the server has no IDLE") {
            for (const auto& line : {"C: A7" + set, std::string{"S: * STATUS B (MESSAGES 2 UIDNEXT 20 UIDVALIDITY 8)"}, std::string{"S: A7 OK done"},
                                     std::string{"C: A8 NOOP"}, std::string{"S: A8 OK done"}, std::string{"wait 7"},
                                     std::string{"S: * STATUS B (MESSAGES 3 UIDNEXT 21)"}, std::string{"C: A9 NOOP"}, std::string{"S: A9 OK done"},
                                     std::string{"C: A10 NOTIFY NONE"}, std::string{"S: A10 OK done"}})
                lines.push_back(line);
            Watched watched{"NOTIFY", lines};
            lookIntoB(watched);
            REQUIRE(*watched.watch({"INBOX", "B"}, 60s) == Names{"B"});
            REQUIRE(watched.passed() == listener::imap::idleTime + 7s);
            REQUIRE(watched.server->isOver());
        }
    }
}

SCENARIO("watching is over before it begins where there is no time", "[imap]") {
    Watched watched{"IDLE", {}};
    watched.fixture.watchFor = 0s;
    REQUIRE(watched.watch()->empty());
}
