#include "listener/ledger/outbox.h"

#include "listener/ledger/outbox_writing.h"
#include "listener/ledger/reading.h"
#include "listener/ledger/statements.h"
#include "listener/ledger/stored_form.h"
#include "listener/ledger/writing.h"
#include "plugin/contract/asking.h"

#include <algorithm>

namespace listener {
namespace {

using plugin::Transaction;

constexpr std::int64_t givenUp = 1, setAside = 2;  // listener_outbox.dead
using writing::whenFetched;

std::uint64_t number(const plugin::Statement& row, int column) { return static_cast<std::uint64_t>(row.integer(column)); }

OutboxEntry entryFrom(const plugin::Statement& row) {
    OutboxEntry entry;
    entry.number = row.integer(0);
    entry.row = row.integer(1);
    entry.attempts = static_cast<std::uint32_t>(row.integer(2));
    entry.first = stored::time(row.integer(3));
    entry.next = stored::time(row.integer(4));
    auto& message = entry.message;
    message.id = stored::deliveryId(row.blob(5));
    message.mailbox = row.text(6);
    message.folder = row.text(7);
    message.protocol = row.text(8);
    message.position = {std::string(row.text(9)), number(row, 10)};
    message.received = stored::time(row.integer(11));
    message.flags = stored::flags(row.text(12));
    if (!row.isNull(13)) message.messageId = row.text(13);
    message.matchKey = stored::digest(row.blob(14));
    message.content = Content(number(row, 15), stored::digest(row.blob(16)));
    entry.kept = {std::string(row.text(17)), number(row, 18)};
    return entry;
}

std::vector<OutboxEntry> entriesFrom(plugin::Statement& row) {
    std::vector<OutboxEntry> entries;
    while (row.step()) entries.push_back(entryFrom(row));
    return entries;
}

/// The messages of one transaction that may have come to their end.
class Concluding {
public:
    Concluding(Transaction& transaction, plugin::Wall now) : transaction_(transaction), now_(stored::time(now)) {}

    void note(const OutboxOutcome& outcome) {
        const auto id = stored::id(outcome.id);
        const auto sink = writing::sinkId(transaction_, outcome.sink);
        auto& found = transaction_.prepare(sql::selectEntry).bind(0, sink).bindBlob(1, id);
        if (!found.step()) return;
        const auto row = found.integer(0);
        found.reset();
        rows_.insert(row);
        if (outcome.kind != OutboxOutcome::Kind::refused) ++end_.ended;
        using Kind = OutboxOutcome::Kind;
        switch (outcome.kind) {
            case Kind::delivered:
            case Kind::known:
                transaction_.prepare(sql::deleteEntry).bind(0, row).bind(1, sink).run();
                transaction_.prepare(sql::addVerdict)
                    .bind(0, row)
                    .bind(1, sink)
                    .bind(2, outcome.kind == Kind::known ? std::string_view("known") : std::string_view("delivered"))
                    .run();
                return;
            case Kind::refused:
            case Kind::dead:
            case Kind::aside: {
                const std::int64_t dead = outcome.kind == Kind::refused ? 0 : outcome.kind == Kind::dead ? givenUp : setAside;
                transaction_.prepare(sql::updateEntry)
                    .bind(0, dead)
                    .bind(1, stored::time(outcome.next))
                    .bind(2, static_cast<std::int64_t>(outcome.code))
                    .bind(3, outcome.what)
                    .bind(4, row)
                    .bind(5, sink)
                    .run();
                return;
            }
        }
    }

    OutboxEnd finish() {
        for (const auto row : rows_) finish(row);
        return std::move(end_);
    }

private:
    struct Standing {
        MessageState state{};
        std::int64_t folder = 0;
        std::uint64_t ordinal = 0, size = 0;
        std::string mailbox;
        bool forgotten = false;
        AfterAction after{}, aside{};
        std::int64_t waiting = 0;
        std::int64_t dead = 0;
    };

    std::optional<Standing> standingOf(std::int64_t message) {
        auto& row = transaction_.prepare(sql::selectStanding).bind(0, message);
        if (!row.step()) return std::nullopt;
        Standing one{.state = stored::messageState(row.text(0)), .folder = row.integer(1), .ordinal = number(row, 2), .size = number(row, 3)};
        one.mailbox = row.text(4);
        one.forgotten = row.integer(5) == stored::begunAnew;
        one.after = {stored::afterKind(row.text(7)), std::string(row.text(8))};
        one.aside = {stored::afterKind(row.text(9)), std::string(row.text(10))};
        one.waiting = row.integer(11);
        one.dead = row.isNull(12) ? 0 : row.integer(12);
        row.reset();
        return one;
    }

