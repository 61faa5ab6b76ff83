#include "listener/ledger/outbox.h"
#include "listener/message/cross_key.h"
#include "tests/listener/ledger/ledger_world.h"

#include <numeric>

using namespace ledger_test;

namespace {

/// A folder in which 1 … `count` were delivered, each received a second after the other.
std::int64_t folderOf(World& ledger, std::uint64_t count) {
    const auto folder = ledger.run(ledger->beginFolder(inbox())).id;
    std::vector<Settled> all;
    Ordinals ordinals(count);
    std::iota(ordinals.begin(), ordinals.end(), std::uint64_t{1});
    for (const auto ordinal : ordinals) all.push_back(settled(ordinal));
    const auto batch = ledger.run(ledger->intend(folder, ordinals));
    ledger.run(ledger->settle(folder, batch, std::move(all), count));
    return folder;
}

std::uint64_t retain(World& ledger, std::int64_t folder, Ordinals standing) {
    return ledger.run(
        ledger->retain(folder, std::make_shared<const Ordinals>(std::move(standing)), ledger.loop.clock().wall() + std::chrono::hours(1)));
}

}  // namespace

SCENARIO("the ledger forgets what stands in no mailbox any more, and of the rest only the details", "[ledger][retention]") {
    simulation::SimVfs vfs;
    World ledger(vfs);
    const auto folder = folderOf(ledger, 1200);  // more than one step of it
    Ordinals standing;
    for (std::uint64_t ordinal = 1; ordinal <= 1200; ordinal += 3) standing.push_back(ordinal);

    WHEN("nothing is as old as that") {
        const auto moment = ledger.loop.clock().wall() - std::chrono::hours(24 * 365 * 40);
        REQUIRE(ledger.run(ledger->retain(folder, std::make_shared<const Ordinals>(standing), moment)) == 0);
        THEN("all is known as before") { REQUIRE(ledger.rows({.limit = 5000}).size() == 1200); }
    }
    WHEN("all of it is") {
        REQUIRE(retain(ledger, folder, standing) == 800);
        THEN("what stands is known by its place, so that nothing is delivered twice") {
            REQUIRE(ledger.rows({.limit = 5000}).size() == 400);
            REQUIRE(ledger.run(ledger->finalAbove(folder, 0)) == standing);
            REQUIRE(ledger.folder().cursor == 1200);
        }
        THEN("a second time there is nothing left to forget") { REQUIRE(retain(ledger, folder, standing) == 0); }
        THEN("what stands is known to another protocol by the Message-ID it had, also a row of a version that made no key of it") {
            auto keys = std::make_shared<listener::CandidateKeys>();
            listener::Digest nobodys{};
            nobodys.front() = 0xfe;  // those of the rows are all of one octet
            keys->add(nobodys, listener::crossKey("<1@example.com>", {}, {}));
            keys->sort();
            const auto found = ledger.run(ledger->candidates({folder}, keys));
            REQUIRE(found.size() == 1);
            REQUIRE(found.front().ordinal == 1);
            REQUIRE(ledger.rows({.find = idOf(1)}).front().messageId == std::nullopt);
        }
        THEN("after a rebuild what stands is found again by its match key") {
            const auto row = ledger.rows({.find = idOf(1)});
            REQUIRE(row.size() == 1);
            REQUIRE(row.front().state == MessageState::delivered);
        }
    }
}

SCENARIO("what is still owed to a sink, or due in the mailbox, is never forgotten", "[ledger][retention]") {
    simulation::SimVfs vfs;
    World ledger(vfs);
    const auto folder = ledger.run(ledger->beginFolder(inbox())).id;
    auto owed = settled(1);
    owed.state = MessageState::pending;
    owed.kept = listener::Kept{"outbox/1.seg", 0};
    owed.outstanding.push_back({.sink = "hook", .next = at(1'790'000'000)});
    const auto batch = ledger.run(ledger->intend(folder, {1, 2, 3}));
    std::vector<Settled> all;
    all.push_back(std::move(owed));
    all.push_back(settled(2, moved));
    all.push_back(settled(3));
    ledger.run(ledger->settle(folder, batch, std::move(all), 3));

    REQUIRE(retain(ledger, folder, {}) == 1);
    REQUIRE(ledger.rows().size() == 2);
    REQUIRE(ledger.run(ledger->dueActions(folder, 10)).size() == 1);
    const auto outbox = listener::makeOutboxLedger(ledger.database(), ledger.loop.clock());
    REQUIRE(ledger.run(outbox->waiting("hook")) == 1);
}

SCENARIO("what a rebuild left behind is forgotten with what was due for it", "[ledger][retention]") {
    simulation::SimVfs vfs;
    World ledger(vfs);
    const auto before = ledger.run(ledger->beginFolder(inbox())).id;
    const auto batch = ledger.run(ledger->intend(before, {1}));
    std::vector<Settled> all;
    all.push_back(settled(1, moved));
    ledger.run(ledger->settle(before, batch, std::move(all), 1));
    const auto rebuilt = ledger.run(ledger->rebuild({.record = inbox(8), .replaces = before}));
    REQUIRE(rebuilt);
    REQUIRE(ledger.run(ledger->dueActions(before, 10)).size() == 1);
    REQUIRE(retain(ledger, rebuilt->record.id, {}) == 1);
    REQUIRE(ledger.rows().empty());
    REQUIRE(ledger.run(ledger->dueActions(before, 10)).empty());
}

SCENARIO("what a record left behind is forgotten with it, whatever protocol it was of", "[ledger][retention]") {
    simulation::SimVfs vfs;
    World ledger(vfs);
    const auto former = folderOf(ledger, 1200);
    auto record = inbox(8);
    record.protocol = GENERATE(as<std::string>{}, "imap", "graph");
    const auto rebuilt = ledger.run(ledger->rebuild({.record = record, .replaces = former}));
    REQUIRE(rebuilt);
    REQUIRE(retain(ledger, rebuilt->record.id, {}) == 1200);
    REQUIRE(ledger.rows({.limit = 5000}).empty());
}
