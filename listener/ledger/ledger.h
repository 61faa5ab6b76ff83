#pragma once

#include "listener/item_index.h"
#include "listener/mailbox.h"
#include "listener/message/message.h"
#include "plugin/contract/database.h"
#include "plugin/contract/result.h"
#include "plugin/contract/task.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace listener {

/// From where a folder is read the first time.
struct Start {
    enum class Kind { now, all, since };
    Kind kind = Kind::now;
    plugin::Wall since{};  ///< for since: inclusive; for now: when that was, 1970 = nobody noted it
};

/// What the ledger knows of a folder.
struct FolderRecord {
    std::int64_t id = 0;
    std::string mailbox, protocol, name;
    std::uint64_t validity = 0;
    std::uint64_t cursor = 0;   ///< every message up to this ordinal is final
    std::uint64_t highest = 0;  ///< and of this one something is known: the cursor, a row, an open batch, or what a match was told of
    Start start{};
    std::uint64_t filterBelow = 0;        ///< ordinals below this were there at the start: `start` decides on them
    std::uint64_t beforeStart = 0;        ///< how many were not delivered for that reason
    std::uint64_t wantedBelow = 0;        ///< of a folder whose messages were matched: of the ordinals below this
    std::vector<std::uint64_t> wanted{};  ///< only these are still to be delivered; empty when the cursor is past them
    bool kin = false;                     ///< the mailbox has or had other records: a message may be known from elsewhere
    bool superseded = false;              ///< a rebuild put another record in its place; its rows are what was not found again
};

/// What tells a message from all others wherever it stands.
struct Identity {
    std::string id;
    std::uint64_t size = 0;
    Digest sha256{};
    Digest matchKey{};
    std::uint64_t crossKey = 0;
};

enum class MessageState { pending, delivered, filtered, quarantined, dead, missing };

/// How one message of a batch ended at one sink.
struct SinkVerdict {
    std::string sink;
    bool known = false;  ///< the sink had it already
};

/// A sink that has not taken a message: the outbox goes on trying, or it is at its end.
struct Outstanding {
    enum class End { none, aside };  ///< aside: this sink can never take this message
    std::string sink;
    End end = End::none;
    plugin::Wall next{};         ///< not tried before
    std::uint32_t attempts = 0;  ///< 0: the first one is under way, or none was made
    std::optional<plugin::Code> code{};
    std::string what{};  ///< the last refusal
};

/// A message that needs not be fetched again: all of its sinks have answered positively, or its bytes are durable (`pending`, with `kept` and
/// `outstanding`), or it goes nowhere (quarantined, missing).
struct Settled {
    Message message;  ///< content may be gone; its size and hash count
    MessageState state = MessageState::delivered;
    std::vector<SinkVerdict> verdicts{};
    AfterAction after{};  ///< due now; of a pending one: once it is delivered
    std::optional<Kept> kept{};
    std::vector<Outstanding> outstanding{};
    AfterAction afterQuarantine{};  ///< of a pending one: if it ends set aside
};

/// A batch that was begun and whose end is not recorded: to be delivered again first.
struct OpenBatch {
    std::int64_t id = 0;
    std::vector<std::uint64_t> ordinals{};
    std::vector<Identity> identities{};  ///< beside `ordinals`; empty: begun by a version that kept none
};

/// What a message of a rebuilt folder may be: a row, or a member of an open batch. About 150 octets each.
struct Candidate {
    std::int64_t number = 0;  ///< of the row; 0: it is under way in `batch`
    std::int64_t batch = 0;
    std::uint64_t ordinal = 0;  ///< as it was
    plugin::Wall received{};
    std::uint64_t size = 0;
    bool settled = false;    ///< false: it is still to be fetched and delivered, under its id
    bool removed = false;    ///< our own after-action took it away (or, at a server that cannot, marked it)
    bool rendered = false;   ///< Message::rendered: size and SHA-256 tell nothing
    bool undecided = false;  ///< an earlier rebuild could not tell which of several alike it is
    Digest matchKey{};
    Digest sha256{};
    std::uint64_t crossKey = 0;
    std::int64_t formerFolder = 0;  ///< the record its row stood at when another protocol read it last; 0: none did
    std::uint64_t formerOrdinal = 0;
};

/// What candidates have in common with messages that are there: one of these suffices.
class CandidateKeys {
public:
    void add(const Digest& match, std::uint64_t cross);  ///< 0: there is no cross key
    bool has(const Digest& match, std::uint64_t cross) const;
    void sort();  ///< after the last add(), before the first has()

private:
    std::vector<Digest> match_{};
    std::vector<std::uint64_t> cross_{};
};