    void finish(std::int64_t message) {
        const auto standing = standingOf(message);
        if (!standing || standing->waiting > 0) return;
        const auto state = standing->dead == setAside  ? MessageState::quarantined
                           : standing->dead == givenUp ? MessageState::dead
                                                       : MessageState::delivered;
        if (state == MessageState::delivered) {
            end_.freedBytes += standing->size;
            if (auto freed = writing::endStored(transaction_, message)) end_.freed.push_back(std::move(*freed));
        }
        OutboxEnd::Final final{standing->mailbox, state, standing->size};
        if (standing->state != MessageState::delivered) final.actionDue = changeState(message, *standing, state);
        end_.finals.push_back(std::move(final));
    }

    /// Answers whether something is due in the mailbox.
    bool changeState(std::int64_t message, const Standing& standing, MessageState state) {
        const auto action = state == MessageState::delivered ? standing.after : state == MessageState::quarantined ? standing.aside : AfterAction{};
        const bool due = action.kind != AfterAction::Kind::leave && !standing.forgotten;
        auto& update = transaction_.prepare(sql::updateState).bind(0, stored::text(state)).bind(1, now_);
        if (due)
            update.bind(2, stored::text(action.kind));
        else
            update.bindNull(2);
        update.bind(3, message).run();
        if (state == MessageState::delivered) transaction_.prepare(sql::countDelivered).bind(0, now_).bind(1, standing.folder).run();
        if (!due) return false;
        transaction_.prepare(sql::deleteDue).bind(0, message).run();
        auto& row = transaction_.prepare(sql::insertDue);
        row.bind(0, message).bind(1, standing.folder).bind(2, stored::number(standing.ordinal)).bind(3, stored::text(action.kind));
        if (!action.target.empty()) row.bind(4, action.target);
        row.run();
        return true;
    }

    Transaction& transaction_;
    const std::int64_t now_;
    std::set<std::int64_t> rows_{};
    OutboxEnd end_{};
};

std::vector<OutboxTotal> readTotals(Transaction& transaction) {
    std::vector<OutboxTotal> all;
    auto& row = transaction.prepare(sql::selectTotals);
    while (row.step()) {
        OutboxTotal one{.sink = std::string(row.text(0)), .waiting = number(row, 2), .dead = number(row, 3), .aside = number(row, 4)};
        one.disabled = row.text(1);
        if (!row.isNull(5)) one.oldest = stored::time(row.integer(5));
        one.lastRefusal = row.text(6);
        all.push_back(std::move(one));
    }
    return all;
}

void endAsMissing(Transaction& transaction, std::int64_t message) {
    transaction.prepare(sql::deleteEntries).bind(0, message).run();
    transaction.prepare(sql::deleteStored).bind(0, message).run();
    transaction.prepare(sql::endPending).bind(0, message).run();
}

/// The bytes of one message cannot be read. Answers how many are missing for good: 1, or 0.
std::uint64_t loseRow(Transaction& transaction, std::int64_t message) {
    if (!writing::isReachable(transaction, message)) {
        endAsMissing(transaction, message);
        return 1;
    }
    transaction.prepare(sql::loseKept).bind(0, message).run();
    transaction.prepare(sql::setNext).bind(0, whenFetched).bind(1, message).run();
    return 0;
}

std::uint64_t loseFile(Transaction& transaction, const std::string& file) {
    std::vector<std::int64_t> rows;
    auto& row = transaction.prepare(sql::selectStoredIn).bind(0, file);
    while (row.step()) rows.push_back(row.integer(0));
    std::uint64_t missing = 0;
    for (const auto message : rows) missing += loseRow(transaction, message);
    return missing;
}

void noteFetched(Transaction& transaction, const OutboxLedger::Fetch& one, plugin::Wall now) {
    const auto flags = stored::flags(one.flags);
    transaction.prepare(sql::updateKept).bind(0, one.kept.file).bind(1, stored::number(one.kept.start)).bind(2, flags).bind(3, one.row).run();
    transaction.prepare(sql::setNext).bind(0, stored::time(now)).bind(1, one.row).run();
    transaction.prepare(sql::updateOctets).bind(0, stored::number(one.size)).bindBlob(1, one.sha256).bind(2, one.row).run();
}

class SqlOutboxLedger final : public OutboxLedger {
public:
    SqlOutboxLedger(plugin::Database& database, plugin::Clock& clock) : database_(database), clock_(clock) {}

