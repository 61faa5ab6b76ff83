#include "listener/ledger/reading.h"

#include "listener/ledger/position_set.h"
#include "listener/ledger/statements.h"
#include "listener/ledger/stored_form.h"

#include <algorithm>
#include <limits>

namespace listener::reading {
namespace {

/// The whole of an id, not a part: found by its index.
bool isWholeId(std::string_view text) {
    return text.size() == 32 && std::all_of(text.begin(), text.end(), [](char c) { return (c >= 'a' && c <= 'z') || (c >= '2' && c <= '7'); });
}

std::uint64_t number(const plugin::Statement& row, int column) { return static_cast<std::uint64_t>(row.integer(column)); }

std::optional<plugin::Wall> maybeTime(const plugin::Statement& row, int column) {
    if (row.isNull(column)) return std::nullopt;
    return stored::time(row.integer(column));
}

LedgerRow rowFrom(const plugin::Statement& row) {
    LedgerRow one;
    one.number = row.integer(0);
    one.id = stored::deliveryId(row.blob(1));
    one.mailbox = row.text(2);
    one.folder = row.text(3);
    one.protocol = row.text(4);
    one.position = row.text(5);
    one.state = stored::messageState(row.text(6));
    one.received = stored::time(row.integer(7));
    one.settled = stored::time(row.integer(8));
    one.size = number(row, 9);
    one.sha256 = stored::digest(row.blob(10));
    if (!row.isNull(11)) one.messageId = row.text(11);
    if (!row.isNull(12)) one.after = row.integer(13) != 0 ? "due" : "done";
    one.sinks = row.text(14);
    one.waiting = row.text(15);
    return one;
}

bool contains(const LedgerRow& row, const std::string& part) {
    return row.id.find(part) != std::string::npos || row.position.find(part) != std::string::npos ||
           (row.messageId && row.messageId->find(part) != std::string::npos);
}

}  // namespace

std::optional<FolderRecord> folder(plugin::Transaction& transaction, const std::string& mailbox, const std::string& protocol,
                                   const std::string& name) {
    auto& row = transaction.prepare(sql::selectFolder).bind(0, mailbox).bind(1, protocol).bind(2, name);
    if (!row.step()) return std::nullopt;
    FolderRecord record;
    record.id = row.integer(0);
    record.mailbox = mailbox;
    record.protocol = protocol;
    record.name = name;
    record.validity = number(row, 1);
    record.cursor = number(row, 2);
    record.start = {stored::startKind(row.text(3)), stored::time(row.integer(4))};
    record.filterBelow = number(row, 5);
    record.beforeStart = number(row, 6);
    record.wantedBelow = number(row, 7);
    record.kin = row.integer(8) != 0;
    record.wanted = decodePositions(row.blob(9), "a rebuilt folder");
    record.highest = std::max(record.cursor, number(row, 10));
    if (record.wantedBelow > 0) record.highest = std::max(record.highest, record.wantedBelow - 1);
    row.reset();
    for (const auto& batch : openBatches(transaction, record.id))
        if (!batch.ordinals.empty()) record.highest = std::max(record.highest, batch.ordinals.back());
    return record;
}

Places::Places(plugin::Transaction& transaction, std::int64_t folder) : transaction_(transaction), folder_(folder) {
    auto& row = transaction.prepare(sql::selectValidity).bind(0, folder);
    if (!row.step()) throw std::logic_error("the ledger has no folder " + std::to_string(folder));
    validity_ = number(row, 0);
    indexed_ = row.integer(1) != 0;
    row.reset();
}

Position Places::at(std::uint64_t ordinal) const {
    auto position = numberedPosition(validity_, ordinal);
    if (!indexed_) return position;
    auto& row = transaction_.prepare(sql::selectIdAt).bind(0, folder_).bind(1, stored::number(ordinal));
    if (!row.step()) return position;
    const auto id = row.blob(0);
    position.text.assign(reinterpret_cast<const char*>(id.data()), id.size());
    row.reset();
    return position;
}

std::vector<std::uint64_t> finalAbove(plugin::Transaction& transaction, std::int64_t folder, std::uint64_t above) {
    std::vector<std::uint64_t> ordinals;
    auto& row = transaction.prepare(sql::selectFinal).bind(0, folder).bind(1, stored::number(above));
    while (row.step())
        if (ordinals.empty() || ordinals.back() != number(row, 0)) ordinals.push_back(number(row, 0));
    return ordinals;
}

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
        record.superseded = row.integer(8) == stored::superseded;
        all.push_back(std::move(record));
    }
    return all;
}

OpenBatch membersFrom(const plugin::Statement& row, int ordinals, int identities) {
    OpenBatch batch{.ordinals = decodePositions(row.blob(ordinals), "an open batch")};
    batch.identities = stored::identities(row.blob(identities), batch.ordinals.size());
    return batch;
}

