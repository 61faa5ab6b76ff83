#include "tests/system/workplace.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <csignal>
#include <sstream>

using namespace systemtest;

namespace {

/// How many messages of a folder doveadm finds.
std::size_t found(const std::string& user, const std::string& folder, const std::string& criterion) {
    const auto text = Surroundings::get().mailServer().doveadm({"search", "-u", user, "mailbox", folder, criterion});
    return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
}

bool exists(const std::string& user, const std::string& folder) {
    std::istringstream lines{Surroundings::get().mailServer().doveadm({"mailbox", "list", "-u", user})};
    for (std::string line; std::getline(lines, line);)
        if (line == folder) return true;
    return false;
}

std::vector<std::string> subjects(const std::map<std::string, Delivered>& delivered) {
    std::vector<std::string> all;
    for (const auto& [id, mail] : delivered) {
        const auto begin = mail.bytes.find("Subject: ") + 9;
        all.push_back(mail.bytes.substr(begin, mail.bytes.find("\r\n", begin) - begin));
    }
    std::sort(all.begin(), all.end());
    return all;
}

struct AfterCase {
    std::string after;
    std::string target;     ///< of a move, else ""
    bool leavesInbox;       ///< delivered mail is no longer in INBOX
    bool seen;              ///< delivered mail is \Seen, wherever it is
    std::string withoutIt;  ///< capabilities the program must do without
};

}  // namespace

SCENARIO("after delivery a mailbox is left as its owner wants it", "[system]") {
    const auto wish =
        GENERATE(AfterCase{"leave", "", false, false, ""}, AfterCase{"seen", "", false, true, ""}, AfterCase{"delete", "", true, false, ""},
                 AfterCase{"move:Done", "Done", true, false, ""}, AfterCase{"seen+move:Done/2026 Größe", "Done/2026 Größe", true, true, ""},
                 AfterCase{"move:Done", "Done", true, false, "MOVE"}, AfterCase{"seen+move:Done", "Done", true, true, "MOVE"});
    GIVEN("a mailbox with after = " + wish.after + (wish.withoutIt.empty() ? "" : ", without " + wish.withoutIt)) {
        const auto user = Surroundings::get().newUser();
        auto reader = Surroundings::get().reader(user);
        // Before the start, and marked for deletion by its owner: not ours to deliver, to change or to expunge.
        reader.append("INBOX", {{"Subject: before\r\n\r\nnot ours\r\n", "", "\\Deleted"}});
        Workplace place;
        auto lines = replaced(mailbox("m", user, "c"), "mailbox.m.start", "now") + "mailbox.m.after = " + wish.after + "\n";
        if (!wish.withoutIt.empty()) lines += "mailbox.m.disable_capabilities = " + wish.withoutIt + "\n";
        place.configure(basicCredential(place, "c") + lines);
        const auto first = place.postern({"run", "--once"});
        INFO(first.error);
        REQUIRE(first.status == 0);
        REQUIRE(place.countDelivered("m") == 0);
        WHEN("twenty mails come and are delivered") {
            const auto mails = someMails("after", 20);
            reader.append("INBOX", mails);
            const auto outcome = place.postern({"run", "--once"});
            INFO(outcome.error);
            THEN("doveadm finds them where they should be, and the owner's own mail untouched") {
                REQUIRE(outcome.status == 0);
                const auto delivered = place.delivered("m");
                REQUIRE(delivered.size() == 20);
                CHECK(found(user, "INBOX", "ALL") == (wish.leavesInbox ? 1 : 21));
                CHECK(found(user, "INBOX", "DELETED") == 1);
                CHECK(found(user, "INBOX", "SEEN") == (wish.seen && !wish.leavesInbox ? 20 : 0));
                if (!wish.target.empty()) {
                    CHECK(found(user, wish.target, "ALL") == 20);
                    CHECK(found(user, wish.target, "SEEN") == (wish.seen ? 20 : 0));
                    CHECK(found(user, wish.target, "DELETED") == 0);
                }
                const auto again = place.postern({"run", "--once"});
                CHECK(again.status == 0);
                CHECK(place.countDelivered("m") == 20);
                if (!wish.target.empty()) CHECK(found(user, wish.target, "ALL") == 20);
            }
        }
    }
}

