// Messages that go from one protocol to another by their ids.
#include "listener/engine/comparison.h"
#include "tests/simulation/exchange_stage.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace simulation;
using namespace std::chrono_literals;
using Wrong = std::vector<std::string>;

namespace {

std::set<std::uint64_t> upTo(std::uint64_t last) {
    std::set<std::uint64_t> all;
    for (std::uint64_t serial = 1; serial <= last; ++serial) all.insert(serial);
    return all;
}

/// Whoever lists the folder anew meets this message first.
void listFirst(Exchange& mail, const std::string& folder, std::uint64_t serial) {
    auto& items = mail.folders.at(folder).items;
    std::stable_partition(items.begin(), items.end(), [serial](const auto& each) { return each.serial == serial; });
    mail.forgetTold(folder);
}

}  // namespace

SCENARIO("ids tell messages apart that have everything else in common", "[exchange]") {
    ExchangeStage stage(11);
    stage.protocol = "ews";
    stage.mail().translates = true;
    for (int i = 0; i < 12; ++i) stage.mail().arrive("INBOX");
    REQUIRE(stage.once() == 0);
    const auto ids = stage.hooked();
    GIVEN("a message of which another one like it is not yet delivered") {
        listFirst(stage.mail(), "INBOX", stage.mail().arriveLike("INBOX", 5));
        const auto fetched = stage.mail().fetches;
        stage.protocol = "graph";
        THEN("Graph says which of them is the known one, and the other is delivered") {
            REQUIRE(stage.once() == 0);
            CHECK(stage.wrong(upTo(13)) == Wrong{});
            CHECK(stage.mail().fetches == fetched + 1);
            CHECK(stage.hooked().at(5) == ids.at(5));
            AND_THEN("back again each has its old place, though there is a third") {
                stage.mail().arriveLike("INBOX", 5);
                stage.protocol = "ews";
                REQUIRE(stage.once() == 0);
                CHECK(stage.hooked().at(5) == ids.at(5));
                CHECK(stage.hooked().contains(14));
            }
        }
    }
    GIVEN("the same, and EWS that is blocked") {
        listFirst(stage.mail(), "INBOX", stage.mail().arriveLike("INBOX", 5));
        stage.mail().blocked = "ews";
        stage.more = {"mailbox.box.fallback = graph"};
        stage.once();
        CHECK(stage.wrong(upTo(13)) == Wrong{});
        CHECK(stage.log().find("matched_by_id=12") != std::string::npos);
    }
    GIVEN("a message that is gone, and another one like it that is not yet delivered") {
        stage.mail().arriveLike("INBOX", 5);
        stage.mail().removeByOthers("INBOX", 5);
        stage.protocol = "graph";
        THEN("it is not taken for the one that is gone") {
            REQUIRE(stage.once() == 0);
            CHECK(stage.wrong(upTo(13)) == Wrong{});
        }
    }
    GIVEN("a mailbox that was read by another protocol for a while, and goes back") {
        const auto other = GENERATE("graph", "imap");
        stage.protocol = other;
        REQUIRE(stage.once() == 0);
        stage.mail().arriveLike("INBOX", 7);
        stage.protocol = "ews";
        THEN("each message has the place it had, and only the new one is delivered") {
            REQUIRE(stage.once() == 0);
            CHECK(stage.wrong(upTo(13)) == Wrong{});
            CHECK(stage.log().find("matched_by_id=12") != std::string::npos);
        }
    }
}