std::vector<OpenBatch> openBatches(plugin::Transaction& transaction, std::int64_t folder) {
    std::vector<OpenBatch> batches;
    auto& row = transaction.prepare(sql::selectBatches).bind(0, folder);
    while (row.step()) {
        batches.push_back(membersFrom(row, 1, 2));
        batches.back().id = row.integer(0);
    }
    return batches;
}

std::vector<Due> dueActions(plugin::Transaction& transaction, std::int64_t folder, std::size_t limit) {
    std::vector<Due> all;
    auto& row = transaction.prepare(sql::selectDue).bind(0, folder).bind(1, stored::number(limit));
    while (row.step())
        all.push_back({row.integer(0), number(row, 1), {stored::afterKind(row.text(2)), std::string(row.text(3))}, row.integer(4) != 0});
    return all;
}

std::optional<std::string> blocked(plugin::Transaction& transaction, const std::string& mailbox) {
    auto& row = transaction.prepare("SELECT blocked FROM listener_mailbox WHERE alias = ? AND blocked IS NOT NULL").bind(0, mailbox);
    if (!row.step()) return std::nullopt;
    return std::string(row.text(0));
}

std::optional<Start> restartedWith(plugin::Transaction& transaction, const std::string& mailbox) {
    auto& row =
        transaction.prepare("SELECT restart_kind, restart_since FROM listener_mailbox WHERE alias = ? AND restart_kind IS NOT NULL").bind(0, mailbox);
    if (!row.step()) return std::nullopt;
    return Start{stored::startKind(row.text(0)), stored::time(row.integer(1))};
}

namespace {

/// Three columns from this one on.
std::optional<Detour> detourFrom(const plugin::Statement& row, int column) {
    if (row.isNull(column)) return std::nullopt;
    return Detour{std::string(row.text(column)), std::string(row.text(column + 1)), std::string(row.text(column + 2))};
}

}  // namespace

std::optional<Detour> detour(plugin::Transaction& transaction, const std::string& mailbox) {
    auto& row = transaction.prepare("SELECT read_by, instead_of, read_by_why FROM listener_mailbox WHERE alias = ?").bind(0, mailbox);
    return row.step() ? detourFrom(row, 0) : std::nullopt;
}

std::int64_t operatorChanges(plugin::Transaction& transaction) {
    auto& row = transaction.prepare("SELECT value FROM listener_state WHERE name = 'operator_changes'");
    return row.step() ? row.integer(0) : 0;
}

std::vector<MailboxSummary> summaries(plugin::Transaction& transaction) {
    std::vector<MailboxSummary> all;
    auto& row = transaction.prepare(sql::selectSummaries);
    while (row.step()) {
        // All rows a folder ever had stand together, the one in force last.
        if (all.empty() || all.back().mailbox != row.text(0) || all.back().protocol != row.text(3) || all.back().folder != row.text(4)) {
            all.emplace_back();
            all.back().mailbox = row.text(0);
            all.back().protocol = row.text(3);
            all.back().folder = row.text(4);
        }
        auto& one = all.back();
        one.blocked = row.text(1);
        one.lastVerified = maybeTime(row, 2);
        one.detour = detourFrom(row, 14);
        one.delivered += number(row, 9);
        one.other += number(row, 10);
        if (const auto last = maybeTime(row, 11); last && (!one.lastDelivery || *one.lastDelivery < *last)) one.lastDelivery = last;
        if (row.isNull(5) || row.integer(5) != 0) continue;
        one.validity = number(row, 6);
        one.cursor = number(row, 7);
        one.beforeStart = number(row, 8);
        one.openBatches = number(row, 12);
        one.dueActions = number(row, 13);
    }
    return all;
}

std::vector<LedgerRow> rows(plugin::Transaction& transaction, const LedgerQuery& query) {
    std::vector<LedgerRow> found;
    const bool byId = query.find && isWholeId(*query.find);
    const auto id = byId ? stored::id(*query.find) : stored::Id{};
    auto& row = transaction.prepare(byId ? sql::selectRowOfId : sql::selectNewestRows);
    row.bind(0, query.before == 0 ? std::numeric_limits<std::int64_t>::max() : query.before);
    if (query.mailbox) row.bind(1, *query.mailbox);
    if (query.state) row.bind(2, stored::text(*query.state));
    if (byId) row.bindBlob(3, id);
    while (found.size() < query.limit && row.step()) {
        auto one = rowFrom(row);
        if (!query.find || contains(one, *query.find)) found.push_back(std::move(one));
    }
    row.reset();
    return found;
}

}  // namespace listener::reading
