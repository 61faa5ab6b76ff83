#pragma once

#include "listener/engine/settings.h"
#include "listener/ledger/ledger.h"
#include "listener/mailbox.h"
#include "plugin/contract/task.h"

#include <cstdint>
#include <string>
#include <vector>

namespace listener {

/// A folder as the other protocol shows it, beside what is known of it.
struct Compared {
    std::string folder;
    std::uint64_t both = 0;         ///< known, and there
    std::uint64_t byId = 0;         ///< of these: known by an id, not by their heads
    std::uint64_t fresh = 0;        ///< there, and to be delivered
    std::uint64_t doubtful = 0;     ///< of these: like a known one that should be there and is not found: perhaps delivered already
    std::uint64_t beforeStart = 0;  ///< there, and not to be delivered
    std::uint64_t gone = 0;         ///< known, and not there
};

/// Of all folders the settings name, as this session shows them. Changes nothing in mailbox and ledger. Memory: about 80 octets a message of a
/// folder.
plugin::Task<plugin::Result<std::vector<Compared>>> compareFolders(Ledger& ledger, Mailbox& mailbox, MailboxSettings settings);

}  // namespace listener
