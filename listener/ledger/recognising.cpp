#include "listener/ledger/reading.h"
#include "listener/ledger/statements.h"
#include "listener/ledger/stored_form.h"
#include "listener/message/cross_key.h"

#include <algorithm>
#include <map>

/// What is known of messages that stand where nobody has met them: in a folder that was rebuilt or renamed, or moved from another one.
namespace listener::reading {
namespace {

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

/// Rows of earlier versions have none, but often the Message-ID it would be made of.
std::uint64_t crossKeyOf(const plugin::Statement& row, int key, int messageId) {
    if (const auto known = stored::bits(row.integer(key)); known != 0 || row.isNull(messageId)) return known;
    return crossKey(std::string(row.text(messageId)), {}, {});
}

bool hasRow(plugin::Transaction& transaction, const std::string& delivery) {
    const auto id = stored::id(delivery);  // bound where it lies
    auto& row = transaction.prepare(sql::selectMessage).bindBlob(0, id);
    const bool known = row.step();
    row.reset();
    return known;
}

/// An action that is due may have been carried out: nobody knows whether such a row's message is still there. It matters where another row like it
/// tells that there were several.
void doubtLeaving(std::vector<Candidate>& candidates, const std::vector<std::size_t>& leaving) {
    std::vector<std::size_t> undecided;
    for (std::size_t i = 0; i < candidates.size(); ++i)
        if (candidates[i].undecided) undecided.push_back(i);
    const auto second = [](const Candidate& one) { return std::chrono::floor<std::chrono::seconds>(one.received); };
    for (const auto i : leaving) {
        auto& one = candidates[i];
        one.undecided = one.undecided || std::any_of(undecided.begin(), undecided.end(), [&](std::size_t other) {
                            const auto& like = candidates[other];
                            const bool sameCross = one.crossKey != 0 && one.crossKey == like.crossKey;
                            return second(one) == second(like) && (one.matchKey == like.matchKey || sameCross);
                        });
    }
}

}  // namespace

std::vector<Candidate> candidates(plugin::Transaction& transaction, const std::vector<std::int64_t>& folders, const CandidateKeys& keys) {
    std::vector<Candidate> found;
    std::vector<std::size_t> leaving;
    for (const auto folder : folders) {
        auto& row = transaction.prepare(sql::selectCandidates).bind(0, folder);
        while (row.step()) {
            Candidate one{.number = row.integer(0), .ordinal = number(row, 1), .received = stored::time(row.integer(2)), .size = number(row, 3)};
            one.matchKey = stored::digest(row.blob(4));
            one.crossKey = crossKeyOf(row, 10, 11);
            if (!keys.has(one.matchKey, one.crossKey)) continue;
            one.rendered = row.integer(12) != 0;
            one.undecided = row.integer(15) != 0;
            one.sha256 = stored::digest(row.blob(5));
            one.settled = isSettled(stored::messageState(row.text(6))) || row.integer(9) != 0;
            const bool due = row.integer(8) != 0;
            one.removed = !row.isNull(7) && !due && removes(row.text(7));
            if (!row.isNull(7) && due && removes(row.text(7))) leaving.push_back(found.size());
            if (!row.isNull(13)) one.formerFolder = row.integer(13), one.formerOrdinal = number(row, 14);
            found.push_back(one);
        }
        // A member that settled in a later batch has a row: candidates of the same message are matched once, by its row.
        for (const auto& batch : openBatches(transaction, folder))
            for (std::size_t i = 0; i < batch.identities.size(); ++i) {
                const auto& member = batch.identities[i];
                if (!keys.has(member.matchKey, member.crossKey)) continue;
                if (hasRow(transaction, member.id)) continue;
                found.push_back({.batch = batch.id,
                                 .ordinal = batch.ordinals.at(i),
                                 .received = stored::second(member.id),
                                 .size = member.size,
                                 .matchKey = member.matchKey,
                                 .sha256 = member.sha256,
                                 .crossKey = member.crossKey});
            }
    }
    doubtLeaving(found, leaving);
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
        const bool sameId = newcomer.rendered && sameProtocol && row.text(17) == newcomer.position;
        const bool undecided = !row.isNull(19) && row.text(19).empty();
        const bool hasId = row.text(17) != numberedPosition(number(row, 3), number(row, 4)).text;
        if (sameProtocol && hasId && idsStay(protocol_)) return row.text(17) == newcomer.position;
        if (undecided) return sameId;
        // What this protocol calls its message is known by now: of those that are like it only that one.
        if (!sameProtocol && !row.isNull(19) && idsStay(protocol_) && row.text(19) != newcomer.position) return false;
        if (stored::digest(row.blob(13)) == newcomer.matchKey) return true;
        // Wherever the row is now: another protocol may have read its head.
        if (newcomer.crossKey != 0 && crossKeyOf(row, 14, 15) == newcomer.crossKey) return true;
        return sameId;
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
        like.settled = (isSettled(state) || row.integer(12) != 0) && (forgotten == 0 || forgotten == stored::superseded);
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

void lookIntoBatches(plugin::Transaction& transaction, std::int64_t folder, const std::vector<Newcomer>& newcomers,
                     std::vector<Recognised>& answers) {
    auto& row = transaction.prepare(sql::selectBatchesElsewhere).bind(0, folder);
    while (row.step()) {
        const auto batch = membersFrom(row, 0, 1);
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

}  // namespace listener::reading

namespace listener {

void CandidateKeys::add(const Digest& match, std::uint64_t cross) {
    match_.push_back(match);
    if (cross != 0) cross_.push_back(cross);
}

bool CandidateKeys::has(const Digest& match, std::uint64_t cross) const {
    return std::binary_search(match_.begin(), match_.end(), match) || (cross != 0 && std::binary_search(cross_.begin(), cross_.end(), cross));
}

void CandidateKeys::sort() {
    std::sort(match_.begin(), match_.end());
    std::sort(cross_.begin(), cross_.end());
}

}  // namespace listener
