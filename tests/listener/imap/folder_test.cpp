#include "listener/imap/framer.h"
#include "tests/listener/imap/fixture.h"
#include "tests/listener/imap/mini_server.h"
#include "tests/servers/transcript.h"

#include <catch2/catch.hpp>

using namespace imaptest;
using plugin::Code;
using plugin::Reaction;
using Numbers = std::vector<std::uint64_t>;

namespace {

const std::string ready = "S: * PREAUTH [CAPABILITY IMAP4rev1 ESEARCH] ready";

std::shared_ptr<servers::Transcript> after(std::initializer_list<std::string_view> lines) {
    std::vector<std::string_view> all{ready, "C: A1 LIST \"\" \"\"", "S: * LIST () \"/\" \"\"", "S: A1 OK done"};
    all.insert(all.end(), lines);
    auto text = std::make_shared<servers::Transcript>(std::initializer_list<std::string_view>{});
    for (const auto line : all) text->add(line);
    return text;
}

plugin::Wall november(int day, int hour) { return std::chrono::sys_days{std::chrono::year{2026} / 11 / day} + std::chrono::hours{hour}; }

}  // namespace

SCENARIO("a folder that is not there is told from one that is refused", "[imap]") {
    struct Row {
        std::vector<std::string_view> lines;
        Reaction reaction;
        Code code;
    };
    const auto row = GENERATE(values<Row>({
        {{"S: A2 NO [NONEXISTENT] Unknown Mailbox"}, Reaction::askOperator, Code::mailboxFolderMissing},
        {{"S: A2 NO no such thing", "C: A3 LIST \"\" \"Gel&APY-scht\"", "S: A3 OK done"}, Reaction::askOperator, Code::mailboxFolderMissing},
        {{"S: A2 NO no", "C: A3 LIST \"\" \"Gel&APY-scht\"", "S: * LIST (\\Noselect) \"/\" Gel&APY-scht", "S: A3 OK done"},
         Reaction::askOperator,
         Code::mailboxFolderMissing},
        {{"S: A2 NO no", "C: A3 LIST \"\" \"Gel&APY-scht\"", "S: * LIST () \"/\" Gel&APY-scht", "S: A3 OK done"},
         Reaction::retryLater,
         Code::mailboxCommandRefused},
        {{"S: A2 NO [NOPERM] not yours", "C: A3 LIST \"\" \"Gel&APY-scht\"", "S: * LIST () \"/\" Gel&APY-scht", "S: A3 OK done"},
         Reaction::askOperator,
         Code::mailboxCommandRefused},
        {{"S: A2 BAD Request is throttled. Suggested Backoff Time: 1000 milliseconds"}, Reaction::retryLater, Code::mailboxThrottled},
    }));
    const auto server = after({"C: A2 SELECT \"Gel&APY-scht\""});
    for (const auto line : row.lines) server->add(line);
    Fixture fixture{server};
    REQUIRE(fixture.open());
    const auto view = fixture.select("Gelöscht");
    REQUIRE(server->failure().empty());
    REQUIRE(server->isOver());
    REQUIRE_FALSE(view);
    REQUIRE(view.error().reaction == row.reaction);
    REQUIRE(view.error().code == row.code);
}

SCENARIO("a UIDVALIDITY that changes under us ends the session", "[imap]") {
    const auto server = after({"C: A2 SELECT \"INBOX\"", "S: * 1 EXISTS", "S: * OK [UIDVALIDITY 1]", "S: * OK [UIDNEXT 2]", "S: A2 OK done",
                               "C: A3 UID SEARCH RETURN (ALL) UID 1:*", "S: * OK [UIDVALIDITY 2]", "S: A3 OK done"});
    Fixture fixture{server};
    REQUIRE(fixture.open());
    REQUIRE(fixture.select("INBOX"));
    REQUIRE(fixture.list().error().reaction == Reaction::reconnect);
}

SCENARIO("a search answer larger than any folder is refused", "[imap]") {
    const auto server = after({"C: A2 SELECT \"INBOX\"", "S: * 1 EXISTS", "S: * OK [UIDVALIDITY 1]", "S: * OK [UIDNEXT 2]", "S: A2 OK done",
                               "C: A3 UID SEARCH RETURN (ALL) UID 1:*", "S: * ESEARCH (TAG \"A3\") UID ALL 1:4294967295", "S: A3 OK done"});
    Fixture fixture{server};
    REQUIRE(fixture.open());
    REQUIRE(fixture.select("INBOX"));
    REQUIRE(fixture.list().error().code == Code::mailboxTooLarge);
}

