#include "tests/listener/ledger/ledger_world.h"

#include <algorithm>
#include <map>

using namespace ledger_test;
using listener::Identity;
using simulation::SimVfs;
using Fate = SimVfs::Fate;

namespace {

Identity identityOf(std::uint64_t ordinal) {
    const auto one = settled(ordinal);
    return {one.message.id, one.message.content.size(), one.message.content.sha256(), one.message.matchKey};
}

/// Messages 1 to 4 are delivered, 2 and 3 are still to be moved; 5 and 6 are under way.
void prepare(World& ledger) {
    const auto folder = ledger.run(ledger->beginFolder(inbox())).id;
    const auto batch = ledger.run(ledger->intend(folder, {1, 2, 3, 4}));
    ledger.run(ledger->settle(folder, batch, {settled(1), settled(2, moved), settled(3, moved), settled(4)}, 4));
    ledger.run(ledger->intend(folder, {5, 6}, {identityOf(5), identityOf(6)}));
}

/// The folder has 1, 2 and 5 now, at 12, 11 and 13; 14 is new.
listener::Rebuild rebuildOf(World& ledger) {
    auto keys = std::make_shared<listener::CandidateKeys>();
    for (const auto ordinal : {1u, 2u, 5u}) keys->add(settled(ordinal).message.matchKey, 0);
    keys->sort();
    const auto old = ledger.folder();
    const std::map<std::uint64_t, std::uint64_t> now{{1, 12}, {2, 11}, {5, 13}};
    listener::Rebuild rebuild{.record = inbox(8), .replaces = old.id};
    rebuild.record.cursor = 12;
    rebuild.record.beforeStart = 1;
    rebuild.record.wantedBelow = 15;
    rebuild.record.wanted = {13, 14};
    for (const auto& candidate : ledger.run(ledger->candidates({old.id}, keys)))
        rebuild.matches.push_back({candidate.number, candidate.batch, candidate.ordinal, now.at(candidate.ordinal)});
    return rebuild;
}

std::map<std::string, listener::LedgerRow> rowsById(World& ledger) {
    std::map<std::string, listener::LedgerRow> rows;
    for (auto& row : ledger.rows()) rows.emplace(row.id, row);
    return rows;
}

void checkRebuilt(World& ledger) {
    const auto folder = ledger.folder();
    CHECK(folder.validity == 8);
    CHECK(folder.wanted == Ordinals{13, 14});
    CHECK(folder.kin);
    auto rows = rowsById(ledger);
    REQUIRE(rows.size() == 6);
    CHECK(rows.at(idOf(1)).position == "8:12");
    CHECK(rows.at(idOf(1)).sinks == "archive");
    CHECK(rows.at(idOf(2)).position == "8:11");
    CHECK(rows.at(idOf(2)).after == "due");
    CHECK(rows.at(idOf(3)).position == "7:3");
    CHECK(rows.at(idOf(3)).after == "due");  // if it comes to light elsewhere
    CHECK(rows.at(idOf(5)).position == "8:13");
    CHECK(rows.at(idOf(5)).state == MessageState::pending);
    CHECK(rows.at(idOf(6)).state == MessageState::missing);
    const auto due = ledger.run(ledger->dueActions(folder.id, 10));
    REQUIRE(due.size() == 1);
    CHECK(due.front().ordinal == 11);
    CHECK(ledger.run(ledger->finalAbove(folder.id, 0)) == Ordinals{11, 12});
    CHECK(ledger.run(ledger->openBatches(folder.id)).empty());
    CHECK(ledger.run(ledger->summaries()).front().delivered == 4);
}

}  // namespace

