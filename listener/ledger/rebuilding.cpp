#include "listener/ledger/position_set.h"
#include "listener/ledger/reading.h"
#include "listener/ledger/statements.h"
#include "listener/ledger/stored_form.h"
#include "listener/ledger/writing.h"
#include "listener/message/cross_key.h"

#include <algorithm>
#include <map>
#include <set>

/// What is known of messages whose positions mean something else now: folders that were rebuilt or renamed, messages that were moved.
namespace listener {
namespace {

constexpr std::int64_t supersededRow = 2;  // listener_folder.forgotten

std::uint64_t number(const plugin::Statement& row, int column) { return static_cast<std::uint64_t>(row.integer(column)); }

bool removes(std::string_view action) {
    switch (stored::afterKind(action)) {
        case AfterAction::Kind::leave:
        case AfterAction::Kind::seen:
            return false;
        case AfterAction::Kind::remove:
        case AfterAction::Kind::move:
        case AfterAction::Kind::seenAndMove:
            return true;
    }
    return false;
}

/// Ids of Graph stay with a message when it is moved: two ids are two messages. Those of EWS change with each move.
bool idsStay(std::string_view protocol) { return protocol == "graph"; }

bool isSettled(MessageState state) { return state != MessageState::pending && state != MessageState::missing; }

OpenBatch memberTable(const plugin::Statement& row, int ordinals, int identities) {
    OpenBatch batch;
    batch.ordinals = decodePositions(row.blob(ordinals), "an open batch");
    batch.identities = stored::identities(row.blob(identities), batch.ordinals.size());
    return batch;
}

/// Rows of earlier versions have none, but often the Message-ID it would be made of.
std::uint64_t crossKeyOf(const plugin::Statement& row, int key, int messageId) {
    if (const auto known = stored::bits(row.integer(key)); known != 0 || row.isNull(messageId)) return known;
    return crossKey(std::string(row.text(messageId)), {}, {});
}

}  // namespace

namespace reading {

std::vector<FolderRecord> records(plugin::Transaction& transaction, const std::string& mailbox) {
    std::vector<FolderRecord> all;
    auto& row = transaction.prepare(sql::selectRecords).bind(0, mailbox);
    while (row.step()) {
        FolderRecord record;
        record.id = row.integer(0);
        record.mailbox = mailbox;
        record.protocol = row.text(9);
        record.name = row.text(1);
        record.validity = number(row, 2);
        record.cursor = number(row, 3);
        record.start = {stored::startKind(row.text(4)), stored::time(row.integer(5))};
        record.filterBelow = number(row, 6);
        record.beforeStart = number(row, 7);
        record.superseded = row.integer(8) == supersededRow;
        all.push_back(std::move(record));
    }
    return all;
}

std::vector<Candidate> candidates(plugin::Transaction& transaction, const std::vector<std::int64_t>& folders, const CandidateKeys& keys) {
    std::vector<Candidate> found;
    const auto wanted = [&keys](const Digest& match, std::uint64_t cross) {
        return std::binary_search(keys.match.begin(), keys.match.end(), match) ||
               (cross != 0 && std::binary_search(keys.cross.begin(), keys.cross.end(), cross));
    };
    for (const auto folder : folders) {
        auto& row = transaction.prepare(sql::selectCandidates).bind(0, folder);
        while (row.step()) {
            Candidate one{.number = row.integer(0), .ordinal = number(row, 1), .received = stored::time(row.integer(2)), .size = number(row, 3)};
            one.matchKey = stored::digest(row.blob(4));
            one.crossKey = crossKeyOf(row, 10, 11);
            if (!wanted(one.matchKey, one.crossKey)) continue;
            one.rendered = row.integer(12) != 0;
            one.sha256 = stored::digest(row.blob(5));
            one.settled = isSettled(stored::messageState(row.text(6))) || row.integer(9) != 0;
            one.removed = !row.isNull(7) && row.integer(8) == 0 && removes(row.text(7));
            if (!row.isNull(13)) one.formerFolder = row.integer(13), one.formerOrdinal = number(row, 14);
            found.push_back(one);
        }
        // A member that settled in a later batch has a row: candidates of the same message are matched once, by its row.
        for (const auto& batch : openBatches(transaction, folder))
            for (std::size_t i = 0; i < batch.identities.size(); ++i) {
                const auto& member = batch.identities[i];
                if (!wanted(member.matchKey, member.crossKey)) continue;
                const auto id = stored::id(member.id);  // bound where it lies
                auto& known = transaction.prepare(sql::selectMessage).bindBlob(0, id);
                const bool hasRow = known.step();
                known.reset();
                if (hasRow) continue;
                found.push_back({.batch = batch.id,
                                 .ordinal = batch.ordinals.at(i),
                                 .received = stored::second(member.id),
                                 .size = member.size,
                                 .matchKey = member.matchKey,
                                 .sha256 = member.sha256,
                                 .crossKey = member.crossKey});
            }
    }
    return found;
}

std::vector<RowName> names(plugin::Transaction& transaction, const std::vector<std::int64_t>& rows) {
    std::vector<RowName> all(rows.size());
    for (std::size_t i = 0; i < rows.size(); ++i) {
        auto& row = transaction.prepare(sql::selectName).bind(0, rows[i]);
        if (!row.step()) continue;
        all[i].protocol = row.text(1);
        if (row.text(0) != numberedPosition(number(row, 2), number(row, 3)).text) all[i].id = row.text(0);
        row.reset();
    }
    return all;
}

namespace {

/// What is known of the messages of one mailbox that were received in one second.
class Second {
public:
    Second(plugin::Transaction& transaction, std::int64_t folder, std::int64_t mailbox, std::int64_t validity, std::string protocol)
        : transaction_(transaction), folder_(folder), mailbox_(mailbox), validity_(validity), protocol_(std::move(protocol)) {}

