#pragma once

#include "listener/item_index.h"
#include "plugin/contract/database.h"

#include <string>
#include <vector>

namespace listener {

/// All that an index knows of a folder; a validity of 0: nothing.
struct KnownItems {
    struct Item {
        IndexedItem item;
        bool there = true;
        bool known = true;  ///< to the ledger; false: one that is gone, and that nobody had read
    };
    IndexedFolder folder{};
    plugin::Wall start = plugin::Wall::min();  ///< of the folder's record
    std::vector<Item> items{};
};
/// Blocking; throws plugin::StoreError.
KnownItems readItems(plugin::Transaction& transaction, const std::string& mailbox, const std::string& protocol, const std::string& key);

}  // namespace listener