    Answer<std::vector<OutboxEntry>> due(std::string sink, plugin::Wall now, std::size_t limit) override {
        return read<std::vector<OutboxEntry>>([sink = std::move(sink), now, limit](Transaction& transaction) {
            const auto id = knownSink(transaction, sink);
            return entriesFrom(transaction.prepare(sql::selectDueEntries).bind(0, id).bind(1, stored::time(now)).bind(2, stored::number(limit)));
        });
    }
    Answer<std::vector<OutboxEntry>> after(std::string sink, std::int64_t entry, std::size_t limit) override {
        return read<std::vector<OutboxEntry>>([sink = std::move(sink), entry, limit](Transaction& transaction) {
            const auto id = knownSink(transaction, sink);
            return entriesFrom(
                transaction.prepare(sql::selectEntriesAfter).bind(0, id).bind(1, entry).bind(2, stored::number(limit)).bind(3, whenFetched));
        });
    }
    Answer<std::optional<plugin::Wall>> nextDue(std::string sink) override {
        return read<std::optional<plugin::Wall>>([sink = std::move(sink)](Transaction& transaction) -> std::optional<plugin::Wall> {
            const auto id = knownSink(transaction, sink);
            auto& row = transaction.prepare(sql::selectNextEntry).bind(0, id);
            if (!row.step() || row.integer(0) == whenFetched) return std::nullopt;
            return stored::time(row.integer(0));
        });
    }
    Answer<OutboxEnd> conclude(std::vector<OutboxOutcome> outcomes) override {
        return write<OutboxEnd>([outcomes = std::move(outcomes), now = clock_.wall()](Transaction& transaction) {
            Concluding concluding(transaction, now);
            for (const auto& outcome : outcomes) concluding.note(outcome);
            return concluding.finish();
        });
    }
    Answer<std::vector<std::string>> waitingSince(std::string sink, plugin::Wall moment, std::size_t limit) override {
        return read<std::vector<std::string>>(
            [sink = std::move(sink), moment, limit](Transaction& transaction) { return oldestOf(transaction, sink, moment, limit); });
    }
    Answer<std::uint64_t> waiting(std::string sink) override {
        return read<std::uint64_t>([sink = std::move(sink)](Transaction& transaction) {
            const auto id = knownSink(transaction, sink);
            auto& row = transaction.prepare(sql::countWaiting).bind(0, id);
            return row.step() ? number(row, 0) : 0;
        });
    }
    Answer<std::vector<OutboxTotal>> totals() override { return read<std::vector<OutboxTotal>>(readTotals); }
    Answer<std::uint64_t> keptBytes() override {
        return read<std::uint64_t>([](Transaction& transaction) {
            auto& row = transaction.prepare(sql::sumKept);
            return row.step() ? number(row, 0) : 0;
        });
    }
    Answer<std::set<std::string>> keptFiles() override {
        return read<std::set<std::string>>([](Transaction& transaction) {
            std::set<std::string> files;
            auto& row = transaction.prepare(sql::selectKeptFiles);
            while (row.step()) files.emplace(row.text(0));
            return files;
        });
    }

    Answer<std::uint64_t> lost(std::string file) override {
        return write<std::uint64_t>([file = std::move(file)](Transaction& transaction) { return loseFile(transaction, file); });
    }
    Answer<std::uint64_t> damaged(std::int64_t row) override {
        return write<std::uint64_t>([row](Transaction& transaction) { return loseRow(transaction, row); });
    }
    Answer<void> postpone(std::int64_t row, std::string sink, plugin::Wall next) override {
        return write<void>([row, sink = std::move(sink), next](Transaction& transaction) {
            const auto id = writing::sinkId(transaction, sink);
            transaction.prepare(sql::postpone).bind(0, stored::time(next)).bind(1, row).bind(2, id).bind(3, whenFetched).run();
        });
    }
    Answer<Rework> rework(std::int64_t folder, plugin::Wall since) override {
        return read<Rework>([folder, since](Transaction& transaction) {
            Rework work;
            auto& row = transaction.prepare(sql::selectUnfetched).bind(0, folder);
            while (row.step())
                work.unfetched.push_back(
                    {row.integer(0), number(row, 1), stored::deliveryId(row.blob(2)), stored::digest(row.blob(3)), number(row, 4)});
            std::sort(work.unfetched.begin(), work.unfetched.end(), [](const Unfetched& a, const Unfetched& b) { return a.ordinal < b.ordinal; });
            auto& gone = transaction.prepare(sql::selectMissing).bind(0, folder).bind(1, stored::time(since));
            while (gone.step()) work.missing.push_back({number(gone, 0), stored::deliveryId(gone.blob(1))});
            return work;
        });
    }
    Answer<void> fetched(std::vector<Fetch> fetches) override {
        return write<void>([fetches = std::move(fetches), now = clock_.wall()](Transaction& transaction) {
            for (const auto& one : fetches) noteFetched(transaction, one, now);
        });
    }
    Answer<void> gone(std::vector<std::int64_t> rows) override {
        return write<void>([rows = std::move(rows)](Transaction& transaction) {
            for (const auto row : rows) endAsMissing(transaction, row);
        });
    }

