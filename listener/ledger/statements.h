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
    "message_id, after_action, cross_key, rendered) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (delivery_id) DO NOTHING";
inline constexpr std::string_view selectMessage = "SELECT number, folder_id, validity, ordinal, state FROM listener_message WHERE delivery_id = ?";
inline constexpr std::string_view updateMessage =
    "UPDATE listener_message SET delivery_id = ?, folder_id = ?, validity = ?, ordinal = ?, position = ?, state = ?, received = ?, settled = ?, "
    "size = ?, sha256 = ?, match_key = ?, message_id = ?, after_action = ?, cross_key = ?, rendered = ?, known_as = NULL WHERE number = ?";
inline constexpr std::string_view uncountMessage =
    "UPDATE listener_folder SET delivered = delivered - (?1 = 'delivered'), other = other - (?1 <> 'delivered') WHERE folder_id = ?2";
inline constexpr std::string_view insertVerdict = "INSERT INTO listener_verdict (message, sink_id, outcome) VALUES (?, ?, ?)";
inline constexpr std::string_view addVerdict = "INSERT INTO listener_verdict (message, sink_id, outcome) VALUES (?, ?, ?) ON CONFLICT DO NOTHING";
inline constexpr std::string_view deleteVerdicts = "DELETE FROM listener_verdict WHERE message = ?";
inline constexpr std::string_view insertDue = "INSERT INTO listener_due (message, folder_id, ordinal, action, target) VALUES (?, ?, ?, ?, ?)";
inline constexpr std::string_view deleteDue = "DELETE FROM listener_due WHERE message = ?";
inline constexpr std::string_view insertBatch = "INSERT INTO listener_batch (folder_id, begun, ordinals, identities) VALUES (?, ?, ?, ?)";
inline constexpr std::string_view deleteBatch = "DELETE FROM listener_batch WHERE batch_id = ? AND folder_id = ?";
inline constexpr std::string_view markCopied = "UPDATE listener_due SET copied = 1 WHERE folder_id = ? AND ordinal = ?";

inline constexpr std::string_view selectFinal =
    "SELECT ordinal FROM listener_message WHERE folder_id = ?1 AND validity = (SELECT validity FROM listener_folder WHERE folder_id = ?1) "
    "AND ordinal > ?2 AND (state <> 'pending' OR EXISTS (SELECT 1 FROM listener_stored s WHERE s.message = number)) ORDER BY ordinal";
inline constexpr std::string_view selectBatches = "SELECT batch_id, ordinals, identities FROM listener_batch WHERE folder_id = ? ORDER BY batch_id";
inline constexpr std::string_view selectFolderOfBatch = "SELECT folder_id FROM listener_batch WHERE batch_id = ?";
inline constexpr std::string_view selectBatch = "SELECT ordinals, identities FROM listener_batch WHERE batch_id = ?";
inline constexpr std::string_view selectDue =
    "SELECT message, ordinal, action, target, copied FROM listener_due WHERE folder_id = ? ORDER BY ordinal, message LIMIT ?";

// What is known from elsewhere. Ids begin with the second: those of one stand together in the index.
inline constexpr std::string_view selectRecords =
    "SELECT f.folder_id, f.name, f.validity, f.cursor, f.start_kind, f.start_since, f.filter_below, f.before_start, f.forgotten, f.protocol "
    "FROM listener_mailbox b CROSS JOIN listener_folder f ON f.mailbox_id = b.mailbox_id WHERE b.alias = ? AND f.forgotten <> 1 "
    "ORDER BY f.folder_id";
inline constexpr std::string_view selectCandidates =
    "SELECT number, ordinal, received, size, match_key, sha256, state, after_action, EXISTS (SELECT 1 FROM listener_due d WHERE d.message = number), "
    "EXISTS (SELECT 1 FROM listener_stored s WHERE s.message = number), cross_key, message_id, rendered, former_folder, former_ordinal, "
    "known_as IS '' FROM listener_message WHERE folder_id = ?";
