#include "listener/ledger/ledger.h"

namespace listener {
namespace {

// Times are milliseconds since 1970. Rows of messages are written in the order they settle, and their ids begin with the time: every
// index grows at its end, which is what keeps a ledger of millions of rows fast.
//
// A folder begun again (after a restart by the operator, or rebuilt at the server) gets a new row; the old one is `forgotten` (1: by the
// operator; 2: superseded by a rebuild): its messages remain, its positions mean nothing any more. So the validity of a folder's row never
// changes.
constexpr std::string_view first = R"sql(
CREATE TABLE listener_mailbox (
    mailbox_id    INTEGER PRIMARY KEY,
    alias         TEXT NOT NULL UNIQUE,
    blocked       TEXT,     -- why nothing is read until an operator acts
    restart_kind  TEXT,     -- start given by an operator: goes before the configuration
    restart_since INTEGER,
    last_verified INTEGER
) STRICT;
CREATE TABLE listener_folder (
    folder_id    INTEGER PRIMARY KEY,
    mailbox_id   INTEGER NOT NULL,
    protocol     TEXT NOT NULL,
    name         TEXT NOT NULL,
    forgotten    INTEGER NOT NULL DEFAULT 0,
    validity     INTEGER NOT NULL,
    cursor       INTEGER NOT NULL,
    start_kind   TEXT NOT NULL,
    start_since  INTEGER NOT NULL,
    filter_below INTEGER NOT NULL,
    before_start INTEGER NOT NULL,
    delivered    INTEGER NOT NULL DEFAULT 0,  -- messages that name this row
    other        INTEGER NOT NULL DEFAULT 0,
    last_delivery INTEGER
) STRICT;
CREATE UNIQUE INDEX listener_folder_name ON listener_folder (mailbox_id, protocol, name) WHERE forgotten = 0;
CREATE TABLE listener_message (
    number       INTEGER PRIMARY KEY,
    delivery_id  BLOB NOT NULL UNIQUE,
    folder_id    INTEGER NOT NULL,
    validity     INTEGER NOT NULL,
    ordinal      INTEGER NOT NULL,
    position     TEXT NOT NULL,
    state        TEXT NOT NULL,
    received     INTEGER NOT NULL,
    settled      INTEGER NOT NULL,
    size         INTEGER NOT NULL,
    sha256       BLOB NOT NULL,
    match_key    BLOB NOT NULL,  -- no index: read whole for a folder when one has to be matched
    message_id   TEXT,
    after_action TEXT            -- done, unless listener_due has it
) STRICT;
CREATE INDEX listener_message_position ON listener_message (folder_id, validity, ordinal);
CREATE TABLE listener_sink (
    sink_id INTEGER PRIMARY KEY,
    name    TEXT NOT NULL UNIQUE
) STRICT;
CREATE TABLE listener_verdict (
    message INTEGER NOT NULL,
    sink_id INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    PRIMARY KEY (message, sink_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE listener_batch (
    batch_id  INTEGER PRIMARY KEY,
    folder_id INTEGER NOT NULL,
    begun     INTEGER NOT NULL,
    ordinals  BLOB NOT NULL
) STRICT;
CREATE INDEX listener_batch_folder ON listener_batch (folder_id);
-- A table of its own rather than a state in the message's row: ending an action then touches a page of small rows that come and go.
CREATE TABLE listener_due (
    message   INTEGER PRIMARY KEY,
    folder_id INTEGER NOT NULL,
    ordinal   INTEGER NOT NULL,
    action    TEXT NOT NULL,
    target    TEXT,
    copied    INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX listener_due_folder ON listener_due (folder_id, ordinal);
CREATE TABLE listener_state (
    name  TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
)sql";

// Rebuilt folders. `wanted`: see FolderRecord. `identities`: of each position of the batch, 100 octets: delivery id, size,
// SHA-256, match key, cross key (before schema 5 without the last, 92).
constexpr std::string_view second = R"sql(
ALTER TABLE listener_folder ADD COLUMN wanted_below INTEGER NOT NULL DEFAULT 0;
ALTER TABLE listener_folder ADD COLUMN wanted BLOB;
ALTER TABLE listener_batch ADD COLUMN identities BLOB;
CREATE INDEX listener_folder_mailbox ON listener_folder (mailbox_id);
)sql";

// The outbox. `file`: where the bytes lie below server.data; NULL: they have to be fetched from the mailbox again. `folder`, `protocol`, `position`
// and `flags` are those of the first attempt: what sinks are told never changes, though the row may move. `after_*`: once every sink has it. `dead`:
// 0 it is tried again, 1 given up, 2 set aside.
constexpr std::string_view third = R"sql(
CREATE TABLE listener_stored (
    message      INTEGER PRIMARY KEY,
    file         TEXT,
    start        INTEGER NOT NULL,
    folder       TEXT NOT NULL,
    protocol     TEXT NOT NULL,
    position     TEXT NOT NULL,
    flags        TEXT NOT NULL,  -- by line feeds
    after_action TEXT NOT NULL,
    after_target TEXT,
    aside_action TEXT NOT NULL,
    aside_target TEXT
) STRICT;
CREATE INDEX listener_stored_file ON listener_stored (file);
CREATE TABLE listener_outbox (
    entry    INTEGER PRIMARY KEY,
    message  INTEGER NOT NULL,
    sink_id  INTEGER NOT NULL,
    dead     INTEGER NOT NULL DEFAULT 0,
    first    INTEGER NOT NULL,   -- since when
    next     INTEGER NOT NULL,   -- not tried before
    attempts INTEGER NOT NULL,
    code     INTEGER,            -- the last refusal
    what     TEXT
) STRICT;
CREATE UNIQUE INDEX listener_outbox_message ON listener_outbox (message, sink_id);
CREATE INDEX listener_outbox_next ON listener_outbox (sink_id, dead, next);
CREATE INDEX listener_outbox_order ON listener_outbox (sink_id, dead, entry);
CREATE INDEX listener_message_missing ON listener_message (folder_id, settled) WHERE state = 'missing';
ALTER TABLE listener_sink ADD COLUMN disabled TEXT;  -- why nothing is tried until an operator acts
)sql";

// Mailboxes whose messages have opaque ids (ItemIndex). Number 4 is that of listener/alerting. `hash`: 64 bits of index and id, so that the index
// with random keys stays small; the id stands beside it once. `listing`: counts listings from the start; of an item, the last one that showed it.
constexpr std::string_view fifth = R"sql(
CREATE TABLE listener_index (
    index_id   INTEGER PRIMARY KEY,
    mailbox_id INTEGER NOT NULL,
    protocol   TEXT NOT NULL,
    folder_key BLOB NOT NULL,
    forgotten  INTEGER NOT NULL DEFAULT 0,  -- an operator restarted the mailbox
    validity   INTEGER NOT NULL,
    begun      INTEGER NOT NULL,
    next       INTEGER NOT NULL DEFAULT 1,
    present    INTEGER NOT NULL DEFAULT 0,
    sync       TEXT NOT NULL DEFAULT '',
    whole      INTEGER NOT NULL DEFAULT 0,
    listing    INTEGER NOT NULL DEFAULT 0,
    under_way  INTEGER NOT NULL DEFAULT 0   -- that listing has not come to its end
) STRICT;
CREATE UNIQUE INDEX listener_index_folder ON listener_index (mailbox_id, protocol, folder_key) WHERE forgotten = 0;
CREATE UNIQUE INDEX listener_index_validity ON listener_index (mailbox_id, protocol, validity);
CREATE TABLE listener_item (
    index_id INTEGER NOT NULL,
    ordinal  INTEGER NOT NULL,
    hash     INTEGER NOT NULL,
    id       BLOB NOT NULL,
    received INTEGER,
    listing  INTEGER NOT NULL,
    gone     INTEGER,                       -- since when
    PRIMARY KEY (index_id, ordinal)
) STRICT, WITHOUT ROWID;
ALTER TABLE listener_mailbox ADD COLUMN read_by TEXT;     -- the protocol, where it is another one than is configured
ALTER TABLE listener_mailbox ADD COLUMN instead_of TEXT;  -- what was configured then: with another one written, this counts no more
ALTER TABLE listener_mailbox ADD COLUMN read_by_why TEXT;
ALTER TABLE listener_message ADD COLUMN cross_key INTEGER NOT NULL DEFAULT 0;  -- 0: not known, or none
ALTER TABLE listener_message ADD COLUMN rendered INTEGER NOT NULL DEFAULT 0;   -- the octets are the server's rendering: another fetch gives others
CREATE INDEX listener_item_hash ON listener_item (hash);
CREATE INDEX listener_item_gone ON listener_item (index_id, gone) WHERE gone IS NOT NULL;
)sql";

// Moves between protocols. `former_*`: where the row stood when another protocol read it last; that protocol finds it there again. `known_as`: its id
// by the protocol that reads the mailbox now, of a message that was not where it was looked for; '': one of several alike, and nobody can tell which.
constexpr std::string_view sixth = R"sql(
ALTER TABLE listener_message ADD COLUMN former_folder INTEGER;
ALTER TABLE listener_message ADD COLUMN former_ordinal INTEGER;
ALTER TABLE listener_message ADD COLUMN known_as TEXT;
)sql";

}  // namespace

std::vector<plugin::Migration> ledgerMigrations() { return {{1, first}, {2, second}, {3, third}, {5, fifth}, {6, sixth}}; }

}  // namespace listener