SCENARIO("listing reads the folder each time, and answers only what is new", "[imap]") {
    const auto capabilities = GENERATE(std::string{"IMAP4rev1"}, std::string{"IMAP4rev1 ESEARCH"});
    const auto server = std::make_shared<MiniServer>(capabilities);
    Fixture fixture{server};
    GIVEN("an empty folder") {
        REQUIRE(fixture.open());
        REQUIRE(fixture.select("INBOX")->next == 1);
        const auto commands = server->commands.size();
        REQUIRE(fixture.list()->ordinals.empty());
        REQUIRE(server->commands.size() == commands + 1);
    }
    GIVEN("five messages") {
        for (const std::uint64_t uid : {3, 5, 6, 9, 20}) server->mails[uid] = "x";
        REQUIRE(fixture.open());
        REQUIRE(fixture.select("INBOX")->exists == 5);
        THEN("above the last one nothing is new, though n:* matches it") {
            const auto listing = fixture.list({.above = 20});
            REQUIRE(listing->ordinals.empty());
            REQUIRE(listing->upTo == 20);
        }
        THEN("a limit cuts, and says so only where something is left") {
            const auto some = fixture.list({.above = 3, .limit = 2});
            REQUIRE(some->ordinals == Numbers{5, 6});
            REQUIRE(some->upTo == 6);
            REQUIRE(some->more);
            REQUIRE_FALSE(fixture.list({.above = 6, .limit = 2})->more);
        }
        THEN("a message that came after SELECT is found") {
            server->mails[21] = "y";
            REQUIRE(fixture.list({.above = 20})->ordinals == Numbers{21});
        }
    }
}

SCENARIO("a large folder is listed in windows that fit into memory", "[imap]") {
    const auto server = std::make_shared<MiniServer>("IMAP4rev1");
    for (std::uint64_t uid = 1; uid <= 250'000; uid += uid % 5 == 0 ? 2 : 1) server->mails[uid + 3'000'000'000] = "";
    Fixture fixture{server};
    REQUIRE(fixture.open());
    REQUIRE(fixture.select("INBOX"));
    Numbers all;
    for (const auto& mail : server->mails) all.push_back(mail.first);
    THEN("all of it") {
        const auto listing = fixture.list({.above = 3'000'000'000});
        REQUIRE(listing->ordinals == all);
        REQUIRE(server->longestAnswer < listener::imap::Framer::responseLimit);
    }
    THEN("the first two hundred by one command, the newest too") {
        const auto before = server->commands.size();
        const auto listing = fixture.list({.above = 3'000'000'000, .limit = 200});
        REQUIRE(listing->ordinals == Numbers(all.begin(), all.begin() + 200));
        REQUIRE(listing->more);
        REQUIRE(server->commands.size() == before + 1);
        REQUIRE(fixture.list({.above = all[all.size() - 2]})->ordinals == Numbers{all.back()});
        REQUIRE(server->commands.size() == before + 2);
    }
}

SCENARIO("a start time is exact, whatever the zones", "[imap]") {
    const auto server = std::make_shared<MiniServer>(GENERATE(std::string{"IMAP4rev1"}, std::string{"IMAP4rev1 ESEARCH"}));
    server->mails = {{1, "a"}, {2, "b"}, {3, "c"}, {4, "d"}, {5, "e"}, {6, "f"}, {7, "g"}, {8, "h"}};
    server->dates = {{1, "01-Nov-2026 12:00:00 +0000"}, {2, "14-Nov-2026 23:59:59 +0000"}, {3, "15-Nov-2026 00:00:00 +0000"},
                     {4, "15-Nov-2026 13:59:59 +1400"}, {5, "14-Nov-2026 12:00:00 -1200"}, {6, "15-Nov-2026 05:00:00 +0600"},
                     {7, "20-Nov-2026 12:00:00 +0000"}, {8, "01-Nov-2026 12:00:00 +0000"}};
    Fixture fixture{server};
    REQUIRE(fixture.open());
    REQUIRE(fixture.select("INBOX"));
    const listener::ListRequest request{.receivedSince = november(15, 0), .filterBelow = 8};
    THEN("only messages below the start's UIDNEXT are held against it") {
        const auto listing = fixture.list(request);
        REQUIRE(listing->ordinals == Numbers{3, 5, 7, 8});
        REQUIRE(listing->filtered == 4);
        REQUIRE(listing->upTo == 8);
    }
    THEN("a limit counts only what is listed") {
        auto limited = request;
        limited.limit = 1;
        const auto listing = fixture.list(limited);
        REQUIRE(listing->ordinals == Numbers{3});
        REQUIRE(listing->filtered == 3);
        REQUIRE(listing->upTo == 4);
        REQUIRE(listing->more);
    }
    THEN("where all is too early, nothing is listed and all of it is counted") {
        const auto listing = fixture.list({.receivedSince = november(28, 0), .filterBelow = 9});
        REQUIRE(listing->ordinals.empty());
        REQUIRE(listing->filtered == 8);
        REQUIRE(listing->upTo == 8);
    }
}
