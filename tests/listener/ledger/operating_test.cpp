#include "tests/listener/ledger/ledger_world.h"

using namespace ledger_test;

SCENARIO("an operator starts a mailbox again", "[ledger]") {
    simulation::SimVfs vfs;
    World ledger(vfs);
    const auto old = ledger.run(ledger->beginFolder(inbox())).id;
    ledger.run(ledger->settle(old, 0, {settled(1, moved), settled(2)}, 2));
    ledger.run(ledger->intend(old, {3, 4}));
    auto other = inbox();
    other.mailbox = "other";
    const auto untouched = ledger.run(ledger->beginFolder(other)).id;
    const auto before = ledger.run(ledger->operatorChanges());
    GIVEN("a restart from the beginning") {
        ledger.run(ledger->block({"sales"}, "rebuilt"));
        ledger.run(ledger->restart("sales", {Start::Kind::all}));
        THEN("its folders are to be begun anew, what people may want to see stays, other mailboxes stay") {
            CHECK_FALSE(ledger.run(ledger->folder("sales", "imap", "INBOX")));
            CHECK(ledger.run(ledger->openBatches(old)).empty());
            CHECK(ledger.run(ledger->dueActions(old, 10)).empty());
            CHECK(ledger.rows().size() == 2);
            CHECK(ledger.rows()[1].after.empty());
            CHECK_FALSE(ledger.run(ledger->blocked("sales")));
            CHECK(ledger.run(ledger->restartedWith("sales"))->kind == Start::Kind::all);
            CHECK_FALSE(ledger.run(ledger->restartedWith("other")));
            CHECK(ledger.run(ledger->folder("other", "imap", "INBOX"))->id == untouched);
            CHECK(ledger.run(ledger->operatorChanges()) == before + 2);
        }
        AND_WHEN("the folder is begun anew and a message settles again under its id") {
            const auto folder = ledger.run(ledger->beginFolder(inbox())).id;
            CHECK(ledger.run(ledger->finalAbove(folder, 0)).empty());
            ledger.loop.clock().pass(std::chrono::hours{1});
            ledger.run(ledger->settle(folder, 0, {settled(1, moved, {"crm"})}, 1));
            THEN("its one row stands at the new place, once, with what happened now") {
                const auto rows = ledger.rows();
                REQUIRE(rows.size() == 2);
                CHECK(rows[1].id == idOf(1));
                CHECK(rows[1].number == 1);
                CHECK(rows[1].sinks == "crm");
                CHECK(rows[1].settled == ledger.loop.clock().wall());
                CHECK(rows[1].after == "due");
                CHECK(ledger.run(ledger->finalAbove(folder, 0)) == Ordinals{1});
                CHECK(ledger.run(ledger->finalAbove(old, 0)) == Ordinals{2});
                CHECK(ledger.run(ledger->dueActions(folder, 10)).size() == 1);
                const auto summaries = ledger.run(ledger->summaries());
                REQUIRE(summaries.size() == 2);
                CHECK(summaries[1].mailbox == "sales");
                CHECK(summaries[1].delivered == 2);
                CHECK(summaries[1].cursor == 1);
            }
        }
        AND_WHEN("a batch that was under way settles at the forgotten folder") {
            ledger.run(ledger->settle(old, 1, {settled(3, moved)}, 3));
            THEN("that it was delivered is recorded, but its after-action is not promised") {
                CHECK(ledger.rows().size() == 3);
                CHECK(ledger.rows()[0].after.empty());
                CHECK(ledger.run(ledger->dueActions(old, 10)).empty());
                CHECK_FALSE(ledger.run(ledger->folder("sales", "imap", "INBOX")));
            }
        }
    }
    GIVEN("a restart of all mailboxes from now on") {
        ledger.run(ledger->restart("", {Start::Kind::now}));
        THEN("every known one is forgotten, and the moment is kept") {
            CHECK_FALSE(ledger.run(ledger->folder("sales", "imap", "INBOX")));
            CHECK_FALSE(ledger.run(ledger->folder("other", "imap", "INBOX")));
            const auto start = ledger.run(ledger->restartedWith("other"));
            REQUIRE(start);
            CHECK(start->kind == Start::Kind::now);
            CHECK(start->since == ledger.loop.clock().wall());
        }
    }
    GIVEN("a restart of a mailbox the ledger has never seen, since a date") {
        ledger.run(ledger->restart("new", {Start::Kind::since, at(1'600'000'000)}));
        THEN("it is remembered for the day it comes") {
            const auto start = ledger.run(ledger->restartedWith("new"));
            REQUIRE(start);
            CHECK(start->kind == Start::Kind::since);
            CHECK(start->since == at(1'600'000'000));
        }
    }
}

SCENARIO("mailboxes are blocked until an operator acts", "[ledger]") {
    simulation::SimVfs vfs;
    auto ledger = std::make_unique<World>(vfs);
    GIVEN("a loss the host told of") {
        const auto lost = at(1'790'000'000);
        ledger->run((*ledger)->blockAfterLoss(lost, {"a", "b"}, "the database was lost"));
        const auto changes = ledger->run((*ledger)->operatorChanges());
        WHEN("the process starts again and is told again") {
            ledger->run((*ledger)->restart("a", {Start::Kind::all}));
            vfs.kill();
            ledger = std::make_unique<World>(vfs);
            ledger->run((*ledger)->blockAfterLoss(lost, {"a", "b"}, "the database was lost"));
            THEN("what the operator has unblocked stays so, what not stays blocked") {
                CHECK_FALSE(ledger->run((*ledger)->blocked("a")));
                CHECK(ledger->run((*ledger)->blocked("b")) == "the database was lost");
                CHECK_FALSE(ledger->run((*ledger)->blocked("c")));
                CHECK(ledger->run((*ledger)->operatorChanges()) == changes + 1);
            }
        }
        WHEN("there is another loss") {
            ledger->run((*ledger)->restart("a", {Start::Kind::all}));
            ledger->run((*ledger)->blockAfterLoss(lost + std::chrono::milliseconds{1}, {"a"}, "again"));
            THEN("it counts") { CHECK(ledger->run((*ledger)->blocked("a")) == "again"); }
        }
    }
}

SCENARIO("a mailbox that is read by another protocol than is configured stays so", "[ledger]") {
    simulation::SimVfs vfs;
    auto ledger = std::make_unique<World>(vfs);
    REQUIRE_FALSE(ledger->run((*ledger)->detour("sales")));
    const auto before = ledger->run((*ledger)->operatorChanges());
    ledger->run((*ledger)->take("sales", listener::Detour{"graph", "ews", "EWS is blocked"}));
    WHEN("the process ends") {
        ledger.reset();
        ledger = std::make_unique<World>(vfs);
        THEN("the next one knows, and so do people") {
            const auto detour = ledger->run((*ledger)->detour("sales"));
            REQUIRE(detour);
            CHECK(detour->protocol == "graph");
            CHECK(detour->insteadOf == "ews");
            CHECK(ledger->run((*ledger)->operatorChanges()) > before);
            const auto summaries = ledger->run((*ledger)->summaries());
            REQUIRE(summaries.size() == 1);
            CHECK(summaries.front().detour->why == "EWS is blocked");
        }
    }
    WHEN("an operator takes it back") {
        ledger->run((*ledger)->take("sales", std::nullopt));
        THEN("nothing is left of it") {
            CHECK_FALSE(ledger->run((*ledger)->detour("sales")));
            CHECK_FALSE(ledger->run((*ledger)->summaries()).front().detour);
        }
    }
}
