#pragma once

#include "listener/message/message.h"
#include "plugin/contract/clock.h"
#include "plugin/contract/result.h"
#include "plugin/contract/task.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace listener {

/// A folder as the server shows it now.
struct FolderView {
    std::uint64_t validity = 0;  ///< IMAP UIDVALIDITY: positions of another validity mean nothing
    std::uint64_t next = 0;      ///< every later arrival has an ordinal of at least this (IMAP UIDNEXT)
    std::uint64_t exists = 0;    ///< messages in it
    /// Since when what arrives is given ordinals, where finding that out takes time: what came meanwhile may be below `next`. None: at this moment.
    std::optional<plugin::Wall> begun{};
};

/// Which messages of a folder to list.
struct ListRequest {
    std::uint64_t above = 0;                      ///< only ordinals above this
    std::size_t limit = 0;                        ///< the first so many, in rising order; 0 = all there are
    std::optional<plugin::Wall> receivedSince{};  ///< with `filterBelow`: of ordinals below it only those received at or after this moment
    std::uint64_t filterBelow = 0;
};

struct Listing {
    std::vector<std::uint64_t> ordinals{};  ///< rising
    std::uint64_t upTo = 0;                 ///< every message with an ordinal up to this is in `ordinals`, gone, or filtered out
    bool more = false;                      ///< the limit cut it
    std::uint64_t filtered = 0;             ///< not listed because they were received too early
};

/// One message as the server sent it.
struct Fetched {
    Position position;
    plugin::Wall received;
    std::vector<std::string> flags{};
    Content content;
    Head head;
    bool sourceDefect = false;  ///< not the message: what the server gives out in its place, because it cannot render it
    /// Larger than Receiver::sizeLimit(), and therefore not fetched: so many octets. `content` is empty, `head` is the message's all the same.
    std::optional<std::uint64_t> tooLarge{};
};

/// Takes messages as they come. The mailbox waits for the answer before it reads on: that is the back-pressure.
class Receiver {
public:
    virtual ~Receiver() = default;
    virtual plugin::Task<plugin::Result<void>> take(Fetched message) = 0;  ///< an Error ends the fetch with this Error, and the session
    /// Asked before each further piece is requested: true ends the fetch in order after what is under way.
    virtual bool enough() const { return false; }
    /// Messages of more octets than this are handed over without their content. Nothing: there is no limit.
    virtual std::optional<std::uint64_t> sizeLimit() const { return std::nullopt; }
};

/// What happens to a message in the mailbox once every sink has it.
struct AfterAction {
    enum class Kind { leave, seen, remove, move, seenAndMove };
    Kind kind = Kind::leave;
    std::string target{};  ///< for move: the folder's name, UTF-8, "/" separates
};

/// After-actions in pieces the mailbox can repeat safely.
struct AfterRequest {
    AfterAction action;
    std::vector<std::uint64_t> ordinals;  ///< rising
    std::vector<std::uint64_t>
        copied{};  ///< of these: known (from the ledger) to have a copy in the target already; only the original is still to go
};

/// Called where a server has no MOVE: the copies are made, the originals not yet removed. Must be durable before it answers.
using Copied = std::function<plugin::Task<plugin::Result<void>>(std::vector<std::uint64_t> ordinals)>;

/// What tells a message from others where positions mean nothing (a rebuilt or renamed folder).
struct Identified {
    std::uint64_t ordinal = 0;
    std::optional<plugin::Wall> received{};  ///< none: the server tells no date that can be read
    std::optional<std::uint64_t> size{};     ///< as the server claims: some estimate it
    Digest matchKey{};                       ///< as Head::matchKey
    std::uint64_t crossKey = 0;              ///< as Head::crossKey; 0: not told
};
/// What a message is that another protocol knows by an id.
struct Named {
    enum class Where { unknown, here, elsewhere };  ///< unknown: the server does not tell; elsewhere: it is not in this folder
    Where where = Where::unknown;
    std::uint64_t ordinal = 0;  ///< of one that is here
    std::string id{};           ///< by this protocol; "" = unknown
};
/// An Error ends the pass with this Error, and the session.
using IdentifiedTaker = std::function<plugin::Result<void>(Identified)>;

/// How long and how to wait for news.
struct Watching {
    std::vector<std::string> folders;   ///< at least one, the busiest first
    plugin::Deadline until{};           ///< nothing heard until then: back with no folders
    std::chrono::milliseconds sweep{};  ///< how often folders are asked about that the server does not tell of by itself
    std::stop_token wake{};             ///< asked: back in order, with no folders; the session goes on
};

