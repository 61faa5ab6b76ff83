#pragma once

#include <string>
#include <string_view>

/// Every statement of the ledger whose tables grow with the mail, where the tests find them to see that they use an index.
namespace listener::sql {

inline constexpr std::string_view selectFolder =
    "SELECT f.folder_id, f.validity, f.cursor, f.start_kind, f.start_since, f.filter_below, f.before_start, f.wanted_below, "
    "EXISTS (SELECT 1 FROM listener_folder o WHERE o.mailbox_id = f.mailbox_id AND o.folder_id <> f.folder_id), "
    "CASE WHEN f.cursor + 1 < f.wanted_below THEN f.wanted END, "
    "(SELECT max(m.ordinal) FROM listener_message m WHERE m.folder_id = f.folder_id AND m.validity = f.validity) FROM listener_mailbox b "
    "JOIN listener_folder f ON f.mailbox_id = b.mailbox_id WHERE b.alias = ? AND f.protocol = ? AND f.name = ? AND f.forgotten = 0";

inline constexpr std::string_view insertMessage =
    "INSERT INTO listener_message (delivery_id, folder_id, validity, ordinal, position, state, received, settled, size, sha256, match_key, "
    "message_id, after_action) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (delivery_id) DO NOTHING";
inline constexpr std::string_view selectMessage = "SELECT number, folder_id, validity, ordinal, state FROM listener_message WHERE delivery_id = ?";
inline constexpr std::string_view updateMessage =
    "UPDATE listener_message SET delivery_id = ?, folder_id = ?, validity = ?, ordinal = ?, position = ?, state = ?, received = ?, settled = ?, "
    "size = ?, sha256 = ?, match_key = ?, message_id = ?, after_action = ? WHERE number = ?";
inline constexpr std::string_view uncountMessage =
    "UPDATE listener_folder SET delivered = delivered - (?1 = 'delivered'), other = other - (?1 <> 'delivered') WHERE folder_id = ?2";
inline constexpr std::string_view insertVerdict = "INSERT INTO listener_verdict (message, sink_id, outcome) VALUES (?, ?, ?)";
inline constexpr std::string_view deleteVerdicts = "DELETE FROM listener_verdict WHERE message = ?";
inline constexpr std::string_view insertDue = "INSERT INTO listener_due (message, folder_id, ordinal, action, target) VALUES (?, ?, ?, ?, ?)";
inline constexpr std::string_view deleteDue = "DELETE FROM listener_due WHERE message = ?";
inline constexpr std::string_view insertBatch = "INSERT INTO listener_batch (folder_id, begun, ordinals, identities) VALUES (?, ?, ?, ?)";
inline constexpr std::string_view deleteBatch = "DELETE FROM listener_batch WHERE batch_id = ? AND folder_id = ?";
inline constexpr std::string_view markCopied = "UPDATE listener_due SET copied = 1 WHERE folder_id = ? AND ordinal = ?";

inline constexpr std::string_view selectFinal =
    "SELECT ordinal FROM listener_message WHERE folder_id = ?1 AND validity = (SELECT validity FROM listener_folder WHERE folder_id = ?1) "
    "AND ordinal > ?2 AND state <> 'pending' ORDER BY ordinal";
inline constexpr std::string_view selectBatches = "SELECT batch_id, ordinals, identities FROM listener_batch WHERE folder_id = ? ORDER BY batch_id";
inline constexpr std::string_view selectDue =
    "SELECT message, ordinal, action, target, copied FROM listener_due WHERE folder_id = ? ORDER BY ordinal, message LIMIT ?";

// What is known from elsewhere. Ids begin with the second: those of one stand together in the index.
inline constexpr std::string_view selectRecords =
    "SELECT f.folder_id, f.name, f.validity, f.cursor, f.start_kind, f.start_since, f.filter_below, f.before_start, f.forgotten "
    "FROM listener_mailbox b CROSS JOIN listener_folder f ON f.mailbox_id = b.mailbox_id WHERE b.alias = ? AND f.protocol = ? AND f.forgotten <> 1 "
    "ORDER BY f.folder_id";
inline constexpr std::string_view selectCandidates =
    "SELECT number, ordinal, received, size, match_key, sha256, state, after_action, EXISTS (SELECT 1 FROM listener_due d WHERE d.message = number) "
    "FROM listener_message WHERE folder_id = ?";
inline constexpr std::string_view selectPending =
    "SELECT delivery_id FROM listener_message WHERE folder_id = ? AND validity = ? AND ordinal = ? AND state = 'pending'";
inline constexpr std::string_view selectSecond =
    "SELECT m.number, m.delivery_id, m.folder_id, m.validity, m.ordinal, m.state, m.sha256, f.name, f.mailbox_id, f.forgotten, m.after_action, "
    "EXISTS (SELECT 1 FROM listener_due d WHERE d.message = m.number) FROM listener_message m CROSS JOIN listener_folder f ON f.folder_id = "
    "m.folder_id WHERE m.delivery_id >= ? AND m.delivery_id < ?";
inline constexpr std::string_view selectBatchesElsewhere =
    "SELECT b.ordinals, b.identities, f.folder_id, f.name FROM listener_folder o CROSS JOIN listener_folder f ON f.mailbox_id = o.mailbox_id "
    "CROSS JOIN listener_batch b ON b.folder_id = f.folder_id WHERE o.folder_id = ?1 AND f.folder_id <> ?1 AND b.identities IS NOT NULL";
inline constexpr std::string_view moveMessage =
    "UPDATE listener_message SET folder_id = ?, validity = ?, ordinal = ?, position = ?, state = CASE state WHEN 'missing' THEN 'pending' ELSE state "
    "END WHERE number = ?";
inline constexpr std::string_view moveDue = "UPDATE listener_due SET folder_id = ?, ordinal = ? WHERE message = ?";
inline constexpr std::string_view selectPlace = "SELECT folder_id, state FROM listener_message WHERE number = ?";
inline constexpr std::string_view insertUnsettled =
    "INSERT INTO listener_message (delivery_id, folder_id, validity, ordinal, position, state, received, settled, size, sha256, match_key) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (delivery_id) DO NOTHING";

inline constexpr std::string_view endDueOfMailbox =
    "UPDATE listener_message SET after_action = NULL WHERE number IN (SELECT d.message FROM listener_folder f JOIN listener_due d ON d.folder_id = "
    "f.folder_id WHERE f.mailbox_id = ?)";
inline constexpr std::string_view deleteDueOfMailbox =
    "DELETE FROM listener_due WHERE folder_id IN (SELECT folder_id FROM listener_folder WHERE mailbox_id = ?)";
inline constexpr std::string_view deleteBatchesOfMailbox =
    "DELETE FROM listener_batch WHERE folder_id IN (SELECT folder_id FROM listener_folder WHERE mailbox_id = ?)";
inline constexpr std::string_view endDueOfFolder =
    "UPDATE listener_message SET after_action = NULL WHERE number IN (SELECT message FROM listener_due WHERE folder_id = ?)";
inline constexpr std::string_view deleteDueOfFolder = "DELETE FROM listener_due WHERE folder_id = ?";
inline constexpr std::string_view deleteBatchesOfFolder = "DELETE FROM listener_batch WHERE folder_id = ?";

inline constexpr std::string_view selectSummaries =
    "SELECT b.alias, b.blocked, b.last_verified, f.protocol, f.name, f.forgotten, f.validity, f.cursor, f.before_start, f.delivered, f.other, "
    "f.last_delivery, (SELECT count(*) FROM listener_batch WHERE folder_id = f.folder_id), "
    "(SELECT count(*) FROM listener_due WHERE folder_id = f.folder_id) "
    "FROM listener_mailbox b LEFT JOIN listener_folder f ON f.mailbox_id = b.mailbox_id ORDER BY b.alias, f.protocol, f.name, f.folder_id";

// CROSS JOIN keeps the order: from the newest row, as many as are asked for, without sorting.
inline const std::string selectRows =
    "SELECT m.number, m.delivery_id, b.alias, f.name, f.protocol, m.position, m.state, m.received, m.settled, m.size, m.sha256, m.message_id, "
    "m.after_action, EXISTS (SELECT 1 FROM listener_due d WHERE d.message = m.number), "
    "(SELECT group_concat(s.name, ',') FROM listener_verdict v JOIN listener_sink s ON s.sink_id = v.sink_id WHERE v.message = m.number) "
    "FROM listener_message m CROSS JOIN listener_folder f ON f.folder_id = m.folder_id CROSS JOIN listener_mailbox b ON b.mailbox_id = f.mailbox_id "
    "WHERE m.number < ?1 AND (?2 IS NULL OR b.alias = ?2) AND (?3 IS NULL OR m.state = ?3)";
inline const std::string selectNewestRows = selectRows + " ORDER BY m.number DESC";
inline const std::string selectRowOfId = selectRows + " AND m.delivery_id = ?4";

}  // namespace listener::sql
