#include "listener/ledger/position_set.h"
#include "listener/ledger/statements.h"
#include "listener/ledger/stored_form.h"
#include "listener/ledger/writing.h"

#include <map>

namespace listener::writing {
namespace {

struct Folder {
    std::int64_t id = 0, validity = 0;
    bool forgotten = false;  ///< an operator restarted the mailbox while this was under way
};

Folder folderOf(plugin::Transaction& transaction, std::int64_t id) {
    auto& row = transaction.prepare("SELECT validity, forgotten FROM listener_folder WHERE folder_id = ?").bind(0, id);
    if (!row.step()) throw std::logic_error("the ledger has no folder " + std::to_string(id));
    Folder folder{id, row.integer(0), row.integer(1) != 0};
    row.reset();
    return folder;
}

/// Writes the rows of one batch, and counts them.
class Settling {
public:
    Settling(plugin::Transaction& transaction, Folder folder, plugin::Wall now)
        : transaction_(transaction), folder_(folder), now_(stored::time(now)), insert_(transaction.prepare(sql::insertMessage)) {}

    void add(const Settled& settled) {
        const auto id = stored::id(settled.message.id);
        bindMessage(insert_, id, settled).run();
        const bool isNew = transaction_.changes() == 1;
        const auto number = isNew ? std::optional(transaction_.lastInsertId()) : takeOver(id, settled);
        if (!number) return;
        for (const auto& verdict : settled.verdicts)
            transaction_.prepare(sql::insertVerdict)
                .bind(0, *number)
                .bind(1, sink(verdict.sink))
                .bind(2, verdict.known ? std::string_view("known") : std::string_view("delivered"))
                .run();
        if (isDue(settled)) addDue(*number, settled);
        store(*number, settled);
        ++(settled.state == MessageState::delivered ? delivered_ : other_);
    }

    std::vector<std::string> finish(std::uint64_t cursor) {
        transaction_
            .prepare(
                "UPDATE listener_folder SET cursor = max(cursor, ?1), delivered = delivered + ?2, other = other + ?3, "
                "last_delivery = CASE WHEN ?2 > 0 THEN ?4 ELSE last_delivery END WHERE folder_id = ?5")
            .bind(0, stored::number(cursor))
            .bind(1, delivered_)
            .bind(2, other_)
            .bind(3, now_)
            .bind(4, folder_.id)
            .run();
        return std::move(freed_);
    }

private:
    plugin::Statement& bindMessage(plugin::Statement& row, const stored::Id& id, const Settled& settled) const {
        const auto& message = settled.message;
        row.bindBlob(0, id)
            .bind(1, folder_.id)
            .bind(2, folder_.validity)
            .bind(3, stored::number(message.position.ordinal))
            .bind(4, message.position.text);
        row.bind(5, stored::text(settled.state)).bind(6, stored::time(message.received)).bind(7, now_);
        row.bind(8, stored::number(message.content.size())).bindBlob(9, message.content.sha256()).bindBlob(10, message.matchKey);
        if (message.messageId) row.bind(11, *message.messageId);
        if (isDue(settled)) row.bind(12, stored::text(settled.after.kind));
        row.bind(13, stored::bits(message.crossKey)).bind(14, std::int64_t{message.rendered});
        return row;
    }

    /// The id has a row. At the same position it is settled already and stays as it is; else (the folder was begun again, the row is that of
    /// a message not yet settled) the row comes to this position, and its number is the answer.
    std::optional<std::int64_t> takeOver(const stored::Id& id, const Settled& settled) {
        auto& row = transaction_.prepare(sql::selectMessage).bindBlob(0, id);
        row.step();
        const auto number = row.integer(0), oldFolder = row.integer(1);
        const bool samePlace =
            oldFolder == folder_.id && row.integer(2) == folder_.validity && row.integer(3) == stored::number(settled.message.position.ordinal);
        const auto oldState = stored::messageState(row.text(4));
        row.reset();
        if (samePlace && oldState != MessageState::pending && oldState != MessageState::missing) return std::nullopt;
        transaction_.prepare(sql::uncountMessage).bind(0, stored::text(oldState)).bind(1, oldFolder).run();
        transaction_.prepare(sql::deleteVerdicts).bind(0, number).run();
        transaction_.prepare(sql::deleteDue).bind(0, number).run();
        for (const auto& verdict : settled.verdicts) transaction_.prepare(sql::deleteEntry).bind(0, number).bind(1, sink(verdict.sink)).run();
        if (settled.state != MessageState::pending) transaction_.prepare(sql::deleteEntries).bind(0, number).run();
        if (auto freed = endStored(transaction_, number)) freed_.push_back(std::move(*freed));
        bindMessage(transaction_.prepare(sql::updateMessage), id, settled).bind(15, number).run();
        return number;
    }

    void addDue(std::int64_t number, const Settled& settled) {
        auto& due = transaction_.prepare(sql::insertDue);
        due.bind(0, number).bind(1, folder_.id).bind(2, stored::number(settled.message.position.ordinal)).bind(3, stored::text(settled.after.kind));
        if (!settled.after.target.empty()) due.bind(4, settled.after.target);
        due.run();
    }

