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
        stage.more = {"mailbox.box.enabled = false"};
        std::vector<listener::Compared> found;
        stage.live({.mode = plugin::Mode::service, .time = 1min, .begun = [&](Process& process) {
                        auto settings = listener::mailboxSettings(*process.configuration(), "box");
                        REQUIRE(listener::readBy(settings, "graph"));
                        const auto ledger = listener::makeLedger(process.database(), stage.clock());
                        const auto session = stage.mail().session(settings, process);
                        auto compared = process.wait(listener::compareFolders(*ledger, *session, settings));
                        REQUIRE(compared);
                        found = *compared;
                    }});
        REQUIRE(found.size() == 1);
        CHECK(found[0].fresh == 1);
        CHECK(found[0].doubtful == (removes ? 0 : 1));
    }
}