/// One session with one mailbox, behind one interface for all protocols. Belongs to one loop; one call at a time.
/// Every call has its own time-outs inside (configuration) and ends early, with retryLater/channelStopped, when `stop` is asked.
/// After an Error with reconnect or reauthenticate the session is over: destroy it and make a new one.
class Mailbox {
public:
    virtual ~Mailbox() = default;
    /// "imap", "ews" or "graph": part of what a delivery id is made from, and told to sinks.
    virtual std::string_view protocol() const { return "imap"; }
    /// The server renders a message anew at each fetch: the same message, other octets and another size. What goes to sinks has to be durable before
    /// the first of them sees it, and octets never tell whether two messages are the same.
    virtual bool rendersAnew() const { return false; }
    /// Before open(), a hint: this folder will be selected first, and listed above this ordinal. The session may ask the server for both as it signs
    /// in; what select() and list() answer is the same with it and without.
    virtual void expect(std::string folder, std::uint64_t above) { static_cast<void>(folder), static_cast<void>(above); }
    /// Dials and signs in. Errors: 2xxx, 3xxx, 4xxx. reauthenticate: it has told the TokenSource; try again at once, once.
    virtual plugin::Task<plugin::Result<void>> open(std::stop_token stop) = 0;
    /// The folders that are there of those asked for, each once, in the order asked and then by name. A name without wildcard is answered as it
    /// is, whether it is there or not (select() tells). "*" crosses levels, "%" does not; "\\Archive" and the like (RFC 6154) name the folder
    /// the server has for that use. Folders that cannot be selected are left out.
    virtual plugin::Task<plugin::Result<std::vector<std::string>>> folders(std::vector<std::string> patterns, std::stop_token stop) = 0;
    /// Enters a folder, for reading and writing. Folder missing: askOperator, mailboxFolderMissing.
    virtual plugin::Task<plugin::Result<FolderView>> select(std::string folder, std::stop_token stop) = 0;
    /// Of the folder entered last. A successful answer means the server had to read the folder.
    virtual plugin::Task<plugin::Result<Listing>> list(ListRequest request, std::stop_token stop) = 0;
    /// Of the folder entered last. Hands over each message there is; asks for the next ones while these are taken; messages gone meanwhile
    /// are left out (list again to tell "gone" from "not readable"). `receiver` and `staging` outlive the call.
    virtual plugin::Task<plugin::Result<void>> fetch(std::vector<std::uint64_t> ordinals, Receiver& receiver, plugin::Directory& staging,
                                                     std::stop_token stop) = 0;
    /// Of the folder entered last: one pass over the heads of all messages there are, in rising order. A message whose head the server does
    /// not hand out is left out: list() tells that it is there.
    virtual plugin::Task<plugin::Result<void>> identify(IdentifiedTaker taker, std::stop_token stop) = 0;
    /// After open(): can the server say which messages those are that another protocol names by these ids? False: named() tells nothing.
    virtual bool knowsNamesOf(std::string_view protocol) const {
        static_cast<void>(protocol);
        return false;
    }
    /// Of the folder entered last, as it was listed last: beside `ids` of the other protocol which messages they are. What the server cannot tell, or
    /// refuses to, is unknown, and no Error.
    virtual plugin::Task<plugin::Result<std::vector<Named>>> named(std::string protocol, std::vector<std::string> ids, std::stop_token stop) {
        static_cast<void>(protocol), static_cast<void>(stop);
        co_return std::vector<Named>(ids.size());
    }
    /// After open(): will the server tell of arrivals by itself? False: watch() must not be called.
    virtual bool pushes() const = 0;
    /// The protocol has no way to tell of arrivals, and is made to be asked: more often while mail comes, less often while none does.
    virtual bool hasNoPush() const { return false; }
    /// Waits until something may have arrived in one of these folders, and answers which; or until `until` or `wake`: none. A hint only: a
    /// list() tells the truth. Afterwards no folder is entered. Errors: a line that is dead without a word ends as channelTimeout or channelClosed.
    virtual plugin::Task<plugin::Result<std::vector<std::string>>> watch(Watching watching, std::stop_token stop) = 0;
    /// Of the folder entered last. Done, or already so ("not found" counts as done). A missing move target is created once.
    virtual plugin::Task<plugin::Result<void>> after(AfterRequest request, Copied copied, std::stop_token stop) = 0;
    /// When what it is signed in with ends, if that is known. Some servers end the session then.
    virtual std::optional<plugin::Wall> signedInUntil() const { return std::nullopt; }
    /// Says good-bye if there is time; never fails.
    virtual plugin::Task<void> close(std::stop_token stop) = 0;
    /// For people: server software as it names itself, "" before open().
    virtual std::string server() const = 0;
};

}  // namespace listener