    /// What the outbox has of it, and for whom.
    void store(std::int64_t number, const Settled& settled) {
        for (const auto& one : settled.outstanding) {
            auto& row = transaction_.prepare(sql::insertEntry);
            row.bind(0, number).bind(1, sink(one.sink)).bind(2, std::int64_t{one.end == Outstanding::End::aside ? 2 : 0}).bind(3, now_);
            row.bind(4, stored::time(one.next)).bind(5, std::int64_t{one.attempts});
            if (one.code) row.bind(6, static_cast<std::int64_t>(*one.code));
            if (one.code) row.bind(7, one.what);
            row.run();
        }
        if (!settled.kept) return;
        const auto flags = stored::flags(settled.message.flags);
        const auto& message = settled.message;
        const auto& after = settled.state == MessageState::pending ? settled.after : AfterAction{};
        auto& row = transaction_.prepare(sql::insertStored);
        row.bind(0, number).bind(1, settled.kept->file).bind(2, stored::number(settled.kept->start)).bind(3, message.folder);
        row.bind(4, message.protocol).bind(5, message.position.text).bind(6, flags).bind(7, stored::text(after.kind));
        if (!after.target.empty()) row.bind(8, after.target);
        row.bind(9, stored::text(settled.afterQuarantine.kind));
        if (!settled.afterQuarantine.target.empty()) row.bind(10, settled.afterQuarantine.target);
        row.run();
    }

    bool isDue(const Settled& settled) const {
        return settled.after.kind != AfterAction::Kind::leave && settled.state != MessageState::pending && !folder_.forgotten;
    }

    std::int64_t sink(const std::string& name) {
        const auto found = sinks_.find(name);
        return found != sinks_.end() ? found->second : sinks_.emplace(name, sinkId(transaction_, name)).first->second;
    }

    plugin::Transaction& transaction_;
    const Folder folder_;
    const std::int64_t now_;
    plugin::Statement& insert_;
    std::map<std::string, std::int64_t> sinks_{};
    std::int64_t delivered_ = 0, other_ = 0;
    std::vector<std::string> freed_{};
};

void endBatch(plugin::Transaction& transaction, std::int64_t folder, std::int64_t batch) {
    transaction.prepare(sql::deleteBatch).bind(0, batch).bind(1, folder).run();
}

}  // namespace

std::int64_t sinkId(plugin::Transaction& transaction, const std::string& name) {
    transaction.prepare("INSERT INTO listener_sink (name) VALUES (?) ON CONFLICT DO NOTHING").bind(0, name).run();
    auto& row = transaction.prepare("SELECT sink_id FROM listener_sink WHERE name = ?").bind(0, name);
    row.step();
    const auto id = row.integer(0);
    row.reset();
    return id;
}

std::optional<std::string> endStored(plugin::Transaction& transaction, std::int64_t message) {
    auto& known = transaction.prepare(sql::selectStoredFile).bind(0, message);
    if (!known.step()) return std::nullopt;
    const std::string file(known.text(0));
    known.reset();
    transaction.prepare(sql::deleteStored).bind(0, message).run();
    if (file.empty()) return std::nullopt;
    auto& needed = transaction.prepare(sql::isFileNeeded).bind(0, file);
    const bool stays = needed.step();
    needed.reset();
    return stays ? std::nullopt : std::optional(file);
}

std::int64_t intend(plugin::Transaction& transaction, std::int64_t folder, const std::vector<std::uint64_t>& ordinals,
                    const std::vector<Identity>& identities, plugin::Wall now) {
    if (!identities.empty() && identities.size() != ordinals.size()) throw std::logic_error("a batch has as many identities as positions, or none");
    const auto positions = encodePositions(ordinals);
    const auto known = stored::identities(identities);
    auto& row = transaction.prepare(sql::insertBatch).bind(0, folder).bind(1, stored::time(now)).bindBlob(2, positions);
    if (!known.empty()) row.bindBlob(3, known);
    row.run();
    return transaction.lastInsertId();
}

std::vector<std::string> settle(plugin::Transaction& transaction, std::int64_t folder, std::optional<std::int64_t> batch,
                                const std::vector<Settled>& settled, std::uint64_t cursor, plugin::Wall now) {
    Settling settling(transaction, folderOf(transaction, folder), now);
    for (const auto& one : settled) settling.add(one);
    auto freed = settling.finish(cursor);
    if (batch) {
        keepUnsettled(transaction, folder, *batch, settled, now);
        endBatch(transaction, folder, *batch);
    }
    return freed;
}

void advance(plugin::Transaction& transaction, std::int64_t folder, std::optional<std::int64_t> batch, std::uint64_t cursor,
             std::uint64_t beforeStart) {
    transaction.prepare("UPDATE listener_folder SET cursor = max(cursor, ?), before_start = before_start + ? WHERE folder_id = ?")
        .bind(0, stored::number(cursor))
        .bind(1, stored::number(beforeStart))
        .bind(2, folder)
        .run();
    if (batch) endBatch(transaction, folder, *batch);
}

void copied(plugin::Transaction& transaction, std::int64_t folder, const std::vector<std::uint64_t>& ordinals) {
    auto& mark = transaction.prepare(sql::markCopied);
    for (const auto ordinal : ordinals) mark.bind(0, folder).bind(1, stored::number(ordinal)).run();
}

void cleared(plugin::Transaction& transaction, const std::vector<std::int64_t>& messages) {
    auto& done = transaction.prepare(sql::deleteDue);
    for (const auto message : messages) done.bind(0, message).run();
}

}  // namespace listener::writing