/// A folder whose positions mean something else now, and where its known messages stand in it.
struct Rebuild {
    struct Known {
        std::int64_t number = 0, batch = 0;
        std::uint64_t old = 0;  ///< Candidate::ordinal
    };
    struct Match : Known {
        std::uint64_t ordinal = 0;  ///< now
        bool byKeys = false;        ///< nothing but its keys says that it is this message: no id, no octets
    };
    FolderRecord record;                     ///< as it begins
    std::optional<std::int64_t> replaces{};  ///< the record in whose place it comes: of the same name, maybe of another protocol
    std::vector<Match> matches{};
    /// Rows of messages that are not in this folder, and what this protocol calls them wherever they are.
    std::vector<std::pair<std::int64_t, std::string>> elsewhere{};
    /// Messages that are in this folder, as it seems, where nobody can tell which of several they are: later, none is taken for one of them that is
    /// only like it.
    std::vector<Known> undecided{};
};

/// What the place of a row is called, and by which protocol; an empty id: it has none but its number.
struct RowName {
    std::string protocol, id;
};

struct Rebuilt {
    FolderRecord record;
    std::uint64_t gone = 0;  ///< messages of the record it replaced that were not found again
};

/// A message about to be delivered for the first time, as far as its position tells.
struct Newcomer {
    std::uint64_t ordinal = 0;
    std::string id;  ///< its second is the received one
    Digest sha256{};
    Digest matchKey{};
    std::uint64_t crossKey = 0;
    std::string position{};  ///< the text of it
    bool rendered = false;   ///< Message::rendered
};

/// A message of the same mailbox, received in the same second and with the same octets. Where octets tell nothing (Message::rendered): with the same
/// match key or cross key, or the same id at the server.
struct Likeness {
    std::int64_t number = 0;  ///< of its row; 0: it is in an open batch
    std::int64_t folder = 0;
    std::string folderName;
    std::uint64_t ordinal = 0;
    std::string id;
    bool settled = false;    ///< false: sinks may or may not have it
    bool placeVoid = false;  ///< its position means nothing any more
};

struct Recognised {
    std::optional<std::string> assigned{};  ///< the id it has to be delivered under
    bool idTaken = false;                   ///< another message has the id of the newcomer: positions were given anew
    std::vector<Likeness> like{};           ///< those our own after-action removed are left out
};

/// An after-action that is due.
struct Due {
    std::int64_t message = 0;
    std::uint64_t ordinal = 0;
    AfterAction action{};
    bool copied = false;  ///< a copy stands in the target already
};

/// A mailbox is read by another protocol than the configuration says, as long as it says that.
struct Detour {
    std::string protocol, insteadOf;
    std::string why;  ///< for people
};

/// One folder of a mailbox, counted over all the times it was begun; a mailbox without folders has one with an empty `folder`.
struct MailboxSummary {
    std::string mailbox, folder, protocol;
    std::uint64_t cursor = 0, validity = 0, beforeStart = 0, delivered = 0, other = 0, openBatches = 0, dueActions = 0;
    std::optional<plugin::Wall> lastDelivery{};
    std::optional<plugin::Wall> lastVerified{};
    std::string blocked{};  ///< why nothing is read until an operator acts; "" = not
    std::optional<Detour> detour{};
};

struct LedgerRow {
    std::int64_t number = 0;
    std::string id, mailbox, folder, protocol, position;
    MessageState state{};
    plugin::Wall received, settled;
    std::uint64_t size = 0;
    Digest sha256{};
    std::optional<std::string> messageId{};
    std::string sinks;    ///< by comma: those that have it
    std::string waiting;  ///< by comma: those that the outbox still owes it to
    std::string after;    ///< "", "due" or "done"; "" also when a restart() came before it was done
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
    /// answered as it is; with another validity its positions, batches and after-actions are forgotten and it begins as given (to keep what
    /// is known of its messages: rebuild()).
    virtual Answer<FolderRecord> beginFolder(FolderRecord record) = 0;
    /// INTENT: these positions (rising) are about to be given to sinks. `identities`: beside them, or none.
    virtual Answer<std::int64_t> intend(std::int64_t folder, std::vector<std::uint64_t> ordinals, std::vector<Identity> identities = {}) = 0;
    /// VERDICT: rows of all that settled, the cursor, and the end of the batch: one transaction. Messages left out stay pending, with a row
    /// that keeps their id: their positions are above the cursor the caller gives. Answers nothing to do twice: an id settled before keeps its first
    /// row. Answers which kept files nobody needs any more.
    /// No batch: nothing was begun, since no sink has seen any of it. Of messages that are rendered anew at each fetch this is what comes before the
    /// first sink: pending, with their bytes kept.
    virtual Answer<std::vector<std::string>> settle(std::int64_t folder, std::optional<std::int64_t> batch, std::vector<Settled> settled,
                                                    std::uint64_t cursor) = 0;
    /// Ends a batch of which nothing is left on the server, or none was settled; moves the cursor and adds to the count of
    /// before-start messages. A cursor never goes back, here or in settle().
    virtual Answer<void> advance(std::int64_t folder, std::optional<std::int64_t> batch, std::uint64_t cursor, std::uint64_t beforeStart) = 0;
    /// Ends a batch that was found open. Its members without a row that are not `stillThere` (rising) get one as `missing`: they were under
    /// way, and whether a sink has them nobody knows; if they come to light elsewhere, they keep their id.
    virtual Answer<void> endOpenBatch(std::int64_t folder, std::int64_t batch, std::vector<std::uint64_t> stillThere) = 0;
    /// Ordinals above `above` that have a final row or whose bytes the outbox has (rising): what a listing leaves out.
    virtual Answer<std::vector<std::uint64_t>> finalAbove(std::int64_t folder, std::uint64_t above) = 0;
    virtual Answer<std::vector<OpenBatch>> openBatches(std::int64_t folder) = 0;
    virtual Answer<std::vector<Due>> dueActions(std::int64_t folder, std::size_t limit) = 0;
    virtual Answer<void> copied(std::int64_t folder, std::vector<std::uint64_t> ordinals) = 0;
    virtual Answer<void> cleared(std::vector<std::int64_t> messages) = 0;