inline constexpr std::string_view selectName =
    "SELECT m.position, f.protocol, m.validity, m.ordinal FROM listener_message m CROSS JOIN listener_folder f ON f.folder_id = m.folder_id WHERE "
    "m.number = ?";
inline constexpr std::string_view selectPending =
    "SELECT delivery_id FROM listener_message WHERE folder_id = ? AND validity = ? AND ordinal = ? AND state = 'pending'";
inline constexpr std::string_view selectSecond =
    "SELECT m.number, m.delivery_id, m.folder_id, m.validity, m.ordinal, m.state, m.sha256, f.name, f.mailbox_id, f.forgotten, m.after_action, "
    "EXISTS (SELECT 1 FROM listener_due d WHERE d.message = m.number), EXISTS (SELECT 1 FROM listener_stored k WHERE k.message = m.number), "
    "m.match_key, m.cross_key, m.message_id, m.rendered, m.position, f.protocol, m.known_as "
    "FROM listener_message m CROSS JOIN listener_folder f ON f.folder_id = m.folder_id WHERE m.delivery_id >= ? AND m.delivery_id < ?";
inline constexpr std::string_view selectBatchesElsewhere =
    "SELECT b.ordinals, b.identities, f.folder_id, f.name FROM listener_folder o CROSS JOIN listener_folder f ON f.mailbox_id = o.mailbox_id "
    "CROSS JOIN listener_batch b ON b.folder_id = f.folder_id WHERE o.folder_id = ?1 AND f.folder_id <> ?1 AND b.identities IS NOT NULL";
inline constexpr std::string_view moveMessage =
    "UPDATE listener_message SET folder_id = ?, validity = ?, ordinal = ?, position = ?, known_as = NULL, state = CASE state WHEN 'missing' THEN "
    "'pending' ELSE state END WHERE number = ?";
inline constexpr std::string_view keepFormer = "UPDATE listener_message SET former_folder = folder_id, former_ordinal = ordinal WHERE number = ?";
inline constexpr std::string_view keepKnownAs = "UPDATE listener_message SET known_as = ?2 WHERE number = ?1";
inline constexpr std::string_view keepUndecided = "UPDATE listener_message SET known_as = '' WHERE delivery_id = ?";
inline constexpr std::string_view moveDue = "UPDATE listener_due SET folder_id = ?, ordinal = ? WHERE message = ?";
/// Of a row and a folder: octets tell nothing; the same id by the same protocol; that protocol.
inline constexpr std::string_view selectSameness =
    "SELECT m.rendered, m.position = ?3 AND f.protocol = n.protocol, n.protocol FROM listener_message m CROSS JOIN listener_folder f ON "
    "f.folder_id = m.folder_id CROSS JOIN listener_folder n ON n.folder_id = ?2 WHERE m.number = ?1";
inline constexpr std::string_view endDue =
    "UPDATE listener_message SET after_action = NULL WHERE number = ?1 AND EXISTS (SELECT 1 FROM listener_due d WHERE d.message = ?1)";
inline constexpr std::string_view endStoredActions =
    "UPDATE listener_stored SET after_action = 'leave', after_target = NULL, aside_action = 'leave', aside_target = NULL WHERE message = ?";
/// The same of what cannot be undone.
inline constexpr std::string_view endRemovalDue =
    "UPDATE listener_message SET after_action = NULL WHERE number = ?1 AND EXISTS (SELECT 1 FROM listener_due d WHERE d.message = ?1 AND d.action = "
    "'delete')";
inline constexpr std::string_view deleteRemovalDue = "DELETE FROM listener_due WHERE message = ? AND action = 'delete'";
inline constexpr std::string_view endStoredRemovals =
    "UPDATE listener_stored SET after_action = CASE after_action WHEN 'delete' THEN 'leave' ELSE after_action END, aside_action = CASE aside_action "
    "WHEN 'delete' THEN 'leave' ELSE aside_action END WHERE message = ?";