    /// `newcomers`: all of this second, with their answers.
    void look(plugin::Wall second, const std::vector<std::pair<const Newcomer*, Recognised*>>& newcomers) {
        const auto from = bound(second), to = bound(second + std::chrono::seconds(1));
        auto& row = transaction_.prepare(sql::selectSecond).bindBlob(0, from).bindBlob(1, to);
        while (row.step()) {
            for (const auto& [newcomer, answer] : newcomers) {
                const bool sameId = std::ranges::equal(row.blob(1), stored::id(newcomer->id));
                if (isLike(row, *newcomer) || (sameId && newcomer->rendered))  // an opaque id is never another message's
                    note(row, *newcomer, *answer);
                else if (sameId)
                    answer->idTaken = true;
            }
        }
    }

private:
    static stored::Id bound(plugin::Wall second) {
        stored::Id id{};
        const auto seconds = std::chrono::floor<std::chrono::seconds>(second).time_since_epoch().count();
        for (std::size_t i = 0; i < 5; ++i) id[i] = static_cast<std::uint8_t>(seconds >> (8 * (4 - i)));
        return id;
    }

    bool isLike(const plugin::Statement& row, const Newcomer& newcomer) const {
        if (!newcomer.rendered && row.integer(16) == 0) return stored::digest(row.blob(6)) == newcomer.sha256;
        const bool sameProtocol = row.text(18) == protocol_;
        const bool hasId = row.text(17) != numberedPosition(number(row, 3), number(row, 4)).text;
        if (sameProtocol && hasId && idsStay(protocol_)) return row.text(17) == newcomer.position;
        // What this protocol calls its message is known by now: of those that are like it only that one.
        if (!sameProtocol && !row.isNull(19) && idsStay(protocol_) && row.text(19) != newcomer.position) return false;
        if (stored::digest(row.blob(13)) == newcomer.matchKey) return true;
        // Wherever the row is now: another protocol may have read its head.
        if (newcomer.crossKey != 0 && crossKeyOf(row, 14, 15) == newcomer.crossKey) return true;
        return newcomer.rendered && sameProtocol && row.text(17) == newcomer.position;
    }

