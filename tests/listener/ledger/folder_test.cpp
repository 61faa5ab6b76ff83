#include "tests/listener/ledger/ledger_world.h"

using namespace ledger_test;

SCENARIO("a folder is remembered as it was begun", "[ledger]") {
    simulation::SimVfs vfs;
    World ledger(vfs);
    GIVEN("a folder nobody has seen") {
        THEN("nothing is known of it") { CHECK_FALSE(ledger.run(ledger->folder("sales", "imap", "INBOX"))); }
    }
    GIVEN("a folder that was begun") {
        auto record = inbox();
        record.name =
            "B\xc3\xbc"
            "cher/Ein'gang";
        record.start = {Start::Kind::since, at(1'690'000'000)};
        record.cursor = 12;
        record.filterBelow = 4'294'967'295;
        record.beforeStart = 3;
        const auto begun = ledger.run(ledger->beginFolder(record));
        THEN("all of it is there, under its mailbox, protocol and name only") {
            const auto found = ledger.folder(record.name);
            CHECK(found.id == begun.id);
            CHECK(found.validity == 7);
            CHECK(found.cursor == 12);
            CHECK(found.start.kind == Start::Kind::since);
            CHECK(found.start.since == at(1'690'000'000));
            CHECK(found.filterBelow == 4'294'967'295);
            CHECK(found.beforeStart == 3);
            CHECK_FALSE(ledger.run(ledger->folder("sales", "ews", record.name)));
            CHECK_FALSE(ledger.run(ledger->folder("Sales", "imap", record.name)));
            CHECK_FALSE(ledger.run(ledger->folder("sales", "imap", "INBOX")));
        }
        AND_WHEN("it is begun again with the same validity") {
            auto again = record;
            again.cursor = 0;
            const auto second = ledger.run(ledger->beginFolder(again));
            THEN("it is what it was") {
                CHECK(second.id == begun.id);
                CHECK(second.cursor == 12);
            }
        }
        AND_WHEN("it is begun again with another validity") {
            const auto batch = ledger.run(ledger->intend(begun.id, {13, 14}));
            ledger.run(ledger->settle(begun.id, batch, {settled(13, moved)}, 13));
            ledger.run(ledger->intend(begun.id, {14}));
            auto rebuilt = record;
            rebuilt.validity = 8;
            rebuilt.cursor = 0;
            const auto second = ledger.run(ledger->beginFolder(rebuilt));
            THEN("its old positions, batches and after-actions are forgotten") {
                CHECK(second.id != begun.id);
                CHECK(ledger.folder(record.name).validity == 8);
                CHECK(ledger.run(ledger->finalAbove(second.id, 0)).empty());
                CHECK(ledger.run(ledger->openBatches(second.id)).empty());
                CHECK(ledger.run(ledger->openBatches(begun.id)).empty());
                CHECK(ledger.run(ledger->dueActions(begun.id, 10)).empty());
                REQUIRE(ledger.rows().size() == 1);
                CHECK(ledger.rows().front().after.empty());
            }
        }
    }
}