inline constexpr std::string_view selectPlace = "SELECT folder_id, state FROM listener_message WHERE number = ?";
inline constexpr std::string_view insertUnsettled =
    "INSERT INTO listener_message (delivery_id, folder_id, validity, ordinal, position, state, received, settled, size, sha256, match_key, "
    "cross_key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (delivery_id) DO NOTHING";

/// Of a record that is in force no more: what has still to be fetched.
inline constexpr std::string_view endPendingOfFolder =
    "UPDATE listener_message SET state = 'missing' WHERE folder_id = ? AND state = 'pending' AND NOT EXISTS (SELECT 1 FROM listener_stored k WHERE "
    "k.message = number)";

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
    "(SELECT count(*) FROM listener_due WHERE folder_id = f.folder_id), b.read_by, b.instead_of, b.read_by_why "
    "FROM listener_mailbox b LEFT JOIN listener_folder f ON f.mailbox_id = b.mailbox_id ORDER BY b.alias, f.protocol, f.name, f.folder_id";

// CROSS JOIN keeps the order: from the newest row, as many as are asked for, without sorting.
inline const std::string selectRows =
    "SELECT m.number, m.delivery_id, b.alias, f.name, f.protocol, m.position, m.state, m.received, m.settled, m.size, m.sha256, m.message_id, "
    "m.after_action, EXISTS (SELECT 1 FROM listener_due d WHERE d.message = m.number), "
    "(SELECT group_concat(s.name, ',') FROM listener_verdict v JOIN listener_sink s ON s.sink_id = v.sink_id WHERE v.message = m.number), "
    "(SELECT group_concat(s.name, ',') FROM listener_outbox o JOIN listener_sink s ON s.sink_id = o.sink_id WHERE o.message = m.number) "
    "FROM listener_message m CROSS JOIN listener_folder f ON f.folder_id = m.folder_id CROSS JOIN listener_mailbox b ON b.mailbox_id = f.mailbox_id "
    "WHERE m.number < ?1 AND (?2 IS NULL OR b.alias = ?2) AND (?3 IS NULL OR m.state = ?3)";
inline const std::string selectNewestRows = selectRows + " ORDER BY m.number DESC";
inline const std::string selectRowOfId = selectRows + " AND m.delivery_id = ?4";

/// Final rows of a folder from before a moment, for which nothing is due; and whether they have details to forget.
inline constexpr std::string_view selectOld =
    "SELECT m.number, m.ordinal, m.message_id IS NOT NULL OR EXISTS (SELECT 1 FROM listener_verdict v WHERE v.message = m.number) FROM "
    "listener_message m WHERE m.folder_id = ?1 AND m.validity = (SELECT validity FROM listener_folder WHERE folder_id = ?1) AND m.ordinal > ?2 AND "
    "m.settled < ?3 AND m.state NOT IN ('pending', 'dead', 'quarantined') AND NOT EXISTS (SELECT 1 FROM listener_due d WHERE d.message = m.number) "
    "AND "
    "NOT EXISTS (SELECT 1 FROM listener_stored k WHERE k.message = m.number) ORDER BY m.ordinal LIMIT ?4";
/// The same of records of this mailbox that are in force no more, whatever their name and protocol.
inline constexpr std::string_view selectOldForgotten =
    "SELECT m.number FROM listener_folder n CROSS JOIN listener_folder f ON f.mailbox_id = n.mailbox_id AND f.forgotten <> 0 CROSS JOIN "
    "listener_message m ON m.folder_id = f.folder_id WHERE n.folder_id = ?1 AND m.settled < ?2 AND m.state <> "
    "'pending' "
    "AND NOT EXISTS (SELECT 1 FROM listener_stored k WHERE k.message = m.number) LIMIT ?3";
