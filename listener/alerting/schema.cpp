#include "listener/alerting/schema.h"

#include "listener/ledger/ledger.h"

#include <algorithm>

namespace listener {

// Times are milliseconds since 1970. A condition that is over stays for a minute, by which it is seen to flap; a raised notice that was told stays
// until its cleared one was told, so that both are told once.
constinit const std::string_view alertTables = R"sql(
CREATE TABLE listener_alert (
    kind    TEXT NOT NULL,
    subject TEXT NOT NULL,
    code    INTEGER NOT NULL,
    what    TEXT NOT NULL,
    since   INTEGER NOT NULL,
    raised  INTEGER NOT NULL,
    cleared INTEGER,            -- NULL: it is true
    PRIMARY KEY (kind, subject)
) STRICT, WITHOUT ROWID;
CREATE TABLE listener_alert_notice (
    notice_id INTEGER PRIMARY KEY,  -- in the order of telling
    channel   TEXT NOT NULL,
    kind      TEXT NOT NULL,
    subject   TEXT NOT NULL,
    state     TEXT NOT NULL,        -- raised, cleared
    code      INTEGER NOT NULL,
    what      TEXT NOT NULL,
    since     INTEGER NOT NULL,
    at        INTEGER NOT NULL,
    told      INTEGER               -- NULL: not yet
) STRICT;
)sql";

std::vector<plugin::Migration> listenerMigrations() {
    auto all = ledgerMigrations();
    all.push_back({4, alertTables});
    std::sort(all.begin(), all.end(), [](const auto& one, const auto& other) { return one.number < other.number; });
    return all;
}

}  // namespace listener