SCENARIO("what is known of a folder's messages outlives their positions", "[ledger]") {
    GIVEN("a folder with delivered messages, due after-actions and a batch under way") {
        SimVfs vfs;
        World ledger(vfs);
        prepare(ledger);
        WHEN("it is rebuilt") {
            auto rebuilt = ledger.run(ledger->rebuild(rebuildOf(ledger)));
            THEN("rows, due actions and the batch come along, the rest stays behind") {
                REQUIRE(rebuilt);
                CHECK(rebuilt->gone == 2);
                checkRebuilt(ledger);
            }
            THEN("a message under way is recognised at its place, one that is gone wherever it shows up") {
                const auto folder = ledger.folder().id;
                const auto five = identityOf(5), six = identityOf(6), three = identityOf(3);
                const auto answers =
                    ledger.run(ledger->recognise(folder, {{13, idOf(5), five.sha256}, {20, idOf(6), six.sha256}, {21, idOf(3), three.sha256}}));
                CHECK(answers[0].assigned == idOf(5));
                REQUIRE(answers[1].like.size() == 1);
                CHECK(answers[1].like.front().id == idOf(6));
                CHECK_FALSE(answers[1].like.front().settled);
                REQUIRE(answers[2].like.size() == 1);
                CHECK(answers[2].like.front().settled);
                CHECK(answers[2].like.front().placeVoid);
            }
            THEN("what was still to be done with a message that is gone is done where it shows up") {
                const auto folder = ledger.folder().id;
                CHECK(ledger.run(ledger->summaries()).front().dueActions == 1);
                const auto three = rowsById(ledger).at(idOf(3)).number;
                ledger.run(ledger->repoint(folder, {{three, 21}}));
                const auto due = ledger.run(ledger->dueActions(folder, 10));
                REQUIRE(due.size() == 2);
                CHECK(due.back().ordinal == 21);
                CHECK(due.back().action.target == moved.target);
            }
            THEN("a new message at the former place of an equal one we took away is not given the id of that one") {
                const auto folder = ledger.folder().id;
                ledger.run(ledger->cleared({rowsById(ledger).at(idOf(2)).number}));
                const auto answers =
                    ledger.run(ledger->recognise(folder, {{22, idOf(2), identityOf(2).sha256}, {23, idOf(9), identityOf(2).sha256}}));
                CHECK(answers[0].like.empty());
                CHECK(answers[0].idTaken);
                CHECK_FALSE(answers[1].idTaken);
            }
            THEN("a pending message settles under its id") {
                const auto folder = ledger.folder().id;
                const auto batch = ledger.run(ledger->intend(folder, {13}));
                auto one = settled(13);
                one.message.id = idOf(5);
                ledger.run(ledger->settle(folder, batch, {one}, 14));
                CHECK(rowsById(ledger).at(idOf(5)).state == MessageState::delivered);
                CHECK(ledger.folder().wanted.empty());
                CHECK(ledger.run(ledger->summaries()).front().delivered == 5);
            }
        }
        WHEN("it is rebuilt, and of some messages nobody can tell which they are now") {
            auto rebuild = rebuildOf(ledger);
            const auto four = rowsById(ledger).at(idOf(4)).number, batch = ledger.run(ledger->openBatches(ledger.folder().id)).front().id;
            rebuild.undecided = {{four, 0, 4}, {0, batch, 6}};
            REQUIRE(ledger.run(ledger->rebuild(std::move(rebuild))));
            checkRebuilt(ledger);
            const auto folder = ledger.folder().id;
            const auto likes = [&](std::uint64_t like, bool rendered, const std::string& position) {
                const auto of = identityOf(like);
                const auto answers = ledger.run(ledger->recognise(folder, {{30, idOf(100 + like), of.sha256, of.matchKey, 0, position, rendered}}));
                return answers.front().like.size();
            };
            THEN("no message is taken for one of them that is only like it") {
                CHECK(likes(4, true, "8:30") == 0);
                CHECK(likes(6, true, "8:30") == 0);
                CHECK(likes(3, true, "8:30") == 1);
            }
            THEN("one that has its octets, or the same id at the server, is") {
                CHECK(likes(4, false, "8:30") == 1);
                CHECK(likes(4, true, "7:4") == 1);
            }
            THEN("the next rebuild is told of it") {
                auto keys = std::make_shared<listener::CandidateKeys>();
                for (const auto ordinal : {1u, 3u, 4u, 6u}) keys->add(settled(ordinal).message.matchKey, 0);
                keys->sort();
                std::map<std::uint64_t, bool> undecided;
                for (const auto& record : ledger.run(ledger->records("sales")))
                    for (const auto& one : ledger.run(ledger->candidates({record.id}, keys))) undecided.emplace(one.ordinal, one.undecided);
                CHECK(undecided == std::map<std::uint64_t, bool>{{3, false}, {4, true}, {6, true}, {12, false}});
            }
            THEN("once it is delivered under its id, it is known as ever") {
                auto one = settled(16);
                one.message.id = idOf(6);
                ledger.run(ledger->settle(folder, std::nullopt, {one}, 14));
                CHECK(likes(16, true, "8:30") == 1);
            }
            THEN("once it is found, it is known as ever") {
                listener::Rebuild again{.record = inbox(9), .replaces = folder};
                again.matches = {{four, 0, 4, 15}};
                REQUIRE(ledger.run(ledger->rebuild(std::move(again))));
                CHECK(rowsById(ledger).at(idOf(4)).position == "9:15");
                const auto of = identityOf(4);
                const auto answers = ledger.run(ledger->recognise(ledger.folder().id, {{30, idOf(104), of.sha256, of.matchKey, 0, "9:30", true}}));
                CHECK(answers.front().like.size() == 1);
            }
        }
        WHEN("an operator restarts the mailbox before the rebuild is written") {
            auto rebuild = rebuildOf(ledger);
            ledger.run(ledger->restart("sales", {Start::Kind::now, {}}));
            THEN("nothing is written") { CHECK_FALSE(ledger.run(ledger->rebuild(std::move(rebuild)))); }
        }
        WHEN("a sink refuses part of a batch") {
            const auto folder = ledger.folder().id;
            const auto open = ledger.run(ledger->openBatches(folder)).front();
            ledger.run(ledger->settle(folder, open.id, {settled(6)}, 4));
            THEN("the rest keeps its id, and is not final") {
                CHECK(rowsById(ledger).at(idOf(5)).state == MessageState::pending);
                CHECK(ledger.run(ledger->finalAbove(folder, 4)) == Ordinals{6});
            }
        }
    }
}