inline constexpr std::string_view deleteMessage = "DELETE FROM listener_message WHERE number = ?";
inline constexpr std::string_view forgetDetails = "UPDATE listener_message SET message_id = NULL WHERE number = ? AND message_id IS NOT NULL";
/// Of rows from before there were cross keys.
inline constexpr std::string_view selectKeyless =
    "SELECT message_id FROM listener_message WHERE number = ? AND cross_key = 0 AND message_id IS NOT NULL";
inline constexpr std::string_view updateCrossKey = "UPDATE listener_message SET cross_key = ? WHERE number = ?";

// The outbox.
inline constexpr std::string_view insertStored =
    "INSERT INTO listener_stored (message, file, start, folder, protocol, position, flags, after_action, after_target, aside_action, aside_target) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
inline constexpr std::string_view selectStoredIn = "SELECT message FROM listener_stored WHERE file = ?";
inline constexpr std::string_view sumKept =
    "SELECT coalesce(sum(m.size), 0) FROM listener_stored k JOIN listener_message m ON m.number = k.message WHERE k.file IS NOT NULL";
inline constexpr std::string_view selectKeptFiles = "SELECT DISTINCT file FROM listener_stored WHERE file IS NOT NULL";
inline constexpr std::string_view loseKept = "UPDATE listener_stored SET file = NULL WHERE message = ?";
inline constexpr std::string_view updateOctets = "UPDATE listener_message SET size = ?, sha256 = ? WHERE number = ?";
inline constexpr std::string_view endPending = "UPDATE listener_message SET state = 'missing' WHERE number = ? AND state = 'pending'";
/// By the place of a message: it is in force, and no after-action of ours has taken it away.
inline constexpr std::string_view selectReachable =
    "SELECT 1 FROM listener_message m JOIN listener_folder f ON f.folder_id = m.folder_id WHERE m.number = ? AND f.forgotten = 0 AND f.validity = "
    "m.validity AND (m.after_action IS NULL OR m.after_action IN ('leave', 'seen') OR EXISTS (SELECT 1 FROM listener_due d WHERE d.message = "
    "m.number))";
inline constexpr std::string_view selectStoredFile = "SELECT file FROM listener_stored WHERE message = ?";
inline constexpr std::string_view deleteStored = "DELETE FROM listener_stored WHERE message = ?";
inline constexpr std::string_view isFileNeeded = "SELECT 1 FROM listener_stored WHERE file = ? LIMIT 1";
inline constexpr std::string_view insertEntry =
    "INSERT INTO listener_outbox (message, sink_id, dead, first, next, attempts, code, what) VALUES (?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (message, sink_id) DO UPDATE SET dead = excluded.dead, next = excluded.next, attempts = excluded.attempts, code = excluded.code, "
    "what = excluded.what";
inline constexpr std::string_view deleteEntry = "DELETE FROM listener_outbox WHERE message = ? AND sink_id = ?";
inline constexpr std::string_view deleteEntries = "DELETE FROM listener_outbox WHERE message = ?";
/// One whose bytes are to be fetched first waits for them all the same.
inline constexpr std::string_view updateEntry =
    "UPDATE listener_outbox SET dead = ?1, next = CASE next WHEN 9223372036854775807 THEN next ELSE ?2 END, attempts = attempts + 1, code = ?3, "
    "what = ?4 WHERE message = ?5 AND sink_id = ?6";
inline constexpr std::string_view selectEntry =
    "SELECT o.message FROM listener_message m CROSS JOIN listener_outbox o ON o.message = m.number AND o.sink_id = ?1 WHERE m.delivery_id = ?2";
inline const std::string selectEntries =
    "SELECT o.entry, o.message, o.attempts, o.first, o.next, m.delivery_id, b.alias, k.folder, k.protocol, k.position, m.ordinal, m.received, "
    "k.flags, "
    "m.message_id, m.match_key, m.size, m.sha256, k.file, k.start FROM listener_outbox o CROSS JOIN listener_message m ON m.number = o.message CROSS "
    "JOIN listener_stored k ON k.message = o.message CROSS JOIN listener_folder f ON f.folder_id = m.folder_id CROSS JOIN listener_mailbox b ON "
    "b.mailbox_id = f.mailbox_id WHERE o.sink_id = ?1 AND o.dead = 0 ";
