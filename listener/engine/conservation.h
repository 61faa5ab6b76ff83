#pragma once

#include "listener/ledger/ledger.h"
#include "listener/mailbox.h"

#include <cstdint>
#include <optional>
#include <stop_token>
#include <vector>

namespace listener {

/// What a folder holds up to its cursor, compared with what the ledger knows of it.
struct Conservation {
    std::vector<std::uint64_t> standing{};     ///< all ordinals on the server up to the cursor, rising; without those filtered out by their date
    std::vector<std::uint64_t> unaccounted{};  ///< of these: neither known nor there before the start
    FolderRecord record{};
};

/// Every message on the server up to the cursor has a row, or the outbox has it, or it was there before the start: what is not so is answered. Of a
/// folder that was matched after a rebuild, messages below the point of the match count as before-start. Enters the folder. Nothing: the folder has
/// no record yet, or is about to be matched anew.
plugin::Task<plugin::Result<std::optional<Conservation>>> examine(Ledger& ledger, Mailbox& mailbox, std::string alias, std::string folder,
                                                                  std::stop_token stop);

/// Records these positions as missing: they are sought, fetched and delivered by the mailbox's next turns. `cursor`: where it may stand then.
plugin::Task<plugin::Result<void>> recordAsMissing(Ledger& ledger, FolderRecord record, std::vector<std::uint64_t> ordinals, std::uint64_t cursor,
                                                   plugin::Wall now);

}  // namespace listener