SCENARIO("several folders are read, whatever their names and depth", "[system]") {
    GIVEN("nested folders with names beyond ASCII") {
        const auto user = Surroundings::get().newUser();
        auto reader = Surroundings::get().reader(user);
        const auto& server = Surroundings::get().mailServer();
        server.doveadm({"mailbox", "create", "-u", user, "Projekte/Größe & Maß", "日本/会議", "Plain/deep/er", "Not watched"});
        reader.append("INBOX", someMails("inbox", 5));
        reader.append("Projekte/Gr&APYA3w-e &- Ma&AN8-", someMails("german", 6));
        reader.append("&ZeVnLA-/&TxqLcA-", someMails("japanese", 7));
        reader.append("Plain/deep/er", someMails("deep", 8));
        reader.append("Not watched", someMails("other", 9));
        Workplace place;
        place.configure(basicCredential(place, "c") + mailbox("m", user, "c") +
                        "mailbox.m.folders = inbox, Projekte/Größe & Maß, 日本/会議, Plain/deep/er\n");
        WHEN("the mailbox is drained twice") {
            const auto outcome = place.postern({"run", "--once"});
            INFO(outcome.error);
            REQUIRE(outcome.status == 0);
            REQUIRE(place.postern({"run", "--once"}).status == 0);
            THEN("each message of the named folders is delivered once, under its folder's name") {
                std::map<std::string, int> folders;
                for (const auto& [id, mail] : place.delivered("m")) ++folders[json(mail.metadata)->getValue<std::string>("folder")];
                std::string seen;
                for (const auto& [name, count] : folders) seen += name + " " + std::to_string(count) + "\n";
                CHECK(seen == "INBOX 5\nPlain/deep/er 8\nProjekte/Größe & Maß 6\n日本/会議 7\n");
            }
        }
    }
    GIVEN("a folder that does not exist") {
        const auto user = Surroundings::get().newUser();
        Surroundings::get().reader(user).append("INBOX", someMails("here", 3));
        Workplace place;
        place.configure(basicCredential(place, "c") + mailbox("m", user, "c") + "mailbox.m.folders = INBOX, Nowhere\n");
        WHEN("the mailbox is drained") {
            const auto outcome = place.postern({"run", "--once"});
            INFO(outcome.error);
            THEN("the operator is asked for it, and the other folder is read all the same") {
                CHECK(outcome.status == 75);
                CHECK(outcome.error.find("PO-4004") != std::string::npos);
                CHECK(outcome.error.find("Nowhere") != std::string::npos);
                CHECK(place.countDelivered("m") == 3);
                CHECK_FALSE(exists(user, "Nowhere"));
            }
        }
    }
}

SCENARIO("start says which of the mails that are there already are delivered", "[system]") {
    GIVEN("mails from before and after a day") {
        const auto user = Surroundings::get().newUser();
        auto reader = Surroundings::get().reader(user);
        reader.append("INBOX", {{"Subject: october\r\n\r\n", "31-Oct-2026 23:59:59 +0000"},
                                {"Subject: first second\r\n\r\n", "01-Nov-2026 00:00:00 +0000"},
                                {"Subject: october still, in UTC\r\n\r\n", "01-Nov-2026 01:30:00 +0200"},
                                {"Subject: november already, in UTC\r\n\r\n", "31-Oct-2026 23:30:00 -0100"},
                                {"Subject: later\r\n\r\n", "15-Nov-2026 12:00:00 +0000"}});
        const auto run = [&](const std::string& start) {
            Workplace place;
            place.configure(basicCredential(place, "c") + replaced(mailbox("m", user, "c"), "mailbox.m.start", start));
            const auto outcome = place.postern({"run", "--once"});
            INFO(outcome.error);
            REQUIRE(outcome.status == 0);
            auto before = subjects(place.delivered("m"));
            // Arrived later, however old it says it is.
            reader.append("INBOX", {{"Subject: new\r\n\r\n", "01-Jan-2020 00:00:00 +0000"}});
            REQUIRE(place.postern({"run", "--once"}).status == 0);
            auto after = subjects(place.delivered("m"));
            std::vector<std::string> added;
            std::set_difference(after.begin(), after.end(), before.begin(), before.end(), std::back_inserter(added));
            CHECK(added == std::vector<std::string>{"new"});
            return before;
        };
        WHEN("start = now") {
            THEN("none of them is") { CHECK(run("now").empty()); }
        }
        WHEN("start = all") {
            THEN("all of them are") { CHECK(run("all").size() == 5); }
        }
        WHEN("start = since:2026-11-01") {
            THEN("those received from 00:00 UTC of that day on are") {
                CHECK(run("since:2026-11-01") == std::vector<std::string>{"first second", "later", "november already, in UTC"});
            }
        }
    }
}

SCENARIO("the service delivers what comes while it runs, and leaves when asked", "[system]") {
    GIVEN("a running service") {
        const auto user = Surroundings::get().newUser();
        auto reader = Surroundings::get().reader(user);
        reader.append("INBOX", someMails("first", 3));
        Workplace place;
        place.configure(basicCredential(place, "c") + mailbox("m", user, "c"));
        auto service = place.start({"run"});
        const auto delivers = [&](std::size_t count) {
            return servers::eventually([&] { return place.countDelivered("m") >= count || !service.running(); }, std::chrono::seconds{30});
        };
        delivers(3);
        INFO(place.log());
        REQUIRE(place.countDelivered("m") == 3);
        WHEN("mail comes, again and again") {
            for (std::size_t round = 1; round <= 3; ++round) {
                reader.append("INBOX", someMails("round" + std::to_string(round), 2));
                delivers(3 + 2 * round);
                REQUIRE(place.countDelivered("m") == 3 + 2 * round);
            }
            THEN("it is delivered once, and the service leaves with 0 when asked") {
                service.signal(SIGTERM);
                const auto ended = service.wait(std::chrono::seconds{10});
                REQUIRE(ended);
                CHECK(ended->signal == 0);
                CHECK(ended->status == 0);
                CHECK(sortedBytes(place.delivered("m")) == sortedBytes(reader.fetch("INBOX")));
            }
        }
    }
}