inline const std::string selectDueEntries = selectEntries + "AND o.next <= ?2 ORDER BY o.next LIMIT ?3";
/// In the order they came; without those whose bytes are to be fetched.
inline const std::string selectEntriesAfter = selectEntries + "AND o.entry > ?2 AND o.next < ?4 ORDER BY o.entry LIMIT ?3";
inline constexpr std::string_view selectNextEntry = "SELECT next FROM listener_outbox WHERE sink_id = ? AND dead = 0 ORDER BY next LIMIT 1";
inline constexpr std::string_view postpone = "UPDATE listener_outbox SET next = ? WHERE message = ? AND sink_id = ? AND dead = 0 AND next <> ?";
inline constexpr std::string_view selectTotals =
    "SELECT s.name, s.disabled, (SELECT count(*) FROM listener_outbox WHERE sink_id = s.sink_id AND dead = 0), "
    "(SELECT count(*) FROM listener_outbox WHERE sink_id = s.sink_id AND dead = 1), (SELECT count(*) FROM listener_outbox WHERE sink_id = "
    "s.sink_id AND dead = 2), o.first, o.what FROM listener_sink s LEFT JOIN listener_outbox o ON o.entry = (SELECT entry FROM listener_outbox "
    "WHERE sink_id = s.sink_id AND dead = 0 ORDER BY entry LIMIT 1) ORDER BY s.name";
inline constexpr std::string_view countWaiting = "SELECT count(*) FROM listener_outbox WHERE sink_id = ? AND dead = 0";
/// Of the first so many: entries are made in the order of time.
inline constexpr std::string_view selectOldest =
    "SELECT m.delivery_id FROM (SELECT message, first FROM listener_outbox WHERE sink_id = ?1 AND dead = 0 ORDER BY entry LIMIT ?2) o CROSS JOIN "
    "listener_message m ON m.number = o.message WHERE o.first <= ?3";
inline constexpr std::string_view selectStanding =
    "SELECT m.state, m.folder_id, m.ordinal, m.size, b.alias, f.forgotten, k.file, k.after_action, k.after_target, k.aside_action, k.aside_target, "
    "(SELECT count(*) FROM listener_outbox o WHERE o.message = m.number AND o.dead = 0), "
    "(SELECT max(o.dead) FROM listener_outbox o WHERE o.message = m.number) FROM listener_message m CROSS JOIN listener_stored k ON k.message = "
    "m.number CROSS JOIN listener_folder f ON f.folder_id = m.folder_id CROSS JOIN listener_mailbox b ON b.mailbox_id = f.mailbox_id WHERE m.number "
    "= ?";
inline constexpr std::string_view updateState = "UPDATE listener_message SET state = ?, settled = ?, after_action = ? WHERE number = ?";
inline constexpr std::string_view countDelivered =
    "UPDATE listener_folder SET delivered = delivered + 1, other = other - 1, last_delivery = ? WHERE folder_id = ?";
inline constexpr std::string_view selectUnfetched =
    "SELECT k.message, m.ordinal, m.delivery_id, m.sha256, m.size FROM listener_stored k CROSS JOIN listener_message m ON m.number = k.message "
    "WHERE k.file IS NULL AND m.folder_id = ?1 AND m.validity = (SELECT validity FROM listener_folder WHERE folder_id = ?1)";
/// Of records that are not in force any more.
inline constexpr std::string_view selectUnfetchable =
    "SELECT k.message FROM listener_stored k CROSS JOIN listener_message m ON m.number = k.message CROSS JOIN listener_folder f ON f.folder_id = "
    "m.folder_id WHERE k.file IS NULL AND f.mailbox_id = ?1 AND f.forgotten <> 0";
