#include "tests/listener/ledger/ledger_world.h"

using namespace ledger_test;

SCENARIO("a batch is open from its intent to its verdict", "[ledger]") {
    simulation::SimVfs vfs;
    auto ledger = std::make_unique<World>(vfs);
    const auto folder = ledger->run((*ledger)->beginFolder(inbox())).id;
    GIVEN("an intent") {
        const auto batch = ledger->run((*ledger)->intend(folder, {3, 4, 9}));
        WHEN("the process ends and another begins") {
            vfs.kill();
            ledger = std::make_unique<World>(vfs);
            THEN("the batch is known to be open, and nothing else has happened") {
                const auto open = ledger->run((*ledger)->openBatches(folder));
                REQUIRE(open.size() == 1);
                CHECK(open.front().id == batch);
                CHECK(open.front().ordinals == Ordinals{3, 4, 9});
                CHECK(ledger->folder().cursor == 0);
                CHECK(ledger->rows().empty());
            }
        }
        WHEN("two of its messages settle") {
            ledger->run((*ledger)->settle(folder, batch, {settled(3), settled(9)}, 3));
            THEN("they have rows, the cursor stands, the batch is over, and the third is still to come") {
                CHECK(ledger->run((*ledger)->openBatches(folder)).empty());
                CHECK(ledger->folder().cursor == 3);
                CHECK(ledger->run((*ledger)->finalAbove(folder, 3)) == Ordinals{9});
                CHECK(ledger->run((*ledger)->finalAbove(folder, 0)) == Ordinals{3, 9});
                const auto rows = ledger->rows();
                REQUIRE(rows.size() == 2);
                CHECK(rows[0].position == "7:9");
                CHECK(rows[1].id == idOf(3));
                CHECK(rows[1].mailbox == "sales");
                CHECK(rows[1].folder == "INBOX");
                CHECK(rows[1].protocol == "imap");
                CHECK(rows[1].state == MessageState::delivered);
                CHECK(rows[1].received == at(1'700'000'003));
                CHECK(rows[1].settled == ledger->loop.clock().wall());
                CHECK(rows[1].size == 6);
                CHECK(rows[1].sha256[0] == 3);
                CHECK(rows[1].messageId == "<3@example.com>");
                CHECK(rows[1].sinks == "archive");
                CHECK(rows[1].after.empty());
            }
        }
        WHEN("nothing of it is left on the server") {
            ledger->run((*ledger)->advance(folder, batch, 9, 2));
            THEN("it is over, and what was before the start is counted") {
                CHECK(ledger->run((*ledger)->openBatches(folder)).empty());
                CHECK(ledger->folder().cursor == 9);
                CHECK(ledger->folder().beforeStart == 2);
            }
        }
    }
    GIVEN("a cursor") {
        ledger->run((*ledger)->advance(folder, std::nullopt, 20, 0));
        WHEN("it is told to go back") {
            ledger->run((*ledger)->advance(folder, std::nullopt, 10, 1));
            ledger->run((*ledger)->settle(folder, 0, {settled(5)}, 5));
            THEN("it stays") { CHECK(ledger->folder().cursor == 20); }
        }
    }
    GIVEN("a batch of another folder") {
        auto other = inbox();
        other.name = "Other";
        const auto second = ledger->run((*ledger)->beginFolder(other)).id;
        const auto batch = ledger->run((*ledger)->intend(second, {1}));
        WHEN("this folder ends a batch of that number") {
            ledger->run((*ledger)->settle(folder, batch, {}, 0));
            THEN("it stays open") { CHECK(ledger->run((*ledger)->openBatches(second)).size() == 1); }
        }
    }
    GIVEN("a message without an id of ours") {
        auto broken = settled(1);
        broken.message.id = "1";
        THEN("settling it is a bug and leaves nothing") {
            CHECK_THROWS_AS(ledger->run((*ledger)->settle(folder, 0, {settled(2), broken}, 2)), std::logic_error);
            CHECK(ledger->rows().empty());
            CHECK(ledger->folder().cursor == 0);
        }
    }
}

SCENARIO("a message settles at several sinks", "[ledger]") {
    simulation::SimVfs vfs;
    World ledger(vfs);
    const auto folder = ledger.run(ledger->beginFolder(inbox())).id;
    auto both = settled(1, {}, {"archive", "crm"});
    both.verdicts[1].known = true;
    auto filtered = settled(2, {}, {});
    filtered.state = MessageState::filtered;
    filtered.message.messageId.reset();
    ledger.run(ledger->settle(folder, 0, {both, filtered}, 2));
    const auto rows = ledger.rows();
    REQUIRE(rows.size() == 2);
    CHECK(rows[1].sinks == "archive,crm");
    CHECK(rows[0].sinks.empty());
    CHECK(rows[0].state == MessageState::filtered);
    CHECK_FALSE(rows[0].messageId);
}

SCENARIO("an id that settled keeps its first row", "[ledger]") {
    simulation::SimVfs vfs;
    World ledger(vfs);
    const auto folder = ledger.run(ledger->beginFolder(inbox())).id;
    GIVEN("a message that settled and whose after-action is done") {
        ledger.run(ledger->settle(folder, 0, {settled(1, moved)}, 1));
        const auto first = ledger.rows().front();
        ledger.run(ledger->cleared({first.number}));
        WHEN("it settles again, at another time and another sink") {
            ledger.loop.clock().pass(std::chrono::hours{1});
            ledger.run(ledger->settle(folder, 0, {settled(1, moved, {"crm"}), settled(2, moved)}, 2));
            THEN("only the new one is added") {
                const auto rows = ledger.rows();
                REQUIRE(rows.size() == 2);
                CHECK(rows[1].number == first.number);
                CHECK(rows[1].settled == first.settled);
                CHECK(rows[1].sinks == "archive");
                CHECK(rows[1].after == "done");
                CHECK(rows[0].after == "due");
                CHECK(ledger.run(ledger->summaries()).front().delivered == 2);
            }
        }
    }
}

SCENARIO("an id that settles at another place takes its row there", "[ledger]") {
    simulation::SimVfs vfs;
    World ledger(vfs);
    const auto folder = ledger.run(ledger->beginFolder(inbox())).id;
    ledger.run(ledger->settle(folder, 0, {settled(1, moved)}, 1));
    auto elsewhere = settled(8, moved);
    elsewhere.message.id = idOf(1);
    ledger.run(ledger->settle(folder, 0, {elsewhere}, 8));
    CHECK(ledger.rows().size() == 1);
    CHECK(ledger.run(ledger->finalAbove(folder, 0)) == Ordinals{8});
    const auto due = ledger.run(ledger->dueActions(folder, 10));
    REQUIRE(due.size() == 1);
    CHECK(due.front().ordinal == 8);
    CHECK(ledger.run(ledger->summaries()).front().delivered == 1);
}

SCENARIO("after-actions are due until they are cleared", "[ledger]") {
    simulation::SimVfs vfs;
    World ledger(vfs);
    const auto folder = ledger.run(ledger->beginFolder(inbox())).id;
    GIVEN("three that are due and one that is not") {
        ledger.run(ledger->settle(folder, 0, {settled(9, moved), settled(2, {AfterAction::Kind::seen}), settled(3), settled(5, moved)}, 9));
        THEN("they come in the order of the folder, as many as are asked for") {
            const auto due = ledger.run(ledger->dueActions(folder, 10));
            REQUIRE(due.size() == 3);
            CHECK(due[0].ordinal == 2);
            CHECK(due[0].action.kind == AfterAction::Kind::seen);
            CHECK(due[0].action.target.empty());
            CHECK(due[1].ordinal == 5);
            CHECK(due[1].action.kind == AfterAction::Kind::move);
            CHECK(due[1].action.target == moved.target);
            CHECK_FALSE(due[1].copied);
            CHECK(due[2].ordinal == 9);
            CHECK(ledger.run(ledger->dueActions(folder, 1)).size() == 1);
            CHECK(ledger.run(ledger->dueActions(folder + 1, 10)).empty());
        }
        WHEN("a copy is made of two, and one of these is cleared") {
            ledger.run(ledger->copied(folder, {5, 9, 100}));
            ledger.run(ledger->cleared({ledger.run(ledger->dueActions(folder, 10))[1].message, 12345}));
            THEN("the copy of the other is remembered") {
                const auto due = ledger.run(ledger->dueActions(folder, 10));
                REQUIRE(due.size() == 2);
                CHECK_FALSE(due[0].copied);
                CHECK(due[1].ordinal == 9);
                CHECK(due[1].copied);
                const auto rows = ledger.rows();
                CHECK(rows[0].after == "done");
                CHECK(rows[1].after.empty());
                CHECK(rows[2].after == "due");
                CHECK(rows[3].after == "due");
            }
        }
    }
}
