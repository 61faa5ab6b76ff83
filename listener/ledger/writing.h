#pragma once

#include "listener/ledger/ledger.h"

/// What Ledger's members do inside their transaction. Blocking; they throw plugin::StoreError.
namespace listener::writing {

FolderRecord beginFolder(plugin::Transaction& transaction, const FolderRecord& record);
/// A record of its own, whatever is in force.
FolderRecord insertFolder(plugin::Transaction& transaction, const FolderRecord& record);
std::int64_t intend(plugin::Transaction& transaction, std::int64_t folder, const std::vector<std::uint64_t>& ordinals,
                    const std::vector<Identity>& identities, plugin::Wall now);
std::vector<std::string> settle(plugin::Transaction& transaction, std::int64_t folder, std::optional<std::int64_t> batch,
                                const std::vector<Settled>& settled, std::uint64_t cursor, plugin::Wall now);
/// The numbers a mailbox and a sink have in the tables.
std::int64_t mailboxId(plugin::Transaction& transaction, const std::string& alias);
std::int64_t sinkId(plugin::Transaction& transaction, const std::string& name);
/// Ends what was stored of a message; answers the file if nobody needs it any more.
std::optional<std::string> endStored(plugin::Transaction& transaction, std::int64_t message);
/// Once records of a mailbox are in force no more: what waits for bytes that had to be fetched by their places waits for ever.
void endUnfetchable(plugin::Transaction& transaction, std::int64_t mailbox);
void countOperatorChange(plugin::Transaction& transaction);
void advance(plugin::Transaction& transaction, std::int64_t folder, std::optional<std::int64_t> batch, std::uint64_t cursor,
             std::uint64_t beforeStart);
/// The members of a batch about to end that got no verdict: some sink may have them, so they keep their id, as `pending` rows.
void keepUnsettled(plugin::Transaction& transaction, std::int64_t folder, std::int64_t batch, const std::vector<Settled>& settled, plugin::Wall now);
void endOpenBatch(plugin::Transaction& transaction, std::int64_t folder, std::int64_t batch, const std::vector<std::uint64_t>& stillThere,
                  plugin::Wall now);
std::optional<Rebuilt> rebuild(plugin::Transaction& transaction, const Rebuild& rebuild, plugin::Wall now);
void repoint(plugin::Transaction& transaction, std::int64_t folder, const std::vector<std::pair<std::int64_t, std::uint64_t>>& rows);
void copied(plugin::Transaction& transaction, std::int64_t folder, const std::vector<std::uint64_t>& ordinals);
void cleared(plugin::Transaction& transaction, const std::vector<std::int64_t>& messages);

struct Retained {
    std::uint64_t gone = 0;
    std::int64_t last = 0;  ///< the ordinal to go on after
    bool more = false;      ///< false: that was all
};
/// A step of Ledger::retain(), from the ordinal after `after`; at last, of what former records of the mailbox have left.
Retained retain(plugin::Transaction& transaction, std::int64_t folder, const std::vector<std::uint64_t>& standing, plugin::Wall moment,
                std::int64_t after);

/// A step of the same for the index of the folder's items, and for those of this mailbox that were begun anew or that no folder has been read by for
/// so long: how many went. 0: that was all.
std::uint64_t forgetItems(plugin::Transaction& transaction, std::int64_t folder, plugin::Wall moment);

void block(plugin::Transaction& transaction, const std::vector<std::string>& mailboxes, const std::string& why);
void blockAfterLoss(plugin::Transaction& transaction, plugin::Wall lost, const std::vector<std::string>& mailboxes, const std::string& why);
void restart(plugin::Transaction& transaction, const std::string& mailbox, const Start& start);
void take(plugin::Transaction& transaction, const std::string& mailbox, const std::optional<Detour>& detour);
void verified(plugin::Transaction& transaction, const std::vector<std::pair<std::string, plugin::Wall>>& mailboxes);

}  // namespace listener::writing