    void note(const plugin::Statement& row, const Newcomer& newcomer, Recognised& answer) const {
        if (row.integer(8) != mailbox_) return;
        const bool here = row.integer(2) == folder_ && row.integer(3) == validity_ && number(row, 4) == newcomer.ordinal;
        if (here) return;
        const bool removedByUs = !row.isNull(10) && row.integer(11) == 0 && removes(row.text(10));
        if (removedByUs) {  // another one, though it may have come to the same position in the same second
            answer.idTaken = answer.idTaken || std::ranges::equal(row.blob(1), stored::id(newcomer.id));
            return;
        }
        const auto state = stored::messageState(row.text(5));
        const auto forgotten = row.integer(9);
        Likeness like{.number = row.integer(0), .folder = row.integer(2), .folderName = std::string(row.text(7)), .ordinal = number(row, 4)};
        like.id = stored::deliveryId(row.blob(1));
        // Where an operator started the mailbox anew, what was settled before is to be delivered again: under its id.
        like.settled = (isSettled(state) || row.integer(12) != 0) && (forgotten == 0 || forgotten == supersededRow);
        like.placeVoid = forgotten != 0 || state == MessageState::missing;
        answer.like.push_back(std::move(like));
    }

    plugin::Transaction& transaction_;
    std::int64_t folder_, mailbox_, validity_;
    std::string protocol_;
};

bool isMember(const Identity& member, const Newcomer& newcomer) {
    if (stored::second(member.id) != stored::second(newcomer.id)) return false;
    if (!newcomer.rendered) return member.sha256 == newcomer.sha256;
    return member.matchKey == newcomer.matchKey || (member.crossKey != 0 && member.crossKey == newcomer.crossKey);
}

bool hasRow(plugin::Transaction& transaction, const std::string& delivery) {
    const auto id = stored::id(delivery);  // bound where it lies
    auto& row = transaction.prepare(sql::selectMessage).bindBlob(0, id);
    const bool known = row.step();
    row.reset();
    return known;
}

void lookIntoBatches(plugin::Transaction& transaction, std::int64_t folder, const std::vector<Newcomer>& newcomers,
                     std::vector<Recognised>& answers) {
    auto& row = transaction.prepare(sql::selectBatchesElsewhere).bind(0, folder);
    while (row.step()) {
        const auto batch = memberTable(row, 0, 1);
        for (std::size_t i = 0; i < batch.identities.size(); ++i)
            for (std::size_t k = 0; k < newcomers.size(); ++k) {
                const auto& member = batch.identities[i];
                if (!isMember(member, newcomers[k])) continue;
                if (newcomers[k].rendered && hasRow(transaction, member.id)) continue;  // and was looked at with that
                const auto& known = answers[k].like;
                if (std::any_of(known.begin(), known.end(), [&member](const Likeness& like) { return like.id == member.id; })) continue;
                answers[k].like.push_back(
                    {.folder = row.integer(2), .folderName = std::string(row.text(3)), .ordinal = batch.ordinals[i], .id = member.id});
            }
    }
}

}  // namespace

std::vector<Recognised> recognise(plugin::Transaction& transaction, std::int64_t folder, const std::vector<Newcomer>& newcomers) {
    std::vector<Recognised> answers(newcomers.size());
    auto& place = transaction.prepare("SELECT mailbox_id, validity, protocol FROM listener_folder WHERE folder_id = ?").bind(0, folder);
    if (!place.step()) throw std::logic_error("the ledger has no folder " + std::to_string(folder));
    const auto mailbox = place.integer(0), validity = place.integer(1);
    std::string protocol(place.text(2));
    place.reset();
    std::map<plugin::Wall, std::vector<std::pair<const Newcomer*, Recognised*>>> bySecond;
    for (std::size_t i = 0; i < newcomers.size(); ++i) {
        auto& pending = transaction.prepare(sql::selectPending).bind(0, folder).bind(1, validity).bind(2, stored::number(newcomers[i].ordinal));
        if (pending.step()) answers[i].assigned = stored::deliveryId(pending.blob(0));
        pending.reset();
        bySecond[stored::second(newcomers[i].id)].emplace_back(&newcomers[i], &answers[i]);
    }
    Second reader(transaction, folder, mailbox, validity, std::move(protocol));
    for (const auto& [second, those] : bySecond) reader.look(second, those);
    lookIntoBatches(transaction, folder, newcomers, answers);
    return answers;
}

}  // namespace reading

namespace writing {
namespace {

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
            if (folder != folder_)
                transaction_.prepare("UPDATE listener_folder SET forgotten = ? WHERE folder_id = ? AND forgotten = 0")
                    .bind(0, supersededRow)
                    .bind(1, folder)
                    .run();
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

OpenBatch batchOf(plugin::Transaction& transaction, std::int64_t batch) {
    auto& row = transaction.prepare("SELECT ordinals, identities FROM listener_batch WHERE batch_id = ?").bind(0, batch);
    if (!row.step()) return {};
    auto found = memberTable(row, 0, 1);
    row.reset();
    return found;
}

/// The members of open batches that were matched become pending at their new place.
void bringMembers(plugin::Transaction& transaction, Bringing& bringing, const std::vector<Rebuild::Match>& matches) {
    std::map<std::int64_t, OpenBatch> batches;
    for (const auto& match : matches) {
        if (match.number != 0) continue;
        if (!batches.contains(match.batch)) batches.emplace(match.batch, batchOf(transaction, match.batch));
        const auto& batch = batches.at(match.batch);
        const auto found = std::lower_bound(batch.ordinals.begin(), batch.ordinals.end(), match.old);
        if (found == batch.ordinals.end() || *found != match.old || batch.identities.empty()) continue;
        bringing.unsettled(batch.identities[static_cast<std::size_t>(found - batch.ordinals.begin())], match.ordinal, MessageState::pending);
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

}  // namespace

namespace {

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
    if (inForce) transaction.prepare("UPDATE listener_folder SET forgotten = ? WHERE folder_id = ?").bind(0, supersededRow).bind(1, *inForce).run();
    const auto begun = insertFolder(transaction, rebuild.record);
    Bringing bringing(transaction, begun.id, now);
    for (const auto& match : rebuild.matches)
        if (match.number != 0) bringing.row(match.number, match.ordinal);
    bringMembers(transaction, bringing, rebuild.matches);
    for (const auto& [row, id] : rebuild.elsewhere) transaction.prepare(sql::keepKnownAs).bind(0, row).bind(1, id).run();
    bringing.supersedeOrigins();
    bringing.finish();
    Rebuilt rebuilt;
    if (inForce) {
        auto& left = transaction.prepare("SELECT delivered + other FROM listener_folder WHERE folder_id = ?").bind(0, *inForce);
        left.step();
        rebuilt.gone = number(left, 0);
        left.reset();
        endRecord(transaction, *inForce, now);
    }
    endUnfetchable(transaction, mailboxId(transaction, rebuild.record.mailbox));
    rebuilt.record = reading::folder(transaction, rebuild.record.mailbox, rebuild.record.protocol, rebuild.record.name).value();
    return rebuilt;
}

namespace {

/// Whether a row is this message beyond doubt: the same octets, or the same id at the server. Else no more than its keys are alike.
bool isCertain(plugin::Transaction& transaction, std::int64_t row, std::int64_t folder, const std::string& position) {
    auto& place = transaction.prepare(
        "SELECT m.rendered, m.position = ?3 AND f.protocol = n.protocol, n.protocol FROM listener_message m CROSS JOIN listener_folder f ON "
        "f.folder_id = m.folder_id CROSS JOIN listener_folder n ON n.folder_id = ?2 WHERE m.number = ?1");
    if (!place.bind(0, row).bind(1, folder).bind(2, position).step()) throw std::logic_error("the ledger has no message " + std::to_string(row));
    const bool certain = place.integer(1) != 0 || (place.integer(0) == 0 && place.text(2) == "imap");
    place.reset();
    return certain;
}

/// What is due, or will be once it is delivered, is not done to a message that may be another one.
void endActions(plugin::Transaction& transaction, std::int64_t row) {
    transaction
        .prepare("UPDATE listener_message SET after_action = NULL WHERE number = ?1 AND EXISTS (SELECT 1 FROM listener_due d WHERE d.message = ?1)")
        .bind(0, row)
        .run();
    transaction.prepare(sql::deleteDue).bind(0, row).run();
    transaction
        .prepare(
            "UPDATE listener_stored SET after_action = 'leave', after_target = NULL, aside_action = 'leave', aside_target = NULL WHERE message = ?")
        .bind(0, row)
        .run();
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

}  // namespace writing
}  // namespace listener