/// A hundred at a time: each costs a question to the server with each turn.
inline constexpr std::string_view selectMissing =
    "SELECT m.ordinal, m.delivery_id FROM listener_message m WHERE m.folder_id = ?1 AND m.state = 'missing' AND m.settled >= ?2 AND m.validity = "
    "(SELECT validity FROM listener_folder WHERE folder_id = ?1) LIMIT 100";
inline constexpr std::string_view updateKept = "UPDATE listener_stored SET file = ?, start = ?, flags = ? WHERE message = ?";
inline constexpr std::string_view setNext = "UPDATE listener_outbox SET next = ?1 WHERE message = ?2 AND dead = 0";

// What operators do to the outbox.
inline constexpr std::string_view selectMeant =
    "SELECT m.number FROM listener_message m JOIN listener_folder f ON f.folder_id = m.folder_id JOIN listener_mailbox b ON b.mailbox_id = "
    "f.mailbox_id WHERE (?1 IS NULL OR b.alias = ?1) AND (?2 IS NULL OR f.name = ?2) AND (?3 IS NULL OR m.state = ?3) AND (?4 IS NULL OR "
    "m.received >= ?4) AND (?5 IS NULL OR m.received < ?5) ORDER BY m.number";
inline constexpr std::string_view selectOnItsWay =
    "SELECT 1 FROM listener_message m WHERE m.number = ? AND m.state IN ('pending', 'missing') AND NOT EXISTS (SELECT 1 FROM listener_stored k "
    "WHERE k.message = m.number)";
inline constexpr std::string_view insertStoredAnew =
    "INSERT INTO listener_stored (message, file, start, folder, protocol, position, flags, after_action, after_target, aside_action) SELECT "
    "m.number, NULL, 0, f.name, f.protocol, m.position, '', ?2, ?3, 'leave' FROM listener_message m JOIN listener_folder f ON f.folder_id = "
    "m.folder_id WHERE m.number = ?1";
inline constexpr std::string_view giveStoredAction =
    "UPDATE listener_stored SET after_action = ?2, after_target = ?3 WHERE message = ?1 AND after_action = 'leave'";
inline constexpr std::string_view selectMailboxOfQuarantined =
    "SELECT b.alias FROM listener_message m JOIN listener_folder f ON f.folder_id = m.folder_id JOIN listener_mailbox b ON b.mailbox_id = "
    "f.mailbox_id WHERE m.number = ? AND m.state = 'quarantined'";
inline constexpr std::string_view beginEntryAnew = "UPDATE listener_outbox SET first = ? WHERE message = ? AND sink_id = ?";
inline constexpr std::string_view selectDiscardable =
    "SELECT m.size FROM listener_stored k JOIN listener_message m ON m.number = k.message WHERE k.message = ?1 AND k.file IS NOT NULL AND m.state IN "
    "('dead', 'quarantined', 'delivered') AND NOT EXISTS (SELECT 1 FROM listener_outbox o WHERE o.message = ?1 AND o.dead = 0)";

// The index of items.
inline constexpr std::string_view selectIndex =
    "SELECT i.index_id, i.validity, i.next, i.present, i.sync, i.whole, i.begun FROM listener_mailbox b CROSS JOIN listener_index i "
    "ON i.mailbox_id = b.mailbox_id WHERE b.alias = ?1 AND i.protocol = ?2 AND i.folder_key = ?3 AND i.forgotten = 0";
/// The hash alone would do; the others are for the two ids in a universe that share one.
inline constexpr std::string_view selectItem =
    "SELECT ordinal, received, listing, gone FROM listener_item INDEXED BY listener_item_hash WHERE hash = ?1 AND index_id = ?2 AND id = ?3";
inline constexpr std::string_view insertItem =
    "INSERT INTO listener_item (index_id, ordinal, hash, id, received, listing) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
