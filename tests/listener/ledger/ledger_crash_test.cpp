#include "tests/listener/ledger/ledger_world.h"
#include "tests/simulation/seeded_random.h"

#include <algorithm>
#include <map>
#include <set>

using namespace ledger_test;
using simulation::SeededRandom;
using simulation::SimVfs;
using Fate = SimVfs::Fate;

namespace {

constexpr std::uint64_t messages = 12;
constexpr std::size_t batchSize = 5;

/// What outlives a process: the mailbox, the system behind the sink, and who was told what.
struct Outside {
    std::set<std::uint64_t> inInbox{};
    std::map<std::string, int> received{};  ///< id, how often
    Outside() {
        for (std::uint64_t ordinal = 1; ordinal <= messages; ++ordinal) inInbox.insert(ordinal);
    }
};

/// Messages 4 and 9 are refused at first: they leave holes.
bool refused(std::uint64_t ordinal, const Outside& outside) { return ordinal % 5 == 4 && outside.received.size() < messages - 2; }

/// Delivers one batch as the engine does: intent, sink, verdict. False: nothing was settled.
bool deliver(World& ledger, Outside& outside, std::int64_t folder, const Ordinals& ordinals, std::optional<std::int64_t> open) {
    const auto batch = open ? *open : ledger.run(ledger->intend(folder, ordinals));
    std::vector<Settled> done;
    for (const auto ordinal : ordinals) {
        if (!outside.inInbox.contains(ordinal) || refused(ordinal, outside)) continue;
        ++outside.received[idOf(ordinal)];
        done.push_back(settled(ordinal, moved));
    }
    std::set<std::uint64_t> final;
    for (const auto& one : done) final.insert(one.message.position.ordinal);
    auto cursor = ledger.folder().cursor;
    for (const auto ordinal : ledger.run(ledger->finalAbove(folder, cursor))) final.insert(ordinal);
    while (final.contains(cursor + 1)) ++cursor;
    const bool some = !done.empty();
    ledger.run(ledger->settle(folder, batch, std::move(done), cursor));
    return some;
}

void runAfterActions(World& ledger, Outside& outside, std::int64_t folder) {
    std::vector<std::int64_t> done;
    Ordinals ordinals;
    for (const auto& due : ledger.run(ledger->dueActions(folder, 100))) {
        if (!outside.received.contains(idOf(due.ordinal))) throw std::logic_error("an after-action before the delivery");
        done.push_back(due.message);
        ordinals.push_back(due.ordinal);
    }
    ledger.run(ledger->copied(folder, ordinals));
    for (const auto ordinal : ordinals) outside.inInbox.erase(ordinal);
    ledger.run(ledger->cleared(done));
}

/// A process from start to end. Throws (as World does) on any Error.
void work(const std::unique_ptr<World>& world, Outside& outside) {
    auto& ledger = *world;
    const auto folder = ledger.run(ledger->beginFolder(inbox())).id;
    for (const auto& open : ledger.run(ledger->openBatches(folder))) deliver(ledger, outside, folder, open.ordinals, open.id);
    runAfterActions(ledger, outside, folder);
    for (bool some = true; some;) {
        Ordinals next;
        const auto cursor = ledger.folder().cursor;
        const auto final = ledger.run(ledger->finalAbove(folder, cursor));
        for (const auto ordinal : outside.inInbox)
            if (ordinal > cursor && next.size() < batchSize && std::find(final.begin(), final.end(), ordinal) == final.end()) next.push_back(ordinal);
        some = !next.empty() && deliver(ledger, outside, folder, next, std::nullopt);
        runAfterActions(ledger, outside, folder);
    }
}

/// Promise 1 at any moment: whatever left the inbox was delivered, and every row is whole.
void check(SimVfs& vfs, const Outside& outside) {
    World ledger(vfs);
    auto record = ledger.run(ledger->folder("sales", "imap", "INBOX"));
    if (!record) {
        CHECK(ledger.rows().empty());
        return;
    }
    std::set<std::string> ids;
    std::size_t due = 0;
    for (const auto& row : ledger.rows()) {
        CHECK(ids.insert(row.id).second);
        CHECK(outside.received.contains(row.id));
        CHECK(row.sinks == "archive");
        CHECK_FALSE(row.after.empty());
        due += row.after == "due";
    }
    CHECK(due == ledger.run(ledger->dueActions(record->id, 100)).size());
    for (std::uint64_t ordinal = 1; ordinal <= messages; ++ordinal)
        if (ordinal <= record->cursor || !outside.inInbox.contains(ordinal)) CHECK(ids.contains(idOf(ordinal)));
    CHECK(ledger.run(ledger->openBatches(record->id)).size() <= 1);
    CHECK(ledger.run(ledger->summaries()).front().delivered == ids.size());
}

enum class End { errorOnce, fullOnce, killed, powerCut, powerCutTorn };

/// One history: the n-th effect goes wrong; the process ends there, another one finishes. Answers whether there were n effects.
bool history(End end, std::uint64_t n, std::uint64_t seed) {
    SimVfs vfs;
    Outside outside;
    const Fate fate = end == End::errorOnce ? Fate::ioError : end == End::fullOnce ? Fate::full : Fate::dead;
    vfs.judge([n, fate](SimVfs::Effect, std::uint64_t number, const std::string&) { return number == n ? fate : Fate::pass; });
    try {
        work(std::make_unique<World>(vfs), outside);
    } catch (const std::runtime_error&) {  // an Error ended the process: what follows is what counts
    }
    const bool reached = vfs.effects() >= n;
    SeededRandom chance(seed + n);
    vfs.judge({});
    if (end == End::powerCut || end == End::powerCutTorn)
        vfs.crash(end == End::powerCutTorn ? &chance : nullptr);
    else
        vfs.kill();
    check(vfs, outside);
    work(std::make_unique<World>(vfs), outside);
    check(vfs, outside);
    CHECK(outside.inInbox.empty());
    CHECK(outside.received.size() == messages);
    for (const auto& [id, times] : outside.received) CHECK(times <= 2);
    return reached;
}

}  // namespace

SCENARIO("whichever effect fails, nothing is lost and nothing is half", "[ledger]") {
    GIVEN("a disk, or a process, that fails at the n-th write, sync or truncation, for every n until there is none") {
        const auto end = GENERATE(End::errorOnce, End::fullOnce, End::killed, End::powerCut);
        std::uint64_t n = 1;
        while (history(end, n, 0)) ++n;
        THEN("the next process brings everything to its end") { CHECK(n > 60); }
    }
    GIVEN("a power cut that keeps any part of what was not synced") {
        const auto seed = GENERATE(range(std::uint64_t{1}, std::uint64_t{4}));
        std::uint64_t n = 1;
        while (history(End::powerCutTorn, n, seed * 1000)) ++n;
        THEN("the same holds") { CHECK(n > 60); }
    }
}
