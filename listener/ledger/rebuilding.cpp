#include "listener/ledger/reading.h"
#include "listener/ledger/statements.h"
#include "listener/ledger/stored_form.h"
#include "listener/ledger/writing.h"

#include <algorithm>
#include <map>
#include <set>

/// Brings what is known to where the messages are now: rows, and members of batches that never settled.
namespace listener::writing {
namespace {

/// In force no more. What has still to be fetched cannot be, unless it is brought elsewhere.
void supersede(plugin::Transaction& transaction, std::int64_t folder) {
    transaction.prepare("UPDATE listener_folder SET forgotten = ? WHERE folder_id = ? AND forgotten = 0")
        .bind(0, stored::superseded)
        .bind(1, folder)
        .run();
    if (transaction.changes() == 1) transaction.prepare(sql::endPendingOfFolder).bind(0, folder).run();
}

/// Brings rows to a folder, and keeps the counts of all folders right.
class Bringing {
public:
    Bringing(plugin::Transaction& transaction, std::int64_t folder, plugin::Wall now)
        : transaction_(transaction), folder_(folder), places_(transaction, folder), validity_(places_.validity()), now_(now) {}

    void row(std::int64_t row, std::uint64_t ordinal) {
        auto& old = transaction_.prepare(sql::selectPlace).bind(0, row);
        if (!old.step()) throw std::logic_error("the ledger has no message " + std::to_string(row));
        const auto from = old.integer(0);
        const bool delivered = stored::messageState(old.text(1)) == MessageState::delivered;
        old.reset();
        if (isOfAnotherProtocol(from)) transaction_.prepare(sql::keepFormer).bind(0, row).run();
        const auto position = places_.at(ordinal);
        transaction_.prepare(sql::moveMessage)
            .bind(0, folder_)
            .bind(1, stored::number(validity_))
            .bind(2, stored::number(ordinal))
            .bind(3, position.text)
            .bind(4, row)
            .run();
        transaction_.prepare(sql::moveDue).bind(0, folder_).bind(1, stored::number(ordinal)).bind(2, row).run();
        count(from, delivered, -1);
        count(folder_, delivered, 1);
    }

    /// A message that was under way: `pending` where it stands now, `missing` where it stands no more.
    void unsettled(const Identity& identity, std::uint64_t ordinal, MessageState state) {
        const auto position = places_.at(ordinal);
        const auto id = stored::id(identity.id);
        transaction_.prepare(sql::insertUnsettled)
            .bindBlob(0, id)
            .bind(1, folder_)
            .bind(2, stored::number(validity_))
            .bind(3, stored::number(ordinal))
            .bind(4, position.text)
            .bind(5, stored::text(state))
            .bind(6, stored::time(stored::second(identity.id)))
            .bind(7, stored::time(now_))
            .bind(8, stored::number(identity.size))
            .bindBlob(9, identity.sha256)
            .bindBlob(10, identity.matchKey)
            .bind(11, stored::bits(identity.crossKey))
            .run();
        if (transaction_.changes() == 1) count(folder_, false, 1);
    }

    /// A folder whose messages were found here under another name is there no more. If one comes back under that name, it is matched anew: a record
    /// left in force would take the messages below its cursor for its own.
    void supersedeOrigins() {
        for (const auto& [folder, change] : counts_)
            if (folder != folder_) supersede(transaction_, folder);
    }

    void finish() {
        for (const auto& [folder, change] : counts_)
            transaction_.prepare("UPDATE listener_folder SET delivered = delivered + ?, other = other + ? WHERE folder_id = ?")
                .bind(0, change.first)
                .bind(1, change.second)
                .bind(2, folder)
                .run();
    }

private:
    bool isOfAnotherProtocol(std::int64_t from) {
        const auto [found, fresh] = foreign_.try_emplace(from);
        if (!fresh) return found->second;
        auto& row = transaction_.prepare(
            "SELECT o.protocol <> n.protocol FROM listener_folder o CROSS JOIN listener_folder n WHERE o.folder_id = ? AND n.folder_id = ?");
        found->second = row.bind(0, from).bind(1, folder_).step() && row.integer(0) != 0;
        row.reset();
        return found->second;
    }
    void count(std::int64_t folder, bool delivered, std::int64_t by) { (delivered ? counts_[folder].first : counts_[folder].second) += by; }

