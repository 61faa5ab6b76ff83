#include "tests/listener/ledger/ledger_world.h"

using namespace ledger_test;

namespace {

Ordinals found(World& ledger, listener::LedgerQuery query) {
    Ordinals ordinals;
    for (const auto& row : ledger.rows(std::move(query))) ordinals.push_back(row.sha256[0]);
    return ordinals;
}

}  // namespace

SCENARIO("people find messages in the ledger", "[ledger]") {
    simulation::SimVfs vfs;
    World ledger(vfs);
    const auto folder = ledger.run(ledger->beginFolder(inbox())).id;
    auto other = inbox();
    other.mailbox = "other";
    const auto second = ledger.run(ledger->beginFolder(other)).id;
    auto filtered = settled(3);
    filtered.state = MessageState::filtered;
    ledger.run(ledger->settle(folder, 0, {settled(1), settled(2), filtered}, 3));
    ledger.run(ledger->settle(second, 0, {settled(40, {}, {"crm"}, 9)}, 40));
    GIVEN("no wish") {
        THEN("the newest come first, in pages") {
            CHECK(found(ledger, {}) == Ordinals{40, 3, 2, 1});
            CHECK(found(ledger, {.limit = 2}) == Ordinals{40, 3});
            CHECK(found(ledger, {.limit = 2, .before = 3}) == Ordinals{2, 1});
        }
    }
    GIVEN("a mailbox, a state, or both") {
        THEN("the others are left out") {
            CHECK(found(ledger, {.mailbox = "other"}) == Ordinals{40});
            CHECK(found(ledger, {.state = MessageState::delivered}) == Ordinals{40, 2, 1});
            CHECK(found(ledger, {.mailbox = "sales", .state = MessageState::filtered}) == Ordinals{3});
            CHECK(found(ledger, {.mailbox = "nobody"}).empty());
        }
    }
    GIVEN("a text") {
        THEN("it is found in ids, Message-IDs and positions") {
            CHECK(found(ledger, {.find = idOf(2)}) == Ordinals{2});
            CHECK(found(ledger, {.find = idOf(40, 9).substr(0, 20)}) == Ordinals{40});
            CHECK(found(ledger, {.find = "<2@example.com>"}) == Ordinals{2});
            CHECK(found(ledger, {.find = "9:40"}) == Ordinals{40});
            CHECK(found(ledger, {.mailbox = "other", .find = idOf(2)}).empty());
            CHECK(found(ledger, {.find = std::string(32, 'a')}).empty());
            CHECK(found(ledger, {.find = "example.com", .limit = 1}) == Ordinals{40});
        }
    }
}

SCENARIO("mailboxes are summed up", "[ledger]") {
    simulation::SimVfs vfs;
    World ledger(vfs);
    const auto folder = ledger.run(ledger->beginFolder(inbox())).id;
    auto drafts = inbox();
    drafts.name = "Drafts";
    ledger.run(ledger->beginFolder(drafts));
    auto filtered = settled(3);
    filtered.state = MessageState::filtered;
    ledger.run(ledger->intend(folder, {4}));
    ledger.run(ledger->settle(folder, 0, {settled(1, moved), settled(2), filtered}, 3));
    ledger.run(ledger->advance(folder, std::nullopt, 3, 5));
    ledger.run(ledger->verified({{"sales", at(1'800'000'000)}, {"quiet", at(1'800'000'001)}}));
    ledger.run(ledger->block({"waiting"}, "for you"));
    const auto all = ledger.run(ledger->summaries());
    REQUIRE(all.size() == 4);
    CHECK(all[0].mailbox == "quiet");
    CHECK(all[0].folder.empty());
    CHECK(all[0].lastVerified == at(1'800'000'001));
    CHECK(all[1].folder == "Drafts");
    CHECK_FALSE(all[1].lastDelivery);
    CHECK(all[2].folder == "INBOX");
    CHECK(all[2].protocol == "imap");
    CHECK(all[2].validity == 7);
    CHECK(all[2].cursor == 3);
    CHECK(all[2].beforeStart == 5);
    CHECK(all[2].delivered == 2);
    CHECK(all[2].other == 1);
    CHECK(all[2].openBatches == 1);
    CHECK(all[2].dueActions == 1);
    CHECK(all[2].lastDelivery == ledger.loop.clock().wall());
    CHECK(all[2].lastVerified == at(1'800'000'000));
    CHECK(all[2].blocked.empty());
    CHECK(all[3].mailbox == "waiting");
    CHECK(all[3].blocked == "for you");
}