SCENARIO("what a rebuild leaves under way, without its bytes, ends with its record", "[ledger]") {
    SimVfs vfs;
    World ledger(vfs);
    prepare(ledger);
    const auto old = ledger.folder().id;
    ledger.run(ledger->settle(old, ledger.run(ledger->openBatches(old)).front().id, {settled(6)}, 4));
    const auto five = rowsById(ledger).at(idOf(5));
    REQUIRE(five.state == MessageState::pending);
    const auto retained = [&] {
        const auto moment = ledger.loop.clock().wall() + std::chrono::hours(1);
        ledger.run(ledger->retain(ledger.folder().id, std::make_shared<const Ordinals>(), moment));
        return !rowsById(ledger).contains(idOf(5));
    };
    GIVEN("a message that is gone, or one of which nobody can tell which it is") {
        listener::Rebuild rebuild{.record = inbox(8), .replaces = old};
        if (GENERATE(false, true)) rebuild.undecided = {{five.number, 0, 5}};
        REQUIRE(ledger.run(ledger->rebuild(std::move(rebuild))));
        THEN("it is missing: known where it comes to light, and forgotten in time") {
            CHECK(rowsById(ledger).at(idOf(5)).state == MessageState::missing);
            const auto answers = ledger.run(ledger->recognise(ledger.folder().id, {{20, idOf(5), identityOf(5).sha256}}));
            REQUIRE(answers.front().like.size() == 1);
            CHECK_FALSE(answers.front().like.front().settled);
            CHECK(retained());
        }
    }
    GIVEN("one that is found again") {
        listener::Rebuild rebuild{.record = inbox(8), .replaces = old};
        rebuild.matches = {{five.number, 0, 5, 12}};
        REQUIRE(ledger.run(ledger->rebuild(std::move(rebuild))));
        CHECK(rowsById(ledger).at(idOf(5)).state == MessageState::pending);
        CHECK_FALSE(retained());
    }
}