    plugin::Transaction& transaction_;
    const std::int64_t folder_;
    const reading::Places places_;
    const std::uint64_t validity_;
    const plugin::Wall now_;
    std::map<std::int64_t, std::pair<std::int64_t, std::int64_t>> counts_{};  ///< delivered, other
    std::map<std::int64_t, bool> foreign_{};                                  ///< records rows come from: of another protocol than this one
};

/// What is due, or will be once it is delivered, does not delete a message that may be another one. The rest can be undone, and is expected to be
/// done.
void endRemovals(plugin::Transaction& transaction, std::int64_t row) {
    transaction.prepare(sql::endRemovalDue).bind(0, row).run();
    transaction.prepare(sql::deleteRemovalDue).bind(0, row).run();
    transaction.prepare(sql::endStoredRemovals).bind(0, row).run();
}

OpenBatch batchOf(plugin::Transaction& transaction, std::int64_t batch) {
    auto& row = transaction.prepare(sql::selectBatch).bind(0, batch);
    if (!row.step()) return {};
    auto found = reading::membersFrom(row, 0, 1);
    row.reset();
    return found;
}

/// Of a member of this batch.
const Identity* identityAt(const OpenBatch& batch, std::uint64_t ordinal) {
    const auto found = std::lower_bound(batch.ordinals.begin(), batch.ordinals.end(), ordinal);
    if (found == batch.ordinals.end() || *found != ordinal || batch.identities.empty()) return nullptr;
    return &batch.identities[static_cast<std::size_t>(found - batch.ordinals.begin())];
}

/// The members of open batches that were matched become pending at their new place.
void bringMembers(plugin::Transaction& transaction, Bringing& bringing, const std::vector<Rebuild::Match>& matches) {
    std::map<std::int64_t, OpenBatch> batches;
    for (const auto& match : matches) {
        if (match.number != 0) continue;
        if (!batches.contains(match.batch)) batches.emplace(match.batch, batchOf(transaction, match.batch));
        if (const auto* identity = identityAt(batches.at(match.batch), match.old))
            bringing.unsettled(*identity, match.ordinal, MessageState::pending);
    }
}

/// Of these nobody knows any more which message of the folder they are. A member of an open batch becomes a row for that. A folder they stood in
/// under another name is there no more, as with those that were found: back in force, its rows would stay undecided.
void leaveUndecided(plugin::Transaction& transaction, const std::vector<Rebuild::Known>& all, plugin::Wall now) {
    for (const auto& one : all) {
        if (one.number != 0) {
            transaction.prepare(sql::keepKnownAs).bind(0, one.number).bind(1, "").run();
            auto& place = transaction.prepare(sql::selectPlace).bind(0, one.number);
            place.step();
            const auto folder = place.integer(0);
            place.reset();
            supersede(transaction, folder);
            continue;
        }
        const auto batch = batchOf(transaction, one.batch);
        const auto* const identity = identityAt(batch, one.old);
        if (identity == nullptr) continue;
        auto& place = transaction.prepare(sql::selectFolderOfBatch).bind(0, one.batch);
        place.step();
        const auto folder = place.integer(0);
        place.reset();
        supersede(transaction, folder);
        Bringing leaving(transaction, folder, now);
        leaving.unsettled(*identity, one.old, MessageState::missing);
        leaving.finish();
        const auto id = stored::id(identity->id);  // bound where it lies
        transaction.prepare(sql::keepUndecided).bindBlob(0, id).run();
    }
}

/// Of the record a rebuild replaces: what was under way and is gone. What was due for messages that are gone goes with their rows, should they come
/// to light elsewhere.
void endRecord(plugin::Transaction& transaction, std::int64_t folder, plugin::Wall now) {
    Bringing leaving(transaction, folder, now);
    for (const auto& batch : reading::openBatches(transaction, folder))
        for (std::size_t i = 0; i < batch.identities.size(); ++i) leaving.unsettled(batch.identities[i], batch.ordinals[i], MessageState::missing);
    leaving.finish();
    transaction.prepare(sql::deleteBatchesOfFolder).bind(0, folder).run();
}

/// Of the name of this record: its own protocol's first, else the one it is to replace, if that still stands.
std::optional<std::int64_t> recordInForce(plugin::Transaction& transaction, const Rebuild& rebuild) {
    const auto& record = rebuild.record;
    if (const auto own = reading::folder(transaction, record.mailbox, record.protocol, record.name)) return own->id;
    if (!rebuild.replaces) return std::nullopt;
    auto& row = transaction.prepare("SELECT 1 FROM listener_folder WHERE folder_id = ? AND name = ? AND forgotten = 0");
    const bool stands = row.bind(0, *rebuild.replaces).bind(1, record.name).step();
    row.reset();
    return stands ? rebuild.replaces : std::nullopt;
}

}  // namespace

std::optional<Rebuilt> rebuild(plugin::Transaction& transaction, const Rebuild& rebuild, plugin::Wall now) {
    const auto inForce = recordInForce(transaction, rebuild);
    if (inForce != rebuild.replaces) return std::nullopt;
    if (inForce) supersede(transaction, *inForce);
    const auto begun = insertFolder(transaction, rebuild.record);
    Bringing bringing(transaction, begun.id, now);
    for (const auto& match : rebuild.matches) {
        if (match.number == 0) continue;
        if (match.byKeys) endRemovals(transaction, match.number);
        bringing.row(match.number, match.ordinal);
    }
    bringMembers(transaction, bringing, rebuild.matches);
    for (const auto& [row, id] : rebuild.elsewhere) transaction.prepare(sql::keepKnownAs).bind(0, row).bind(1, id).run();
    bringing.supersedeOrigins();
    bringing.finish();
    Rebuilt rebuilt;
    if (inForce) {
        auto& left = transaction.prepare("SELECT delivered + other FROM listener_folder WHERE folder_id = ?").bind(0, *inForce);
        left.step();
        rebuilt.gone = static_cast<std::uint64_t>(left.integer(0));
        left.reset();
    }
    leaveUndecided(transaction, rebuild.undecided, now);
    if (inForce) endRecord(transaction, *inForce, now);
    endUnfetchable(transaction, mailboxId(transaction, rebuild.record.mailbox));
    rebuilt.record = reading::folder(transaction, rebuild.record.mailbox, rebuild.record.protocol, rebuild.record.name).value();
    return rebuilt;
}

namespace {

/// Whether a row is this message beyond doubt: the same octets, or the same id at the server. Else no more than its keys are alike.
bool isCertain(plugin::Transaction& transaction, std::int64_t row, std::int64_t folder, const std::string& position) {
    auto& place = transaction.prepare(sql::selectSameness);
    if (!place.bind(0, row).bind(1, folder).bind(2, position).step()) throw std::logic_error("the ledger has no message " + std::to_string(row));
    const bool certain = place.integer(1) != 0 || (place.integer(0) == 0 && place.text(2) == "imap");
    place.reset();
    return certain;
}

/// What is due, or will be once it is delivered, is not done to a message that may be another one.
void endActions(plugin::Transaction& transaction, std::int64_t row) {
    transaction.prepare(sql::endDue).bind(0, row).run();
    transaction.prepare(sql::deleteDue).bind(0, row).run();
    transaction.prepare(sql::endStoredActions).bind(0, row).run();
}

}  // namespace

void repoint(plugin::Transaction& transaction, std::int64_t folder, const std::vector<std::pair<std::int64_t, std::uint64_t>>& rows) {
    const reading::Places places(transaction, folder);
    Bringing bringing(transaction, folder, {});
    for (const auto& [row, ordinal] : rows) {
        if (!isCertain(transaction, row, folder, places.at(ordinal).text)) endActions(transaction, row);
        bringing.row(row, ordinal);
    }
    bringing.finish();
}

void keepUnsettled(plugin::Transaction& transaction, std::int64_t folder, std::int64_t batch, const std::vector<Settled>& settled, plugin::Wall now) {
    const auto members = batchOf(transaction, batch);
    if (members.identities.size() <= settled.size()) return;
    std::set<std::uint64_t> done;
    for (const auto& one : settled) done.insert(one.message.position.ordinal);
    Bringing keeping(transaction, folder, now);
    for (std::size_t i = 0; i < members.identities.size(); ++i)
        if (!done.contains(members.ordinals[i])) keeping.unsettled(members.identities[i], members.ordinals[i], MessageState::pending);
    keeping.finish();
}

void endOpenBatch(plugin::Transaction& transaction, std::int64_t folder, std::int64_t batch, const std::vector<std::uint64_t>& stillThere,
                  plugin::Wall now) {
    const auto members = batchOf(transaction, batch);
    Bringing leaving(transaction, folder, now);
    for (std::size_t i = 0; i < members.identities.size(); ++i)
        if (!std::binary_search(stillThere.begin(), stillThere.end(), members.ordinals[i]))
            leaving.unsettled(members.identities[i], members.ordinals[i], MessageState::missing);
    leaving.finish();
    transaction.prepare(sql::deleteBatch).bind(0, batch).bind(1, folder).run();
}

}  // namespace listener::writing
