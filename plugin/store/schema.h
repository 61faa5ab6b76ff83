#pragma once

#include "plugin/contract/database.h"
#include "plugin/store/sqlite_connection.h"

#include <string_view>
#include <vector>

namespace plugin::sqlite {

/// Marks an empty file as ours (application_id, user_version, table host_migration), refuses one that is not or is newer.
/// True: it was empty. With `look` only compares. Throws StoreError.
bool identify(Connection& connection, bool look);

/// What Database::migrate says. With `look` only compares. Throws StoreError.
void migrate(Connection& connection, std::string_view owner, const std::vector<Migration>& migrations, bool look);

/// Whether `owner` has any tables here. Writes nothing. Throws StoreError.
bool hasTablesOf(Connection& connection, std::string_view owner);

}  // namespace plugin::sqlite