SCENARIO("ids that point wrong cost no message", "[exchange]") {
    ExchangeStage stage(12);
    stage.protocol = "ews";
    stage.mail().translates = true;
    for (int i = 0; i < 12; ++i) {
        stage.mail().arrive("INBOX");
        stage.clock().jump(1s);
    }
    REQUIRE(stage.once() == 0);
    stage.mail().arrive("INBOX");
    using Where = listener::Named::Where;
    GIVEN("ids of other messages of the folder") {
        stage.mail().misnames = [](auto& all) { std::rotate(all.begin(), all.begin() + 1, all.end()); };
        stage.protocol = "graph";
        REQUIRE(stage.once() == 0);
        CHECK(stage.wrong(upTo(13)) == Wrong{});
        CHECK(stage.log().find("matched_by_id=0") != std::string::npos);
    }
    GIVEN("one id for all") {
        stage.mail().misnames = [](auto& all) { std::fill(all.begin(), all.end(), all.front()); };
        stage.protocol = "graph";
        REQUIRE(stage.once() == 0);
        CHECK(stage.wrong(upTo(13)) == Wrong{});
    }
    GIVEN("ids by which nothing in the folder is called") {
        const auto how = GENERATE(1, 3);  // of so many one
        stage.mail().misnames = [how](auto& all) {
            for (std::size_t i = 0; i < all.size(); i += static_cast<std::size_t>(how))
                all[i] = {.where = Where::elsewhere, .id = "not/" + all[i].id};
        };
        stage.protocol = "graph";
        REQUIRE(stage.once() == 0);
        CHECK(stage.wrong(upTo(13)) == Wrong{});
    }
    GIVEN("places that are not there") {
        stage.mail().misnames = [](auto& all) {
            for (auto& one : all) one.ordinal += 1000;
        };
        stage.protocol = "graph";
        REQUIRE(stage.once() == 0);
        CHECK(stage.wrong(upTo(13)) == Wrong{});
    }
}

namespace {

/// What `postern move` would say of the INBOX.
listener::Compared lookBy(ExchangeStage& stage, const std::string& protocol) {
    const auto more = std::exchange(stage.more, {"mailbox.box.enabled = false"});
    std::vector<listener::Compared> found;
    stage.live({.mode = plugin::Mode::service, .time = 1min, .begun = [&](Process& process) {
                    auto settings = listener::mailboxSettings(*process.configuration(), "box");
                    REQUIRE(listener::readBy(settings, protocol));
                    const auto ledger = listener::makeLedger(process.database(), stage.clock());
                    const auto session = stage.mail().session(settings, process);
                    auto compared = process.wait(listener::compareFolders(*ledger, *session, settings));
                    REQUIRE(compared);
                    found = *compared;
                }});
    stage.more = more;
    REQUIRE(found.size() == 1);
    return found.front();
}

using Change = std::pair<std::string, std::string>;
const std::vector<Change>& changes() {
    static const std::vector<Change> all{{"imap", "ews"}, {"imap", "graph"}, {"ews", "imap"}, {"ews", "graph"}, {"graph", "imap"}, {"graph", "ews"}};
    return all;
}

/// Those that came twice.
std::set<std::uint64_t> twice(const ExchangeStage& stage) {
    std::set<std::uint64_t> all;
    for (const auto& [serial, ids] : stage.hooked())
        if (ids.size() > 1) all.insert(serial);
    return all;
}

std::set<std::uint64_t> came(const ExchangeStage& stage) {
    std::set<std::uint64_t> all;
    for (const auto& [serial, ids] : stage.hooked()) all.insert(serial);
    return all;
}

}  // namespace

