#include "auth/schema.h"

namespace auth {

// Times are milliseconds since 1970. A forgotten grant keeps its row, without tokens, so that its versions go on.
// auth_callback: sign-ins that wait for a browser at the admin port, and what it has brought, sealed.
std::vector<plugin::Migration> migrations() {
    return {{1, R"(
CREATE TABLE auth_grant (
    credential TEXT PRIMARY KEY, version INTEGER NOT NULL, fingerprint TEXT NOT NULL, obtained_by TEXT NOT NULL,
    refresh_token BLOB, access_token BLOB, token_type TEXT NOT NULL, asked_scopes TEXT NOT NULL, granted_scopes TEXT NOT NULL,
    obtained_at INTEGER NOT NULL, expires_at INTEGER, account TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE auth_result (
    id INTEGER PRIMARY KEY, credential TEXT NOT NULL, at INTEGER NOT NULL, obtained_by TEXT NOT NULL, code INTEGER NOT NULL, cause TEXT NOT NULL,
    asked_scopes TEXT NOT NULL, granted_scopes TEXT NOT NULL, expires_at INTEGER, refresh_token INTEGER NOT NULL, second_secret INTEGER NOT NULL
) STRICT;
CREATE INDEX auth_result_credential ON auth_result (credential, id);
)"},
            {2, R"(
CREATE TABLE auth_callback (
    state_hash TEXT PRIMARY KEY, expires_at INTEGER NOT NULL, answer BLOB
) STRICT, WITHOUT ROWID;
)"}};
}

}  // namespace auth