    Answer<Replayed> replay(ReplayQuery query, std::string sink) override {
        return write<Replayed>([query = std::move(query), sink = std::move(sink), now = clock_.wall()](Transaction& transaction) {
            return writing::replay(transaction, query, sink, now);
        });
    }
    Answer<Discarded> discard(ReplayQuery query) override {
        return write<Discarded>([query = std::move(query)](Transaction& transaction) { return writing::discard(transaction, query); });
    }
    Answer<std::uint64_t> abandon(std::string sink, std::size_t limit) override {
        return write<std::uint64_t>([sink = std::move(sink), limit, now = clock_.wall()](Transaction& transaction) {
            const auto ids = oldestOf(transaction, sink, plugin::Wall::max(), limit);
            Concluding concluding(transaction, now);
            for (const auto& id : ids)
                concluding.note({.id = id,
                                 .sink = sink,
                                 .kind = OutboxOutcome::Kind::dead,
                                 .code = plugin::Code::outboxGivenUp,
                                 .what = "given up by an operator: the sink is not configured"});
            concluding.finish();
            writing::countOperatorChange(transaction);
            return static_cast<std::uint64_t>(ids.size());
        });
    }
    Answer<void> disable(std::string sink, std::string why) override {
        return write<void>([sink = std::move(sink), why = std::move(why)](Transaction& transaction) {
            const auto id = writing::sinkId(transaction, sink);
            transaction.prepare("UPDATE listener_sink SET disabled = ? WHERE sink_id = ?").bind(0, why).bind(1, id).run();
        });
    }
    Answer<std::optional<std::string>> disabled(std::string sink) override {
        return read<std::optional<std::string>>([sink = std::move(sink)](Transaction& transaction) -> std::optional<std::string> {
            auto& row = transaction.prepare("SELECT disabled FROM listener_sink WHERE name = ? AND disabled IS NOT NULL").bind(0, sink);
            if (!row.step()) return std::nullopt;
            return std::string(row.text(0));
        });
    }
    Answer<bool> resume(std::string sink) override {
        return write<bool>([sink = std::move(sink)](Transaction& transaction) {
            transaction.prepare("UPDATE listener_sink SET disabled = NULL WHERE name = ? AND disabled IS NOT NULL").bind(0, sink).run();
            const bool changed = transaction.changes() > 0;
            writing::countOperatorChange(transaction);
            return changed;
        });
    }

private:
    template <class T, class Body>
    Answer<T> read(Body body) {
        return plugin::ask<T>(database_, &plugin::Database::read, std::move(body));
    }
    template <class T, class Body>
    Answer<T> write(Body body) {
        return plugin::ask<T>(database_, &plugin::Database::write, std::move(body));
    }
    static std::vector<std::string> oldestOf(Transaction& transaction, const std::string& sink, plugin::Wall moment, std::size_t limit) {
        std::vector<std::string> ids;
        const auto id = knownSink(transaction, sink);
        auto& row = transaction.prepare(sql::selectOldest).bind(0, id).bind(1, stored::number(limit)).bind(2, stored::time(moment));
        while (row.step()) ids.push_back(stored::deliveryId(row.blob(0)));
        return ids;
    }
    /// 0: nothing was ever given to it.
    static std::int64_t knownSink(Transaction& transaction, const std::string& name) {
        auto& row = transaction.prepare("SELECT sink_id FROM listener_sink WHERE name = ?").bind(0, name);
        const auto id = row.step() ? row.integer(0) : 0;
        row.reset();
        return id;
    }

    plugin::Database& database_;
    plugin::Clock& clock_;
};

}  // namespace

/// Whether what stands at a row's place in the mailbox is still that message.
bool writing::isReachable(Transaction& transaction, std::int64_t message) {
    auto& row = transaction.prepare(sql::selectReachable).bind(0, message);
    const bool found = row.step();
    row.reset();
    return found;
}

void writing::endUnfetchable(Transaction& transaction, std::int64_t mailbox) {
    std::vector<std::int64_t> messages;
    auto& row = transaction.prepare(sql::selectUnfetchable).bind(0, mailbox);
    while (row.step()) messages.push_back(row.integer(0));
    for (const auto message : messages) endAsMissing(transaction, message);
}

std::unique_ptr<OutboxLedger> makeOutboxLedger(plugin::Database& database, plugin::Clock& clock) {
    return std::make_unique<SqlOutboxLedger>(database, clock);
}

}  // namespace listener
