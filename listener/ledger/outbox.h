#pragma once

#include "listener/ledger/ledger.h"

#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace listener {

/// A delivery the outbox owes.
struct OutboxEntry {
    std::int64_t number = 0;
    std::int64_t row = 0;  ///< of the message in the ledger
    Message message;       ///< as at the first attempt; its content is elsewhere: `kept`
    Kept kept;
    std::uint32_t attempts = 0;
    plugin::Wall first{};  ///< since when
    plugin::Wall next{};   ///< not tried before
};

/// How one attempt ended.
struct OutboxOutcome {
    enum class Kind { delivered, known, refused, dead, aside };
    std::string id;  ///< delivery id
    std::string sink;
    Kind kind = Kind::refused;
    plugin::Wall next{};  ///< of a refused one
    plugin::Code code{};  ///< of what is not delivered
    std::string what{};
};

/// What a transaction brought to its end.
struct OutboxEnd {
    struct Final {
        std::string mailbox;
        MessageState state{};
        std::uint64_t size = 0;
        bool actionDue = false;  ///< something is to be done in the mailbox now
    };
    std::vector<Final> finals{};       ///< messages no sink of which is waited for any more
    std::vector<std::string> freed{};  ///< kept files nobody needs any more
    std::uint64_t freedBytes = 0;      ///< of messages that are not kept any more
    std::uint64_t ended = 0;           ///< deliveries that wait no more
};

struct OutboxTotal {
    std::string sink;
    std::uint64_t waiting = 0;             ///< deliveries
    std::uint64_t dead = 0;                ///< given up
    std::uint64_t aside = 0;               ///< set aside by this sink
    std::optional<plugin::Wall> oldest{};  ///< of those that wait
    std::string disabled{};                ///< why nothing is tried until an operator acts; "": it is
    std::string lastRefusal{};             ///< of the oldest
};

/// A message whose bytes have to come from the mailbox again.
struct Unfetched {
    std::int64_t row = 0;
    std::uint64_t ordinal = 0;
    std::string id;
    Digest sha256{};
    std::uint64_t size = 0;
};

/// A message that could not be read, and was given up for the time being.
struct Missing {
    std::uint64_t ordinal = 0;
    std::string id;
};

/// What is to be fetched from a folder though the cursor is past it.
struct Rework {
    std::vector<Unfetched> unfetched{};
    std::vector<Missing> missing{};
};

struct ReplayQuery {
    std::vector<std::string> ids{};  ///< these; none: all that fit the rest
    std::optional<std::string> mailbox{}, folder{};
    std::optional<MessageState> state{};
    std::optional<plugin::Wall> since{}, until{};  ///< received
    /// What follows in these mailboxes when a message arrives that was set aside before anybody had read it.
    std::map<std::string, AfterAction> after{};
};
struct Replayed {
    std::uint64_t kept = 0;         ///< the outbox has their bytes
    std::uint64_t toFetch = 0;      ///< they are fetched from the mailbox again
    std::uint64_t unreachable = 0;  ///< neither: their place in the mailbox means nothing any more
    std::uint64_t underWay = 0;     ///< not yet given to their own sinks: these come first
};

struct Discarded {
    std::uint64_t messages = 0;
    std::uint64_t bytes = 0;
    std::vector<std::string> freed{};  ///< kept files nobody needs any more
};

/// What the outbox owes to whom, durable before it is relied on. Thread-safe. Errors: 7xxx. Ledger::settle() is what puts messages in.
class OutboxLedger {
public:
    template <class T>
    using Answer = plugin::Task<plugin::Result<T>>;
    virtual ~OutboxLedger() = default;

    /// Of one sink: due at `now`, those that have waited longest first.
    virtual Answer<std::vector<OutboxEntry>> due(std::string sink, plugin::Wall now, std::size_t limit) = 0;
    /// Of one sink: with a number above `entry`, in the order they came, due or not.
    virtual Answer<std::vector<OutboxEntry>> after(std::string sink, std::int64_t entry, std::size_t limit) = 0;
    /// When the next one of this sink is due; nothing: none waits.
    virtual Answer<std::optional<plugin::Wall>> nextDue(std::string sink) = 0;
    /// One transaction: what came of attempts; of a message no sink of which is waited for any more the state and what is due in its mailbox. An
    /// outcome of which the outbox knows nothing (any more) is passed over.
    virtual Answer<OutboxEnd> conclude(std::vector<OutboxOutcome> outcomes) = 0;
    /// Of one sink: ids of those that have waited since before `moment`, the oldest first.
    virtual Answer<std::vector<std::string>> waitingSince(std::string sink, plugin::Wall moment, std::size_t limit) = 0;
    virtual Answer<std::uint64_t> waiting(std::string sink) = 0;  ///< how many deliveries
    virtual Answer<std::vector<OutboxTotal>> totals() = 0;
    /// Of all messages that are kept.
    virtual Answer<std::uint64_t> keptBytes() = 0;
    virtual Answer<std::set<std::string>> keptFiles() = 0;

    /// The bytes of what lies in this file cannot be read: they are to be fetched again. Answers of how many that is impossible, since their
    /// place in the mailbox means nothing any more: these are missing.
    virtual Answer<std::uint64_t> lost(std::string file) = 0;
    /// The same of one message.
    virtual Answer<std::uint64_t> damaged(std::int64_t row) = 0;
    /// Not tried before `next`; no attempt was made.
    virtual Answer<void> postpone(std::int64_t row, std::string sink, plugin::Wall next) = 0;
    /// `since`: those missing for longer are not looked for.
    virtual Answer<Rework> rework(std::int64_t folder, plugin::Wall since) = 0;
    struct Fetch {
        std::int64_t row = 0;
        Kept kept;
        std::vector<std::string> flags{};
        std::uint64_t size = 0;
        Digest sha256{};
    };
    virtual Answer<void> fetched(std::vector<Fetch> fetches) = 0;
    /// It is in the mailbox no more, and not delivered: missing.
    virtual Answer<void> gone(std::vector<std::int64_t> rows) = 0;

    /// Operator: to this sink once more, under the same id.
    virtual Answer<Replayed> replay(ReplayQuery query, std::string sink) = 0;
    /// Operator: the bytes of these are kept no longer. Of what is dead or set aside, for its own sinks or one of a replay, and never of what a sink
    /// waits for. What is known of them
    /// stays.
    virtual Answer<Discarded> discard(ReplayQuery query) = 0;
    /// Operator: gives up what waits for this sink, which nobody delivers to any more; the longest waiting, so many at a time. They are dead, and may
    /// be replayed. Answers how many; 0: none waits any more.
    virtual Answer<std::uint64_t> abandon(std::string sink, std::size_t limit) = 0;
    /// Nothing is tried any more until resume().
    virtual Answer<void> disable(std::string sink, std::string why) = 0;
    virtual Answer<std::optional<std::string>> disabled(std::string sink) = 0;
    /// Operator. False: it was not disabled.
    virtual Answer<bool> resume(std::string sink) = 0;
};

std::unique_ptr<OutboxLedger> makeOutboxLedger(plugin::Database& database, plugin::Clock& clock);

}  // namespace listener