SCENARIO("of several alike that are not all known each is delivered, by whatever protocol they are read then", "[exchange]") {
    const auto [from, to] = GENERATE(from_range(changes()));
    const bool newFirst = GENERATE(false, true);
    const std::size_t size = GENERATE(40, 90'000);
    GIVEN("a mailbox that goes from " + from + " to " + to + ", and another message like a delivered one, " + (newFirst ? "first" : "last") +
          " in the list, of " + std::to_string(size) + " octets") {
        ExchangeStage stage(14);
        stage.protocol = from;
        for (int i = 0; i < 6; ++i) stage.mail().arrive("INBOX", i != 2);
        REQUIRE(stage.once() == 0);
        const auto known = GENERATE(2U, 3U);  // with a Message-ID, and without
        const auto fresh = stage.mail().arriveLike("INBOX", known, size);
        if (newFirst) listFirst(stage.mail(), "INBOX", fresh);
        if (newFirst && to == "imap") {
            std::uint32_t uid = 0;
            for (auto& item : stage.mail().folders["INBOX"].items) item.uid = ++uid;
        }
        const auto look = lookBy(stage, to);
        CHECK(look.fresh == 2);
        CHECK(look.doubtful == 2);
        stage.protocol = to;
        REQUIRE(stage.once() == 0);
        THEN("nothing is lost, and nothing else comes twice") {
            CHECK(came(stage) == upTo(7));
            CHECK(twice(stage) == std::set<std::uint64_t>{known});
        }
        THEN("it stays so") {
            REQUIRE(stage.once() == 0);
            stage.protocol = from;
            REQUIRE(stage.once() == 0);
            CHECK(came(stage) == upTo(7));
            CHECK(twice(stage) == std::set<std::uint64_t>{known});
        }
    }
}

SCENARIO("of several alike that are all known none is delivered again, by whatever protocol they are read then", "[exchange]") {
    const auto [from, to] = GENERATE(from_range(changes()));
    ExchangeStage stage(15);
    stage.protocol = from;
    for (int i = 0; i < 3; ++i) stage.mail().arrive("INBOX");
    stage.mail().arriveLike("INBOX", 2, 90'000);
    stage.mail().arriveLike("INBOX", 2, 70'000);
    REQUIRE(stage.once() == 0);
    if (GENERATE(false, true)) stage.mail().removeByOthers("INBOX", 4);
    INFO("from " << from << " to " << to);
    const auto look = lookBy(stage, to);
    CHECK(look.fresh == 0);
    CHECK(look.doubtful == 0);
    stage.protocol = to;
    REQUIRE(stage.once() == 0);
    CHECK(came(stage) == upTo(5));
    CHECK(twice(stage).empty());
}

SCENARIO("what is like a message that was delivered and taken away is delivered, by whatever protocol it is read", "[exchange]") {
    const auto [from, to] = GENERATE(from_range(changes()));
    const std::string after = GENERATE("move:Done", "delete");
    ExchangeStage stage(16);
    stage.protocol = from;
    stage.after = after;
    for (int i = 0; i < 3; ++i) stage.mail().arrive("INBOX", i != 2);
    const auto known = GENERATE(2U, 3U);
    const auto like = stage.mail().folders["INBOX"].items[known - 1];
    REQUIRE(stage.once() == 0);
    REQUIRE(stage.mail().folders["INBOX"].items.empty());
    const auto fresh = stage.mail().arrive("INBOX", known != 3);
    auto& item = stage.mail().folders["INBOX"].items.back();
    item.messageId = like.messageId, item.subject = like.subject, item.received = like.received;
    stage.mail().forgetTold("INBOX");
    INFO("from " << from << " to " << to << ", after = " << after);
    const auto look = lookBy(stage, to);
    CHECK(look.fresh == 1);
    CHECK(look.doubtful == 1);
    stage.protocol = to;
    REQUIRE(stage.once() == 0);
    CHECK(stage.wrong(upTo(fresh)) == Wrong{});
    CHECK(stage.mail().folders["INBOX"].items.empty());
}

SCENARIO("what a dying process had under way, and another message like it, are not lost when another protocol goes on", "[exchange]") {
    const auto [from, to] = GENERATE(from_range(changes()));
    GIVEN("a process that reads by " + from + " and ends somewhere, and another that goes on by " + to) {
        std::uint64_t n = 1;
        for (bool reached = true; reached; n += 3) {
            ExchangeStage stage(n);
            stage.protocol = from;
            for (int i = 0; i < 3; ++i) stage.mail().arrive("INBOX", i != 1);
            reached = stage.live({.deathAt = n}) >= n;
            listFirst(stage.mail(), "INBOX", stage.mail().arriveLike("INBOX", 1, 90'000));
            stage.mail().arriveLike("INBOX", 2, 80'000);
            stage.protocol = to;
            stage.once();
            CHECK(stage.once() == 0);
            INFO("ended at effect " << n);
            CHECK(came(stage) == upTo(5));
            std::set<std::uint64_t> spooled;
            for (const auto& [serial, ids] : stage.spooled()) spooled.insert(serial);
            CHECK(spooled == upTo(5));
        }
        THEN("each was looked at") { CHECK(n > 60); }
    }
}

namespace {

/// Three messages of which the first two are all the sinks have; `wrong()` says of those that were touched before a sink had them.
void fill(ExchangeStage& stage, const Change& change, const std::string& after) {
    stage.protocol = change.first;
    stage.after = after;
    for (int i = 0; i < 3; ++i) stage.mail().arrive("INBOX", i != 1);
}

/// The last effect at which a process can die and leave all messages where they are.
std::uint64_t lastBeforeAction(const Change& change, const std::string& after) {
    std::uint64_t before = 1, behind = 1000;
    while (behind - before > 1) {
        const auto n = (before + behind) / 2;
        ExchangeStage stage(17);
        fill(stage, change, after);
        stage.live({.deathAt = n});
        (stage.mail().folders["INBOX"].items.size() == 3 ? before : behind) = n;
    }
    return before;
}

/// What came to harm: lost, or touched before every sink had it.
Wrong harm(const ExchangeStage& stage, std::uint64_t last) {
    auto all = stage.wrong(upTo(last));
    std::erase_if(all, [](const std::string& what) { return !what.starts_with("lost") && what.find("was touched before") == std::string::npos; });
    return all;
}

}  // namespace

SCENARIO("a process that dies while it reads by another protocol, and a mailbox that goes back, lose nothing", "[exchange]") {
    const auto change = GENERATE(from_range(changes()));
    const std::string after = GENERATE("leave", "delete");
    GIVEN("a mailbox that goes from " + change.first + " to " + change.second + " and back, after = " + after) {
        const auto due = after == "leave" ? 0 : lastBeforeAction(change, after);
        std::uint64_t n = 1;
        for (bool reached = true; reached; n += 3) {
            ExchangeStage stage(17);
            fill(stage, change, after);
            stage.live({.deathAt = due});
            REQUIRE(stage.mail().folders["INBOX"].items.size() == 3);
            REQUIRE(came(stage) == upTo(3));
            const auto fresh = stage.mail().arriveLike("INBOX", 1 + n % 2, 90'000);
            if (n % 4 < 2) listFirst(stage.mail(), "INBOX", fresh);
            stage.more = {"mailbox.box.max_per_round = 1"};
            stage.protocol = change.second;
            reached = stage.live({.deathAt = n}) >= n;
            stage.protocol = change.first;
            stage.once();
            CHECK(stage.once() == 0);
            INFO("ended at effect " << n);
            CHECK(harm(stage, 4) == Wrong{});
        }
        THEN("each was looked at") { CHECK(n > 40); }
    }
}

SCENARIO("no message is deleted because of what was due for one that has no more than its keys", "[exchange]") {
    const auto change = GENERATE(from_range(changes()));
    const std::string after = GENERATE("move:Done", "delete");
    ExchangeStage stage(17);
    fill(stage, change, after);
    stage.live({.deathAt = lastBeforeAction(change, after)});
    REQUIRE(stage.mail().folders["INBOX"].items.size() == 3);
    INFO("from " << change.first << " to " << change.second << ", after = " << after);
    GIVEN("a message that others have removed, and another one like it that nobody has delivered") {
        const auto fresh = stage.mail().arriveLike("INBOX", 1, 90'000);
        stage.mail().removeByOthers("INBOX", 1);
        stage.protocol = change.second;
        REQUIRE(stage.once() == 0);
        const auto& left = stage.mail().folders[after == "delete" ? "INBOX" : "Done"].items;
        CHECK(std::any_of(left.begin(), left.end(), [fresh](const auto& each) { return each.serial == fresh; }));
        CHECK(twice(stage).empty());
    }
    GIVEN("messages that are all known") {
        stage.mail().translates = true;
        stage.protocol = change.second;
        REQUIRE(stage.once() == 0);
        const bool done = after != "delete" || change == Change{"ews", "graph"};
        CHECK(stage.wrong(upTo(3)) == Wrong{});
        CHECK(stage.mail().folders["INBOX"].items.size() == (done ? 0 : 3));
    }
}

SCENARIO("a look with another protocol tells what may be delivered twice", "[exchange]") {
    const bool removes = GENERATE(false, true);
    ExchangeStage stage(13);
    stage.protocol = "imap";
    if (removes) stage.after = "delete";
    for (int i = 0; i < 3; ++i) stage.mail().arrive("INBOX", i != 2);
    GIVEN(std::string("a message that is gone, ") + (removes ? "because it was delivered" : "whoever did it") + ", and one like it of another day") {
        const auto like = stage.mail().folders["INBOX"].items[1];
        REQUIRE(stage.once() == 0);
        stage.mail().removeByOthers("INBOX", 2);
        stage.clock().jump(2h);
        stage.mail().arrive("INBOX");
        stage.mail().folders["INBOX"].items.back().messageId = like.messageId;
        const auto look = lookBy(stage, "graph");
        CHECK(look.fresh == 1);
        CHECK(look.doubtful == (removes ? 0 : 1));
    }
}
