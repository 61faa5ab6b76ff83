#include "listener/ledger/position_set.h"
#include "listener/ledger/reading.h"
#include "listener/ledger/statements.h"
#include "listener/ledger/stored_form.h"
#include "listener/ledger/writing.h"

namespace listener::writing {
namespace {

void forgetFolder(plugin::Transaction& transaction, std::int64_t folder) {
    for (const auto statement : {sql::endDueOfFolder, sql::deleteDueOfFolder, sql::deleteBatchesOfFolder})
        transaction.prepare(statement).bind(0, folder).run();
    transaction.prepare("UPDATE listener_folder SET forgotten = 1 WHERE folder_id = ?").bind(0, folder).run();
}

void blockEach(plugin::Transaction& transaction, const std::vector<std::string>& mailboxes, const std::string& why) {
    for (const auto& alias : mailboxes)
        transaction.prepare("UPDATE listener_mailbox SET blocked = ? WHERE mailbox_id = ?").bind(0, why).bind(1, mailboxId(transaction, alias)).run();
    countOperatorChange(transaction);
}

void restartOne(plugin::Transaction& transaction, std::int64_t mailbox, const Start& start) {
    for (const auto statement : {sql::endDueOfMailbox, sql::deleteDueOfMailbox, sql::deleteBatchesOfMailbox})
        transaction.prepare(statement).bind(0, mailbox).run();
    transaction.prepare("UPDATE listener_folder SET forgotten = 1 WHERE mailbox_id = ? AND forgotten <> 1").bind(0, mailbox).run();
    endUnfetchable(transaction, mailbox);
    transaction.prepare("UPDATE listener_index SET forgotten = 1 WHERE mailbox_id = ? AND forgotten = 0").bind(0, mailbox).run();
    transaction.prepare("UPDATE listener_mailbox SET blocked = NULL, restart_kind = ?, restart_since = ? WHERE mailbox_id = ?")
        .bind(0, stored::text(start.kind))
        .bind(1, stored::time(start.since))
        .bind(2, mailbox)
        .run();
}

}  // namespace

std::int64_t mailboxId(plugin::Transaction& transaction, const std::string& alias) {
    transaction.prepare("INSERT INTO listener_mailbox (alias) VALUES (?) ON CONFLICT DO NOTHING").bind(0, alias).run();
    auto& row = transaction.prepare("SELECT mailbox_id FROM listener_mailbox WHERE alias = ?").bind(0, alias);
    row.step();
    const auto id = row.integer(0);
    row.reset();
    return id;
}

void countOperatorChange(plugin::Transaction& transaction) {
    transaction.prepare("INSERT INTO listener_state (name, value) VALUES ('operator_changes', 1) ON CONFLICT DO UPDATE SET value = value + 1").run();
}

FolderRecord insertFolder(plugin::Transaction& transaction, const FolderRecord& record) {
    FolderRecord begun = record;
    const auto wanted = encodePositions(record.wanted);
    auto& row =
        transaction
            .prepare(
                "INSERT INTO listener_folder (mailbox_id, protocol, name, validity, cursor, start_kind, start_since, filter_below, before_start, "
                "wanted_below, wanted) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")
            .bind(0, mailboxId(transaction, record.mailbox))
            .bind(1, record.protocol)
            .bind(2, record.name)
            .bind(3, stored::number(record.validity))
            .bind(4, stored::number(record.cursor))
            .bind(5, stored::text(record.start.kind))
            .bind(6, stored::time(record.start.since))
            .bind(7, stored::number(record.filterBelow))
            .bind(8, stored::number(record.beforeStart))
            .bind(9, stored::number(record.wantedBelow));
    if (!wanted.empty()) row.bindBlob(10, wanted);
    row.run();
    begun.id = transaction.lastInsertId();
    return begun;
}

FolderRecord beginFolder(plugin::Transaction& transaction, const FolderRecord& record) {
    if (auto known = reading::folder(transaction, record.mailbox, record.protocol, record.name)) {
        if (known->validity == record.validity) return *known;
        forgetFolder(transaction, known->id);
        endUnfetchable(transaction, mailboxId(transaction, record.mailbox));
    }
    insertFolder(transaction, record);
    return reading::folder(transaction, record.mailbox, record.protocol, record.name).value();
}

void block(plugin::Transaction& transaction, const std::vector<std::string>& mailboxes, const std::string& why) {
    blockEach(transaction, mailboxes, why);
}

void blockAfterLoss(plugin::Transaction& transaction, plugin::Wall lost, const std::vector<std::string>& mailboxes, const std::string& why) {
    auto& known = transaction.prepare("SELECT 1 FROM listener_state WHERE name = 'loss' AND value = ?").bind(0, stored::time(lost));
    const bool dealtWith = known.step();
    if (dealtWith) return;
    transaction.prepare("INSERT INTO listener_state (name, value) VALUES ('loss', ?1) ON CONFLICT DO UPDATE SET value = ?1")
        .bind(0, stored::time(lost))
        .run();
    blockEach(transaction, mailboxes, why);
}

void restart(plugin::Transaction& transaction, const std::string& mailbox, const Start& start) {
    std::vector<std::int64_t> mailboxes;
    if (!mailbox.empty()) {
        mailboxes.push_back(mailboxId(transaction, mailbox));
    } else {
        auto& row = transaction.prepare("SELECT mailbox_id FROM listener_mailbox");
        while (row.step()) mailboxes.push_back(row.integer(0));
    }
    for (const auto id : mailboxes) restartOne(transaction, id, start);
    countOperatorChange(transaction);
}

void take(plugin::Transaction& transaction, const std::string& mailbox, const std::optional<Detour>& detour) {
    auto& row = transaction.prepare("UPDATE listener_mailbox SET read_by = ?, instead_of = ?, read_by_why = ? WHERE mailbox_id = ?");
    const auto id = mailboxId(transaction, mailbox);
    if (detour) row.bind(0, detour->protocol).bind(1, detour->insteadOf).bind(2, detour->why);
    row.bind(3, id).run();
    countOperatorChange(transaction);
}

void verified(plugin::Transaction& transaction, const std::vector<std::pair<std::string, plugin::Wall>>& mailboxes) {
    auto& row = transaction.prepare(
        "INSERT INTO listener_mailbox (alias, last_verified) VALUES (?1, ?2) ON CONFLICT (alias) DO UPDATE SET last_verified = ?2");
    for (const auto& [alias, when] : mailboxes) row.bind(0, alias).bind(1, stored::time(when)).run();
}

}  // namespace listener::writing
