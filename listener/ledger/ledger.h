#pragma once

#include "listener/mailbox.h"
#include "listener/message/message.h"
#include "plugin/contract/database.h"
#include "plugin/contract/result.h"
#include "plugin/contract/task.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace listener {

/// From where a folder is read the first time.
struct Start {
    enum class Kind { now, all, since };
    Kind kind = Kind::now;
    plugin::Wall since{};  ///< for since: inclusive; for now, where an operator said so with restart(): when
};

/// What the ledger knows of a folder.
struct FolderRecord {
    std::int64_t id = 0;
    std::string mailbox, protocol, name;
    std::uint64_t validity = 0;
    std::uint64_t cursor = 0;  ///< every message up to this ordinal is final
    Start start{};
    std::uint64_t filterBelow = 0;  ///< ordinals below this were there at the start: `start` decides on them
    std::uint64_t beforeStart = 0;  ///< how many were not delivered for that reason
};

enum class MessageState { pending, delivered, filtered, quarantined, dead, missing };

/// How one message of a batch ended at one sink.
struct SinkVerdict {
    std::string sink;
    bool known = false;  ///< the sink had it already
};

/// A message all of whose sinks have answered positively.
struct Settled {
    Message message;  ///< content may be gone; its size and hash count
    MessageState state = MessageState::delivered;
    std::vector<SinkVerdict> verdicts{};
    AfterAction after{};
};

/// A batch that was begun and whose end is not recorded: to be delivered again first.
struct OpenBatch {
    std::int64_t id = 0;
    std::vector<std::uint64_t> ordinals{};
};

/// An after-action that is due.
struct Due {
    std::int64_t message = 0;
    std::uint64_t ordinal = 0;
    AfterAction action{};
    bool copied = false;  ///< a copy stands in the target already
};

/// One folder of a mailbox, counted over all the times it was begun; a mailbox without folders has one with an empty `folder`.
struct MailboxSummary {
    std::string mailbox, folder, protocol;
    std::uint64_t cursor = 0, validity = 0, beforeStart = 0, delivered = 0, other = 0, openBatches = 0, dueActions = 0;
    std::optional<plugin::Wall> lastDelivery{};
    std::optional<plugin::Wall> lastVerified{};
    std::string blocked{};  ///< why nothing is read until an operator acts; "" = not
};

struct LedgerRow {
    std::int64_t number = 0;
    std::string id, mailbox, folder, protocol, position;
    MessageState state{};
    plugin::Wall received, settled;
    std::uint64_t size = 0;
    Digest sha256{};
    std::optional<std::string> messageId{};
    std::string sinks;  ///< by comma
    std::string after;  ///< "", "due" or "done"; "" also when a restart() came before it was done
};

struct LedgerQuery {
    std::optional<std::string> mailbox{}, find{};  ///< find: part of an id, a Message-ID or a position
    std::optional<MessageState> state{};
    std::size_t limit = 100;
    std::int64_t before = 0;  ///< rows with a smaller number only; 0 = from the newest
};

/// What is known of every message, durable before it is relied on. Thread-safe. Errors: 7xxx.
class Ledger {
public:
    template <class T>
    using Answer = plugin::Task<plugin::Result<T>>;
    virtual ~Ledger() = default;

    virtual Answer<std::optional<FolderRecord>> folder(std::string mailbox, std::string protocol, std::string name) = 0;
    /// A folder seen for the first time, or again after a restart by the operator. One that is known with this validity stays and is
    /// answered as it is; with another validity its positions, batches and after-actions are forgotten and it begins as given.
    virtual Answer<FolderRecord> beginFolder(FolderRecord record) = 0;
    /// INTENT: these positions are about to be given to sinks.
    virtual Answer<std::int64_t> intend(std::int64_t folder, std::vector<std::uint64_t> ordinals) = 0;
    /// VERDICT: rows of all that settled, the cursor, and the end of the batch: one transaction. Messages left out stay pending: their
    /// positions are above the cursor the caller gives. Answers nothing to do twice: an id settled before keeps its first row.
    virtual Answer<void> settle(std::int64_t folder, std::int64_t batch, std::vector<Settled> settled, std::uint64_t cursor) = 0;
    /// Ends a batch of which nothing is left on the server, or none was settled; moves the cursor and adds to the count of
    /// before-start messages. A cursor never goes back, here or in settle().
    virtual Answer<void> advance(std::int64_t folder, std::optional<std::int64_t> batch, std::uint64_t cursor, std::uint64_t beforeStart) = 0;
    /// Ordinals above `above` that have a final row (rising): what a listing leaves out.
    virtual Answer<std::vector<std::uint64_t>> finalAbove(std::int64_t folder, std::uint64_t above) = 0;
    virtual Answer<std::vector<OpenBatch>> openBatches(std::int64_t folder) = 0;
    virtual Answer<std::vector<Due>> dueActions(std::int64_t folder, std::size_t limit) = 0;
    virtual Answer<void> copied(std::int64_t folder, std::vector<std::uint64_t> ordinals) = 0;
    virtual Answer<void> cleared(std::vector<std::int64_t> messages) = 0;

    /// Mailboxes that wait for the operator. Kept over restarts.
    virtual Answer<std::optional<std::string>> blocked(std::string mailbox) = 0;
    virtual Answer<void> block(std::vector<std::string> mailboxes, std::string why) = 0;
    /// Host::stateLost() told of a loss at this moment: blocks these mailboxes and remembers the moment, in one transaction. A moment dealt
    /// with before changes nothing (the host tells it at every start).
    virtual Answer<void> blockAfterLoss(plugin::Wall lost, std::vector<std::string> mailboxes, std::string why) = 0;
    /// Operator: forget folders and positions of the mailbox (rows stay for people), unblock it, and start again from `start`.
    /// Empty: every mailbox the ledger knows.
    virtual Answer<void> restart(std::string mailbox, Start start) = 0;
    /// The start an operator gave with restart(), if any: it goes before the configuration's.
    virtual Answer<std::optional<Start>> restartedWith(std::string mailbox) = 0;
    /// Grows with every restart() and every block(): a running engine asks once a second whether it changed.
    virtual Answer<std::int64_t> operatorChanges() = 0;
    virtual Answer<void> verified(std::vector<std::pair<std::string, plugin::Wall>> mailboxes) = 0;  ///< for `mailboxes`, written rarely

    virtual Answer<std::vector<MailboxSummary>> summaries() = 0;
    virtual Answer<std::vector<LedgerRow>> rows(LedgerQuery query) = 0;
};

std::vector<plugin::Migration> ledgerMigrations();
inline constexpr const char* ledgerOwner = "listener";
std::unique_ptr<Ledger> makeLedger(plugin::Database& database, plugin::Clock& clock);

}  // namespace listener
