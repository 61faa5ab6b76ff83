#include "listener/ledger/outbox_writing.h"
#include "listener/ledger/statements.h"
#include "listener/ledger/stored_form.h"
#include "listener/ledger/writing.h"

/// What operators do to messages the outbox has, or is to have once more.
namespace listener::writing {
namespace {

using plugin::Transaction;

/// The rows an operator means, oldest first.
std::vector<std::int64_t> rowsOf(Transaction& transaction, const ReplayQuery& query) {
    std::vector<std::int64_t> rows;
    for (const auto& text : query.ids) {
        const auto id = stored::id(text);
        auto& row = transaction.prepare(sql::selectMessage).bindBlob(0, id);
        if (row.step()) rows.push_back(row.integer(0));
        row.reset();
    }
    if (!query.ids.empty()) return rows;
    auto& row = transaction.prepare(sql::selectMeant);
    if (query.mailbox) row.bind(0, *query.mailbox);
    if (query.folder) row.bind(1, *query.folder);
    if (query.state) row.bind(2, stored::text(*query.state));
    if (query.since) row.bind(3, stored::time(*query.since));
    if (query.until) row.bind(4, stored::time(*query.until));
    while (row.step()) rows.push_back(row.integer(0));
    return rows;
}

class Replaying {
public:
    Replaying(Transaction& transaction, const ReplayQuery& query, const std::string& sink, plugin::Wall now)
        : transaction_(transaction), after_(query.after), sink_(sinkId(transaction, sink)), now_(stored::time(now)) {}

    void row(std::int64_t message) {
        if (isOnItsWay(message)) {
            ++done_.underWay;
            return;
        }
        auto& known = transaction_.prepare(sql::selectStoredFile).bind(0, message);
        const bool stored = known.step();
        const bool kept = stored && !known.isNull(0);
        known.reset();
        if (!kept && !isReachable(transaction_, message)) {
            ++done_.unreachable;
            return;
        }
        if (stored)
            giveAfter(message);
        else
            store(message);
        transaction_.prepare(sql::insertEntry)
            .bind(0, message)
            .bind(1, sink_)
            .bind(2, std::int64_t{0})
            .bind(3, now_)
            .bind(4, kept ? now_ : whenFetched)
            .bind(5, std::int64_t{0})
            .run();
        // Given up and asked for again: its time begins anew.
        transaction_.prepare(sql::beginEntryAnew).bind(0, now_).bind(1, message).bind(2, sink_).run();
        ++(kept ? done_.kept : done_.toFetch);
    }

    Replayed finish() {
        countOperatorChange(transaction_);
        return done_;
    }

private:
    /// Not yet given to its own sinks, and to be fetched for them: an entry for another sink would make it seem to be taken care of.
    bool isOnItsWay(std::int64_t message) {
        auto& row = transaction_.prepare(sql::selectOnItsWay).bind(0, message);
        const bool found = row.step();
        row.reset();
        return found;
    }

    /// Its bytes are to come.
    void store(std::int64_t message) {
        const auto after = afterOf(message);
        auto& insert = transaction_.prepare(sql::insertStoredAnew);
        insert.bind(0, message).bind(1, stored::text(after.kind));
        if (!after.target.empty()) insert.bind(2, after.target);
        insert.run();
    }

    /// One that was set aside before the outbox had it knows of nothing that follows.
    void giveAfter(std::int64_t message) {
        const auto after = afterOf(message);
        if (after.kind == AfterAction::Kind::leave) return;
        auto& update = transaction_.prepare(sql::giveStoredAction);
        update.bind(0, message).bind(1, stored::text(after.kind));
        if (!after.target.empty()) update.bind(2, after.target);
        update.run();
    }

    /// Of one that was delivered before, nothing is to be done again.
    AfterAction afterOf(std::int64_t message) {
        auto& row = transaction_.prepare(sql::selectMailboxOfQuarantined);
        row.bind(0, message);
        const auto found = row.step() ? after_.find(std::string(row.text(0))) : after_.end();
        row.reset();
        return found == after_.end() ? AfterAction{} : found->second;
    }

    Transaction& transaction_;
    const std::map<std::string, AfterAction>& after_;
    const std::int64_t sink_, now_;
    Replayed done_{};
};

void discardRow(Transaction& transaction, std::int64_t message, Discarded& done) {
    auto& row = transaction.prepare(sql::selectDiscardable).bind(0, message);
    const bool kept = row.step();
    const auto size = kept ? static_cast<std::uint64_t>(row.integer(0)) : 0;
    row.reset();
    if (!kept) return;
    ++done.messages;
    done.bytes += size;
    if (auto freed = endStored(transaction, message)) done.freed.push_back(std::move(*freed));
    transaction.prepare(sql::deleteEntries).bind(0, message).run();
}

}  // namespace

Replayed replay(Transaction& transaction, const ReplayQuery& query, const std::string& sink, plugin::Wall now) {
    const auto rows = rowsOf(transaction, query);
    Replaying replaying(transaction, query, sink, now);
    for (const auto row : rows) replaying.row(row);
    return replaying.finish();
}

Discarded discard(Transaction& transaction, const ReplayQuery& query) {
    Discarded done;
    for (const auto row : rowsOf(transaction, query)) discardRow(transaction, row, done);
    countOperatorChange(transaction);
    return done;
}

}  // namespace listener::writing
