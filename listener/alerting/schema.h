#pragma once

#include "plugin/contract/database.h"

#include <string_view>
#include <vector>

namespace listener {

/// What is kept of conditions and of what was told about them.
extern const std::string_view alertTables;

/// The ledger's migrations and those of alerts, in the order of their numbers: the schema of the owner `ledgerOwner`. The two share one row of
/// numbers, since the store applies only numbers above the highest it has applied: the ledger's next one comes after these.
std::vector<plugin::Migration> listenerMigrations();

}  // namespace listener