inline constexpr std::string_view updateItem = "UPDATE listener_item SET received = ?3, listing = ?4, gone = ?5 WHERE index_id = ?1 AND ordinal = ?2";
inline constexpr std::string_view deleteItem = "DELETE FROM listener_item WHERE index_id = ?1 AND ordinal = ?2";
inline constexpr std::string_view markUnseen =
    "UPDATE listener_item SET gone = ?3 WHERE index_id = ?1 AND ordinal > ?4 AND ordinal <= ?5 AND listing < ?2 AND gone IS NULL";
inline constexpr std::string_view selectItemsAbove =
    "SELECT ordinal, id, received FROM listener_item WHERE index_id = ?1 AND ordinal > ?2 AND gone IS NULL ORDER BY ordinal LIMIT ?3";
inline constexpr std::string_view selectItems = "SELECT ordinal, id, received, gone FROM listener_item WHERE index_id = ?1";
inline constexpr std::string_view selectItemAt = "SELECT id, received FROM listener_item WHERE index_id = ?1 AND ordinal = ?2";
/// By the place of a message: the folder's record and the index have the same validity.
inline constexpr std::string_view selectIdAt =
    "SELECT t.id FROM listener_folder f CROSS JOIN listener_index i ON i.mailbox_id = f.mailbox_id AND i.protocol = f.protocol AND i.validity = "
    "f.validity CROSS JOIN listener_item t ON t.index_id = i.index_id AND t.ordinal = ?2 WHERE f.folder_id = ?1";
inline constexpr std::string_view selectValidity =
    "SELECT f.validity, EXISTS (SELECT 1 FROM listener_index i WHERE i.mailbox_id = f.mailbox_id AND i.protocol = f.protocol AND i.validity = "
    "f.validity) FROM listener_folder f WHERE f.folder_id = ?1";
inline constexpr std::string_view selectRecordOfIndex =
    "SELECT f.folder_id, f.cursor, f.start_kind, f.start_since FROM listener_index i CROSS JOIN listener_folder f ON f.mailbox_id = i.mailbox_id AND "
    "f.protocol = i.protocol AND f.validity = i.validity AND f.forgotten = 0 WHERE i.index_id = ?1";
inline constexpr std::string_view selectRowAt = "SELECT 1 FROM listener_message WHERE folder_id = ?1 AND validity = ?2 AND ordinal = ?3 LIMIT 1";
inline constexpr std::string_view selectGoneItems =
    "SELECT t.index_id, t.ordinal FROM listener_folder f CROSS JOIN listener_index i ON i.mailbox_id = f.mailbox_id AND i.protocol = f.protocol AND "
    "i.validity = f.validity CROSS JOIN listener_item t ON t.index_id = i.index_id AND t.gone IS NOT NULL AND t.gone < ?2 WHERE f.folder_id = ?1 AND "
    "NOT EXISTS (SELECT 1 FROM listener_message m WHERE m.folder_id = f.folder_id AND m.validity = f.validity AND m.ordinal = t.ordinal) LIMIT ?3";
/// The indexes of this mailbox by which no folder has been read for so long.
inline constexpr std::string_view forgetLeftIndexes =
    "UPDATE listener_index SET forgotten = 1 WHERE mailbox_id = (SELECT mailbox_id FROM listener_folder WHERE folder_id = ?1) AND forgotten = 0 AND "
    "begun < ?2 AND NOT EXISTS (SELECT 1 FROM listener_folder f WHERE f.mailbox_id = listener_index.mailbox_id AND f.protocol = "
    "listener_index.protocol AND f.validity = listener_index.validity AND (f.forgotten = 0 OR f.last_delivery >= ?2))";
inline constexpr std::string_view selectForgottenItems =
    "SELECT t.index_id, t.ordinal FROM listener_folder f CROSS JOIN listener_index i ON i.mailbox_id = f.mailbox_id AND i.forgotten = 1 CROSS JOIN "
    "listener_item t ON t.index_id = i.index_id WHERE f.folder_id = ?1 LIMIT ?2";

}  // namespace listener::sql