SCENARIO("a folder whose messages seem to be in another one is matched anew when it is there again", "[ledger]") {
    SimVfs vfs;
    World ledger(vfs);
    prepare(ledger);
    const auto four = rowsById(ledger).at(idOf(4)).number, old = ledger.folder().id;
    auto other = inbox(9);
    other.name = "Projects";
    listener::Rebuild rebuild{.record = other};
    const auto standsNoMore = [&] {
        REQUIRE(ledger.run(ledger->rebuild(std::move(rebuild))));
        CHECK_FALSE(ledger.run(ledger->folder("sales", "imap", "INBOX")));
        const auto records = ledger.run(ledger->records("sales"));
        CHECK(std::any_of(records.begin(), records.end(), [old](const auto& one) { return one.id == old && one.superseded; }));
    };
    GIVEN("one that was found there") {
        rebuild.matches = {{four, 0, 4, 1}};
        standsNoMore();
    }
    GIVEN("one that is there, and nobody can tell which it is") {
        rebuild.undecided = {{four, 0, 4}};
        standsNoMore();
    }
    GIVEN("one under way of which the same is true") {
        rebuild.undecided = {{0, ledger.run(ledger->openBatches(old)).front().id, 6}};
        standsNoMore();
    }
}

SCENARIO("no message is deleted because of what was due for one that has no more than its keys", "[ledger]") {
    SimVfs vfs;
    World ledger(vfs);
    prepare(ledger);
    const auto old = ledger.folder().id;
    ledger.run(ledger->settle(old, std::nullopt, {settled(7, {AfterAction::Kind::remove, ""}), settled(8, {AfterAction::Kind::remove, ""})}, 4));
    auto rows = rowsById(ledger);
    listener::Rebuild rebuild{.record = inbox(8), .replaces = old};
    const auto match = [&](std::uint64_t ordinal, bool byKeys) {
        rebuild.matches.push_back({{rows.at(idOf(ordinal)).number, 0, ordinal}, 10 + ordinal, byKeys});
    };
    match(2, true);
    match(7, true);
    match(8, false);
    REQUIRE(ledger.run(ledger->rebuild(std::move(rebuild))));
    const auto due = ledger.run(ledger->dueActions(ledger.folder().id, 10));
    REQUIRE(due.size() == 2);
    CHECK(due.front().ordinal == 12);  // is to be moved
    CHECK(due.back().ordinal == 18);
    rows = rowsById(ledger);
    CHECK(rows.at(idOf(7)).position == "8:17");
    CHECK(rows.at(idOf(7)).after.empty());
}

SCENARIO("a rebuild is whole or not at all, whichever effect fails", "[ledger]") {
    const auto fate = GENERATE(Fate::ioError, Fate::full, Fate::dead);
    bool reached = true;
    std::uint64_t n = 0;
    while (reached) {
        ++n;
        SimVfs vfs;
        {
            auto ledger = std::make_unique<World>(vfs);
            prepare(*ledger);
            const auto from = vfs.effects();
            auto rebuild = rebuildOf(*ledger);
            vfs.judge([from, n, fate](SimVfs::Effect, std::uint64_t number, const std::string&) { return number == from + n ? fate : Fate::pass; });
            try {
                ledger->run((*ledger)->rebuild(std::move(rebuild)));
            } catch (const std::runtime_error&) {  // an Error: the next process tells what it left
            }
            reached = vfs.effects() >= from + n;
            vfs.kill();
        }
        vfs.judge({});
        World ledger(vfs);
        if (ledger.folder().validity == 7) {
            CHECK(ledger.run(ledger->openBatches(ledger.folder().id)).size() == 1);
            CHECK(ledger.run(ledger->dueActions(ledger.folder().id, 10)).size() == 2);
            ledger.run(ledger->rebuild(rebuildOf(ledger)));
        }
        checkRebuilt(ledger);
    }
    CHECK(n > 3);
}
