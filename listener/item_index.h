#pragma once

#include "plugin/contract/clock.h"
#include "plugin/contract/result.h"
#include "plugin/contract/task.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace listener {

/// A message of a folder whose protocol names messages by opaque ids (EWS ItemId, Graph immutable id).
struct IndexedItem {
    std::uint64_t ordinal = 0;
    std::string id;  ///< compared as bytes
    std::optional<plugin::Wall> received{};
};

/// What is known of such a folder.
struct IndexedFolder {
    std::int64_t number = 0;
    std::uint64_t validity = 0;  ///< another index of the same folder never has it: FolderView::validity
    std::uint64_t next = 1;      ///< ordinal of the next unknown id: FolderView::next
    std::uint64_t exists = 0;    ///< items that are there
    std::string sync{};          ///< EWS SyncState or Graph link, as given; "" = nothing was listed yet, or all has to be listed anew
    plugin::Wall begun{};        ///< when the index was
    bool whole = false;          ///< a listing from the start has come to its end: what is not in the index is not in the folder
};

/// One answer of the server to "what has changed".
struct IndexChanges {
    struct Item {
        std::string id;
        std::optional<plugin::Wall> received{};
    };
    bool first = false;               ///< it begins a listing of all there is: what this listing does not show is gone at its end
    bool last = false;                ///< the server has told all it knows
    std::vector<Item> present{};      ///< new, changed, or told again; in the order in which unknown ones are to be numbered
    std::vector<std::string> gone{};  ///< unknown ones are passed over
    std::string sync{};               ///< what to ask with next
};

/// Gives messages of one mailbox that are named by opaque ids a number that rises in the order they were met, and keeps it: with it a folder is
/// read as one of IMAP is (Mailbox::list, fetch). An id that goes and comes back has its old number, unless the folder has been read past that and
/// nothing is known of the message: then it is as good as new, and has a new one. Thread-safe. Errors: 7xxx; reconnect storeChanged: an operator has
/// restarted the mailbox, and the index is another one now.
class ItemIndex {
public:
    template <class T>
    using Answer = plugin::Task<plugin::Result<T>>;
    virtual ~ItemIndex() = default;

    /// The index of a folder, begun if there is none. `key`: what names the folder for ever (the server's folder id).
    virtual Answer<IndexedFolder> open(std::string key) = 0;
    /// One transaction: unknown ids get the next numbers, what is gone is marked so, `sync` is kept.
    virtual Answer<IndexedFolder> apply(std::int64_t folder, IndexChanges changes) = 0;
    /// Items that are there with an ordinal above this, in rising order; the first `limit`, 0 = all.
    virtual Answer<std::vector<IndexedItem>> above(std::int64_t folder, std::uint64_t ordinal, std::size_t limit) = 0;
    /// Of these (rising) those that are known, there or not, in rising order.
    virtual Answer<std::vector<IndexedItem>> find(std::int64_t folder, std::vector<std::uint64_t> ordinals) = 0;
};

}  // namespace listener
