#pragma once

#include "listener/ledger/ledger.h"

/// What Ledger's members read inside their view. Blocking; they throw plugin::StoreError.
namespace listener::reading {

std::optional<FolderRecord> folder(plugin::Transaction& transaction, const std::string& mailbox, const std::string& protocol,
                                   const std::string& name);
std::vector<std::uint64_t> finalAbove(plugin::Transaction& transaction, std::int64_t folder, std::uint64_t above);
/// The members of a batch, of two columns of a row.
OpenBatch membersFrom(const plugin::Statement& row, int ordinals, int identities);
std::vector<OpenBatch> openBatches(plugin::Transaction& transaction, std::int64_t folder);
std::vector<Due> dueActions(plugin::Transaction& transaction, std::int64_t folder, std::size_t limit);
/// The places in a folder, by their ordinals: the ids an ItemIndex has for them, else numbers.
class Places {
public:
    Places(plugin::Transaction& transaction, std::int64_t folder);
    Position at(std::uint64_t ordinal) const;
    std::uint64_t validity() const { return validity_; }

private:
    plugin::Transaction& transaction_;
    std::int64_t folder_;
    std::uint64_t validity_ = 0;
    bool indexed_ = false;
};
std::vector<FolderRecord> records(plugin::Transaction& transaction, const std::string& mailbox);
std::vector<Candidate> candidates(plugin::Transaction& transaction, const std::vector<std::int64_t>& folders, const CandidateKeys& keys);
std::vector<RowName> names(plugin::Transaction& transaction, const std::vector<std::int64_t>& rows);
std::vector<Recognised> recognise(plugin::Transaction& transaction, std::int64_t folder, const std::vector<Newcomer>& newcomers);
std::optional<std::string> blocked(plugin::Transaction& transaction, const std::string& mailbox);
std::optional<Start> restartedWith(plugin::Transaction& transaction, const std::string& mailbox);
std::optional<Detour> detour(plugin::Transaction& transaction, const std::string& mailbox);
std::int64_t operatorChanges(plugin::Transaction& transaction);
std::vector<MailboxSummary> summaries(plugin::Transaction& transaction);
std::vector<LedgerRow> rows(plugin::Transaction& transaction, const LedgerQuery& query);

}  // namespace listener::reading
