#include "listener/ledger/outbox.h"
#include "tests/listener/ledger/ledger_world.h"

using namespace ledger_test;
using listener::Kept;
using listener::OutboxEntry;
using listener::OutboxOutcome;
using listener::Outstanding;

namespace {

using Kind = OutboxOutcome::Kind;

/// A message that sink "archive" has, and these have not.
Settled owed(std::uint64_t ordinal, const std::vector<std::string>& sinks, AfterAction after = {}) {
    auto one = settled(ordinal, std::move(after));
    one.state = MessageState::pending;
    one.message.folder = "INBOX";
    one.message.protocol = "imap";
    one.message.flags = {"\\Seen", "$Important"};
    one.kept = Kept{"outbox/" + std::to_string(ordinal / 10) + ".seg", ordinal};
    for (const auto& sink : sinks)
        one.outstanding.push_back({.sink = sink, .next = at(1'790'000'000), .attempts = 1, .code = plugin::Code::sinkRefused, .what = "503"});
    return one;
}

OutboxOutcome outcome(std::uint64_t ordinal, const std::string& sink, Kind kind, plugin::Wall next = at(1'795'000'000)) {
    return {.id = idOf(ordinal), .sink = sink, .kind = kind, .next = next, .code = plugin::Code::sinkRefused, .what = "500"};
}

/// A ledger with a folder whose cursor is past everything that was given to it.
class Outbox {
public:
    explicit Outbox(simulation::SimVfs& vfs) : ledger(vfs), outbox_(listener::makeOutboxLedger(ledger.database(), ledger.loop.clock())) {
        folder_ = ledger.run(ledger->beginFolder(inbox())).id;
    }
    std::vector<std::string> settle(std::vector<Settled> all) {
        Ordinals ordinals;
        std::uint64_t cursor = 0;
        for (const auto& one : all) ordinals.push_back(one.message.position.ordinal), cursor = one.message.position.ordinal;
        const auto batch = ledger.run(ledger->intend(folder_, ordinals));
        return ledger.run(ledger->settle(folder_, batch, std::move(all), cursor));
    }
    listener::OutboxEnd conclude(std::vector<OutboxOutcome> outcomes) { return ledger.run(outbox_->conclude(std::move(outcomes))); }
    std::vector<std::uint64_t> due(const std::string& sink, std::int64_t now = 1'793'000'000) {
        std::vector<std::uint64_t> ordinals;
        for (const auto& entry : ledger.run(outbox_->due(sink, at(now), 100))) ordinals.push_back(entry.message.position.ordinal);
        return ordinals;
    }
    MessageState stateOf(std::uint64_t ordinal) {
        const auto rows = ledger.rows({.find = idOf(ordinal)});
        if (rows.size() != 1) throw std::runtime_error("no row of " + std::to_string(ordinal));
        return rows.front().state;
    }
    listener::OutboxLedger* operator->() { return outbox_.get(); }
    std::int64_t folder() const { return folder_; }

    World ledger;

private:
    std::unique_ptr<listener::OutboxLedger> outbox_;
    std::int64_t folder_ = 0;
};

}  // namespace

SCENARIO("the outbox owes what a sink has not taken, and to that sink alone", "[ledger][outbox]") {
    simulation::SimVfs vfs;
    Outbox outbox(vfs);
    GIVEN("a message that one of three sinks has") {
        outbox.settle({owed(21, {"hook", "program"}, moved)});
        THEN("it is listed no more, is not delivered yet, and nothing is due in the mailbox") {
            REQUIRE(outbox.ledger.run(outbox.ledger->finalAbove(outbox.folder(), 0)) == Ordinals{21});
            REQUIRE(outbox.stateOf(21) == MessageState::pending);
            REQUIRE(outbox.ledger.run(outbox.ledger->dueActions(outbox.folder(), 10)).empty());
            REQUIRE(outbox.due("archive").empty());
            REQUIRE(outbox.due("hook") == Ordinals{21});
            REQUIRE(outbox.ledger.run(outbox->waiting("hook")) == 1);
        }
        THEN("an entry is the message as it was, with the place of its bytes") {
            const auto entries = outbox.ledger.run(outbox->due("program", at(1'793'000'000), 5));
            REQUIRE(entries.size() == 1);
            const auto& message = entries.front().message;
            REQUIRE(message.id == idOf(21));
            REQUIRE(message.mailbox == "sales");
            REQUIRE(message.folder == "INBOX");
            REQUIRE(message.position.text == "7:21");
            REQUIRE(message.flags == std::vector<std::string>{"\\Seen", "$Important"});
            REQUIRE(message.messageId == "<21@example.com>");
            REQUIRE(message.content.size() == 6);
            REQUIRE(entries.front().kept.file == "outbox/2.seg");
            REQUIRE(entries.front().kept.start == 21);
        }
        WHEN("one of the two takes it") {
            const auto end = outbox.conclude({outcome(21, "hook", Kind::delivered)});
            THEN("the other is still owed it") {
                REQUIRE(end.finals.empty());
                REQUIRE(end.ended == 1);
                REQUIRE(outbox.due("hook").empty());
                REQUIRE(outbox.due("program") == Ordinals{21});
            }
            AND_WHEN("the other has it already") {
                const auto last = outbox.conclude({outcome(21, "program", Kind::known)});
                THEN("the message is delivered, its action is due and its file is free") {
                    REQUIRE(last.finals.size() == 1);
                    REQUIRE(last.finals.front().actionDue);
                    REQUIRE(last.freed == std::vector<std::string>{"outbox/2.seg"});
                    REQUIRE(last.freedBytes == 6);
                    REQUIRE(outbox.stateOf(21) == MessageState::delivered);
                    const auto due = outbox.ledger.run(outbox.ledger->dueActions(outbox.folder(), 10));
                    REQUIRE(due.size() == 1);
                    REQUIRE(due.front().action.target == moved.target);
                    const auto row = outbox.ledger.rows().front();
                    REQUIRE(row.sinks.find("hook") != std::string::npos);
                    REQUIRE(row.sinks.find("program") != std::string::npos);
                    REQUIRE(row.waiting.empty());
                    REQUIRE(outbox.ledger.run(outbox.ledger->summaries()).front().delivered == 1);
                }
            }
        }
    }
}

SCENARIO("a refused delivery waits for its time, and is not forgotten by a restart of the process", "[ledger][outbox]") {
    simulation::SimVfs vfs;
    {
        Outbox outbox(vfs);
        outbox.settle({owed(21, {"hook"}), owed(22, {"hook"})});
        outbox.conclude({outcome(21, "hook", Kind::refused, at(1'795'000'000))});
        REQUIRE(outbox.due("hook") == Ordinals{22});
    }
    Outbox again(vfs);
    REQUIRE(again.due("hook") == Ordinals{22});
    REQUIRE(again.due("hook", 1'795'000'000) == Ordinals{22, 21});
    REQUIRE(again.ledger.run(again->nextDue("hook")) == at(1'790'000'000));
    const auto entries = again.ledger.run(again->due("hook", at(1'795'000'000), 10));
    REQUIRE(entries.back().attempts == 2);
}

SCENARIO("a sink that is well again gets everything in the order it came, due or not", "[ledger][outbox]") {
    simulation::SimVfs vfs;
    Outbox outbox(vfs);
    outbox.settle({owed(21, {"hook"}), owed(22, {"hook"})});
    outbox.conclude({outcome(21, "hook", Kind::refused, at(1'798'000'000))});
    const auto entries = outbox.ledger.run(outbox->after("hook", 0, 10));
    REQUIRE(entries.size() == 2);
    REQUIRE(entries.front().message.position.ordinal == 21);
    REQUIRE(outbox.ledger.run(outbox->after("hook", entries.back().number, 10)).empty());
}

SCENARIO("what is given up or set aside is shown, keeps its bytes, and can be asked for again", "[ledger][outbox]") {
    simulation::SimVfs vfs;
    Outbox outbox(vfs);
    auto one = owed(21, {"hook"}, moved);
    one.afterQuarantine = {AfterAction::Kind::move, "Bad"};
    outbox.settle({one});
    const auto kind = GENERATE(Kind::dead, Kind::aside);
    const auto end = outbox.conclude({outcome(21, "hook", kind)});
    REQUIRE(end.freed.empty());
    REQUIRE(outbox.stateOf(21) == (kind == Kind::dead ? MessageState::dead : MessageState::quarantined));
    REQUIRE(outbox.due("hook", 1'799'000'000).empty());
    REQUIRE(outbox.ledger.run(outbox->keptBytes()) == 6);
    const auto due = outbox.ledger.run(outbox.ledger->dueActions(outbox.folder(), 10));
    REQUIRE(due.size() == (kind == Kind::dead ? 0 : 1));  // what is given up stays untouched in the mailbox
    if (kind == Kind::aside) REQUIRE(due.front().action.target == "Bad");
    WHEN("an operator wants it delivered after all, to that sink or another") {
        const std::string sink = GENERATE("hook", "archive2");
        const auto replayed = outbox.ledger.run(outbox->replay({.ids = {idOf(21)}}, sink));
        REQUIRE(replayed.kept == 1);
        REQUIRE(outbox.due(sink, 1'799'000'000) == Ordinals{21});
        const auto last = outbox.conclude({outcome(21, sink, Kind::delivered)});
        THEN("it is") {
            REQUIRE(last.finals.size() == 1);
            if (sink == "hook") REQUIRE(outbox.stateOf(21) == MessageState::delivered);
            if (sink == "hook") REQUIRE(last.freed == std::vector<std::string>{"outbox/2.seg"});
            if (sink != "hook") REQUIRE(last.freed.empty());  // the sink that could not take it has not taken it yet
        }
    }
}

SCENARIO("a delivered message is replayed by fetching it again", "[ledger][outbox]") {
    simulation::SimVfs vfs;
    Outbox outbox(vfs);
    outbox.settle({settled(21), settled(22, moved)});
    GIVEN("one that is still in the mailbox and one that was moved away") {
        const auto due = outbox.ledger.run(outbox.ledger->dueActions(outbox.folder(), 10));
        must(outbox.ledger.loop.run(outbox.ledger->cleared({due.front().message})));
        const auto replayed = outbox.ledger.run(outbox->replay({.mailbox = "sales"}, "hook"));
        THEN("the one is fetched first, and the other cannot be had") {
            REQUIRE(replayed.toFetch == 1);
            REQUIRE(replayed.unreachable == 1);
            REQUIRE(outbox.due("hook", 1'799'000'000).empty());
            REQUIRE(outbox.ledger.run(outbox->nextDue("hook")) == std::nullopt);
            const auto work = outbox.ledger.run(outbox->rework(outbox.folder(), at(0)));
            REQUIRE(work.unfetched.size() == 1);
            REQUIRE(work.unfetched.front().ordinal == 21);
            WHEN("it has been fetched") {
                must(outbox.ledger.loop.run(
                    outbox->fetched({{work.unfetched.front().row, Kept{"outbox/f.seg", 3}, {"\\Seen"}, 6, work.unfetched.front().sha256}})));
                REQUIRE(outbox.ledger.run(outbox->rework(outbox.folder(), at(0))).unfetched.empty());
                REQUIRE(outbox.due("hook", 1'799'000'000) == Ordinals{21});
                const auto end = outbox.conclude({outcome(21, "hook", Kind::delivered)});
                REQUIRE(end.freed == std::vector<std::string>{"outbox/f.seg"});
                REQUIRE(outbox.stateOf(21) == MessageState::delivered);
                REQUIRE(outbox.ledger.run(outbox.ledger->summaries()).front().delivered == 2);
            }
            WHEN("it is gone from the mailbox") {
                must(outbox.ledger.loop.run(outbox->gone({work.unfetched.front().row})));
                REQUIRE(outbox.ledger.run(outbox->waiting("hook")) == 0);
                REQUIRE(outbox.stateOf(21) == MessageState::delivered);
            }
        }
    }
}

SCENARIO("bytes that are lost are fetched again, and are missing where that cannot be", "[ledger][outbox]") {
    simulation::SimVfs vfs;
    Outbox outbox(vfs);
    outbox.settle({owed(21, {"hook"}), owed(22, {"hook"}), owed(35, {"hook"})});
    GIVEN("a folder that is as it was") {
        REQUIRE(outbox.ledger.run(outbox->lost("outbox/2.seg")) == 0);
        REQUIRE(outbox.due("hook") == Ordinals{35});
        REQUIRE(outbox.ledger.run(outbox->rework(outbox.folder(), at(0))).unfetched.size() == 2);
        REQUIRE(outbox.ledger.run(outbox->keptFiles()) == std::set<std::string>{"outbox/3.seg"});
    }
    GIVEN("a mailbox that an operator started anew") {
        must(outbox.ledger.loop.run(outbox.ledger->restart("sales", {Start::Kind::all})));
        REQUIRE(outbox.due("hook") == Ordinals{21, 22, 35});  // it is still owed
        REQUIRE(outbox.ledger.run(outbox->lost("outbox/2.seg")) == 2);
        REQUIRE(outbox.due("hook") == Ordinals{35});
        REQUIRE(outbox.stateOf(21) == MessageState::missing);
    }
}

SCENARIO("a file stays as long as one message in it is owed", "[ledger][outbox]") {
    simulation::SimVfs vfs;
    Outbox outbox(vfs);
    outbox.settle({owed(21, {"hook"}), owed(22, {"hook"})});
    REQUIRE(outbox.conclude({outcome(22, "hook", Kind::delivered)}).freed.empty());
    REQUIRE(outbox.conclude({outcome(21, "hook", Kind::delivered)}).freed.size() == 1);
    REQUIRE(outbox.ledger.run(outbox->keptFiles()).empty());
}

SCENARIO("a message delivered again by its folder frees what the outbox had of it", "[ledger][outbox]") {
    simulation::SimVfs vfs;
    Outbox outbox(vfs);
    outbox.settle({owed(21, {"hook"})});
    must(outbox.ledger.loop.run(outbox.ledger->restart("sales", {Start::Kind::all})));
    const auto folder = outbox.ledger.run(outbox.ledger->beginFolder(inbox())).id;
    const auto batch = outbox.ledger.run(outbox.ledger->intend(folder, {21}));
    auto again = settled(21, {}, {"archive", "hook"});
    REQUIRE(outbox.ledger.run(outbox.ledger->settle(folder, batch, {again}, 21)) == std::vector<std::string>{"outbox/2.seg"});
    REQUIRE(outbox.due("hook", 1'799'000'000).empty());
    REQUIRE(outbox.stateOf(21) == MessageState::delivered);
}

SCENARIO("a sink that is gone stays disabled until an operator acts", "[ledger][outbox]") {
    simulation::SimVfs vfs;
    Outbox outbox(vfs);
    outbox.settle({owed(21, {"hook"})});
    must(outbox.ledger.loop.run(outbox->disable("hook", "410")));
    REQUIRE(outbox.ledger.run(outbox->disabled("hook")) == "410");
    REQUIRE(outbox.ledger.run(outbox->totals()).back().disabled == "410");
    const auto before = outbox.ledger.run(outbox.ledger->operatorChanges());
    REQUIRE(outbox.ledger.run(outbox->resume("hook")));
    REQUIRE_FALSE(outbox.ledger.run(outbox->resume("hook")));
    REQUIRE(outbox.ledger.run(outbox->disabled("hook")) == std::nullopt);
    REQUIRE(outbox.ledger.run(outbox.ledger->operatorChanges()) > before);
}

SCENARIO("what has not yet reached its own sinks is not replayed to another one, which would seem to settle it", "[ledger][outbox]") {
    simulation::SimVfs vfs;
    Outbox outbox(vfs);
    auto unread = settled(31);
    unread.state = MessageState::missing;
    unread.verdicts.clear();
    std::vector<Settled> all;
    all.push_back(std::move(unread));
    all.push_back(settled(32));
    outbox.settle(std::move(all));
    const auto replayed = outbox.ledger.run(outbox->replay({.ids = {idOf(31), idOf(32), idOf(33)}}, "late"));
    REQUIRE(replayed.underWay == 1);
    REQUIRE(replayed.unreachable == 0);
    REQUIRE(replayed.toFetch == 1);
    REQUIRE(replayed.kept == 0);
    REQUIRE(outbox.stateOf(31) == MessageState::missing);
    REQUIRE(outbox.ledger.run(outbox->waiting("late")) == 1);
}

SCENARIO("a delivery that waits for its bytes is not tried without them, whoever puts it off", "[ledger][outbox]") {
    simulation::SimVfs vfs;
    Outbox outbox(vfs);
    outbox.settle({owed(21, {"hook"})});
    REQUIRE(outbox.ledger.run(outbox->lost("outbox/2.seg")) == 0);
    const auto row = outbox.ledger.run(outbox->rework(outbox.folder(), {})).unfetched.front().row;
    must(outbox.ledger.loop.run(outbox->postpone(row, "hook", at(1'790'000'000))));
    REQUIRE(outbox.due("hook").empty());
    REQUIRE_FALSE(outbox.ledger.run(outbox->nextDue("hook")));
    REQUIRE(outbox.ledger.run(outbox->after("hook", 0, 10)).empty());
    WHEN("an attempt ends that was under way when the bytes were lost") {
        outbox.conclude({outcome(21, "hook", Kind::refused)});
        THEN("it waits for its bytes as before") {
            REQUIRE(outbox.due("hook", 1'799'000'000).empty());
            REQUIRE(outbox.ledger.run(outbox->rework(outbox.folder(), {})).unfetched.size() == 1);
        }
    }
}

SCENARIO("what an operator discards is kept no longer, and nothing that is still owed", "[ledger][outbox]") {
    simulation::SimVfs vfs;
    Outbox outbox(vfs);
    outbox.settle({owed(21, {"hook"}), owed(22, {"hook"}), owed(35, {"hook", "program"}), owed(41, {"hook"})});
    outbox.conclude({outcome(21, "hook", Kind::dead), outcome(22, "hook", Kind::aside), outcome(35, "hook", Kind::dead)});
    const auto done = outbox.ledger.run(outbox->discard({.mailbox = "sales"}));
    REQUIRE(done.messages == 2);
    REQUIRE(done.bytes == 12);
    REQUIRE(done.freed == std::vector<std::string>{"outbox/2.seg"});
    REQUIRE(outbox.stateOf(21) == MessageState::dead);
    REQUIRE(outbox.stateOf(22) == MessageState::quarantined);
    REQUIRE(outbox.due("hook") == Ordinals{41});
    REQUIRE(outbox.due("program") == Ordinals{35});
    REQUIRE(outbox.ledger.run(outbox->keptFiles()) == std::set<std::string>{"outbox/3.seg", "outbox/4.seg"});
    THEN("a replay has to fetch it again") { REQUIRE(outbox.ledger.run(outbox->replay({.ids = {idOf(21)}}, "hook")).toFetch == 1); }
}

SCENARIO("the after-action follows a replay of what its only sink had set aside at once", "[ledger][outbox]") {
    simulation::SimVfs vfs;
    Outbox outbox(vfs);
    auto aside = owed(21, {});
    aside.state = MessageState::quarantined;
    aside.outstanding.push_back({.sink = "hook", .end = Outstanding::End::aside});
    std::vector<Settled> all;
    all.push_back(std::move(aside));
    outbox.settle(std::move(all));
    REQUIRE(outbox.ledger.run(outbox.ledger->dueActions(outbox.folder(), 10)).empty());
    REQUIRE(outbox.ledger.run(outbox->replay({.ids = {idOf(21)}, .after = {{"sales", moved}}}, "hook")).kept == 1);
    outbox.conclude({outcome(21, "hook", Kind::delivered)});
    REQUIRE(outbox.stateOf(21) == MessageState::delivered);
    const auto due = outbox.ledger.run(outbox.ledger->dueActions(outbox.folder(), 10));
    REQUIRE(due.size() == 1);
    REQUIRE(due.front().action.target == moved.target);
}

SCENARIO("what a replay left behind that its sink can never take can be discarded, too", "[ledger][outbox]") {
    simulation::SimVfs vfs;
    Outbox outbox(vfs);
    std::vector<Settled> all;
    all.push_back(settled(32));
    outbox.settle(std::move(all));
    REQUIRE(outbox.ledger.run(outbox->replay({.ids = {idOf(32)}}, "late")).toFetch == 1);
    const auto row = outbox.ledger.run(outbox->rework(outbox.folder(), {})).unfetched.front();
    listener::OutboxLedger::Fetch fetch{.row = row.row, .kept = {"outbox/9.seg", 0}};
    fetch.size = row.size;
    fetch.sha256 = row.sha256;
    must(outbox.ledger.loop.run(outbox->fetched({fetch})));
    REQUIRE(outbox.ledger.run(outbox->discard({.ids = {idOf(32)}})).messages == 0);  // it waits
    outbox.conclude({outcome(32, "late", Kind::aside)});
    REQUIRE(outbox.stateOf(32) == MessageState::delivered);
    const auto done = outbox.ledger.run(outbox->discard({.ids = {idOf(32)}}));
    REQUIRE(done.messages == 1);
    REQUIRE(done.freed == std::vector<std::string>{"outbox/9.seg"});
    REQUIRE(outbox.ledger.run(outbox->keptBytes()) == 0);
}

SCENARIO("what is delivered while its folder is not what it was is followed by its after-action where it shows up", "[ledger][outbox]") {
    simulation::SimVfs vfs;
    Outbox outbox(vfs);
    outbox.settle({owed(21, {"hook"}, moved)});
    const auto before = outbox.folder();
    GIVEN("a rebuild in which it was not found again") {
        const auto rebuilt = outbox.ledger.run(outbox.ledger->rebuild({.record = inbox(8), .replaces = before}));
        REQUIRE(rebuilt);
        outbox.conclude({outcome(21, "hook", Kind::delivered)});
        REQUIRE(outbox.ledger.run(outbox.ledger->dueActions(rebuilt->record.id, 10)).empty());
        const auto row = outbox.ledger.rows({.find = idOf(21)}).front().number;
        outbox.ledger.run(outbox.ledger->repoint(rebuilt->record.id, {{row, 5}}));
        const auto due = outbox.ledger.run(outbox.ledger->dueActions(rebuilt->record.id, 10));
        REQUIRE(due.size() == 1);
        REQUIRE(due.front().ordinal == 5);
        REQUIRE(due.front().action.target == moved.target);
    }
    GIVEN("a restart of the mailbox by an operator") {
        outbox.ledger.run(outbox.ledger->restart("sales", {Start::Kind::now, {}}));
        outbox.conclude({outcome(21, "hook", Kind::delivered)});
        THEN("nothing more is done with it") { REQUIRE(outbox.ledger.run(outbox.ledger->dueActions(before, 10)).empty()); }
    }
}