    /// Records in force and superseded ones, of all protocols, the oldest first, without `wanted`. Those an operator's restart() ended are not among
    /// them.
    virtual Answer<std::vector<FolderRecord>> records(std::string mailbox) = 0;
    /// Beside the ordinals: what identifies these places of a folder. Where an ItemIndex names them, its ids.
    virtual Answer<std::vector<Position>> positions(std::int64_t folder, std::vector<std::uint64_t> ordinals) = 0;
    /// Of these records: rows, and members of open batches, that have one of these keys. Reads all rows of the folders once; memory grows with what
    /// it answers.
    virtual Answer<std::vector<Candidate>> candidates(std::vector<std::int64_t> folders, std::shared_ptr<const CandidateKeys> keys) = 0;
    /// Beside these rows.
    virtual Answer<std::vector<RowName>> names(std::vector<std::int64_t> rows) = 0;
    /// One transaction: a new record, and at it what was matched: rows keep id, state and verdicts, their due after-actions come along
    /// (no `delete` by keys alone); members of open batches become `pending` rows. What `replaces` still has of batches and due after-actions ends:
    /// its messages are gone. None: another record is in force than `replaces`, an operator acted meanwhile; nothing is changed.
    virtual Answer<std::optional<Rebuilt>> rebuild(Rebuild rebuild) = 0;
    /// Beside the newcomers: what is known of each from elsewhere.
    virtual Answer<std::vector<Recognised>> recognise(std::int64_t folder, std::vector<Newcomer> newcomers) = 0;
    /// These rows' messages now stand in `folder` at these ordinals.
    virtual Answer<void> repoint(std::int64_t folder, std::vector<std::pair<std::int64_t, std::uint64_t>> rows) = 0;

    /// Forgets what settled before `moment`, once it is of no use: rows of this folder that stand on the server no more (`standing`: those that do,
    /// rising, up to the cursor), and of folders that were begun anew; of the others who has them and the Message-ID, never place, hash and match
    /// key. Answers how many rows are gone.
    virtual Answer<std::uint64_t> retain(std::int64_t folder, std::shared_ptr<const std::vector<std::uint64_t>> standing, plugin::Wall moment) = 0;

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
    /// Kept over restarts.
    virtual Answer<std::optional<Detour>> detour(std::string mailbox) = 0;
    /// Nothing: it is read as the configuration says.
    virtual Answer<void> take(std::string mailbox, std::optional<Detour> detour) = 0;
    /// Grows with every restart(), block() and take(): a running engine asks once a second whether it changed.
    virtual Answer<std::int64_t> operatorChanges() = 0;
    virtual Answer<void> verified(std::vector<std::pair<std::string, plugin::Wall>> mailboxes) = 0;  ///< for `mailboxes`, written rarely

    virtual Answer<std::vector<MailboxSummary>> summaries() = 0;
    virtual Answer<std::vector<LedgerRow>> rows(LedgerQuery query) = 0;
};

std::vector<plugin::Migration> ledgerMigrations();
inline constexpr const char* ledgerOwner = "listener";
std::unique_ptr<Ledger> makeLedger(plugin::Database& database, plugin::Clock& clock);
/// Of one mailbox, read with this protocol. A validity is the second in which it was first given, or the next one that was never used.
std::unique_ptr<ItemIndex> makeItemIndex(plugin::Database& database, plugin::Clock& clock, std::string mailbox, std::string protocol);
/// For a look beside the service: knows what that one knows, keeps what it learns to itself, and writes nothing. Memory: some 300 octets an item.
std::unique_ptr<ItemIndex> makeShadowIndex(plugin::Database& database, plugin::Clock& clock, std::string mailbox, std::string protocol);

}  // namespace listener
