#pragma once

#include "listener/ledger/ledger.h"
#include "tests/simulation/sim_network.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace simulation {

/// The mailbox of a history and the server before it, whatever protocol that speaks: what others do there, and what a judge wants to know. It
/// outlives the processes that read it.
class HistoryMailbox {
public:
    struct Message {
        std::uint64_t serial = 0;  ///< of this mail wherever it stands; a copy has one of its own
        std::string position{};    ///< as the ledger calls it
        std::string bytes{};       ///< as they were put in
        bool seen = false;
    };
    using Accepts = std::function<bool(const std::string& token)>;

    virtual ~HistoryMailbox() = default;
    HistoryMailbox() = default;
    HistoryMailbox(const HistoryMailbox&) = delete;
    HistoryMailbox& operator=(const HistoryMailbox&) = delete;

    /// Asked before a client changes or removes a mail.
    std::function<void(const std::string& what, const std::string& folder, const Message& mail)> touched = [](const auto&, const auto&, const auto&) {
    };

    enum class Kind { usual, any };  ///< any: the dice choose what the server can do, and in what pieces it tells
    /// Makes these folders and Done. Answers what kind of server it is, for people.
    virtual std::string make(const std::vector<std::string>& folders, Kind kind) = 0;
    /// accept() answers at this port. Answers the mailbox's lines "KEY = VALUE": how it is read.
    virtual std::string listenAt(std::uint16_t port) = 0;
    /// One request of so many is refused in one way or another; of so many arrivals a session that listens is not told of one. 0 = never.
    virtual void setMoods(std::uint64_t refuseOneIn, std::uint64_t forgetOneIn) = 0;
    virtual std::unique_ptr<Peer> accept() = 0;

    virtual std::vector<std::string> folders() const = 0;
    /// In the order in which they came. A folder that is not there has none.
    virtual std::vector<Message> messages(const std::string& folder) const = 0;
    virtual std::vector<std::string> violations() const = 0;
    virtual std::uint64_t dialogues() const = 0;  ///< sign-ins, or requests where each signs in for itself
    std::uint64_t refused = 0, untold = 0;        ///< requests, and arrivals, because of moods

    // What may be expected.
    /// Whether a client that was told to remove or move a mail takes it away; else it can only mark it as deleted.
    virtual bool takesAway(bool byMove) const = 0;
    virtual bool movesAtOnce() const = 0;  ///< else it is copied first
    /// Whether messages have ids that stay in a folder whatever happens to it. Else two with the same head, second and size are one.
    virtual bool tellsById() const = 0;
    /// What was put in, of which these octets were handed out; "": they were not.
    virtual std::string original(const std::string& bytes) const = 0;
    virtual bool isOf(const listener::Digest& digest, const std::string& original) const = 0;

    // What other clients and administrators do.
    virtual std::uint64_t arrive(const std::string& folder, const std::string& bytes, plugin::Wall received) = 0;
    virtual void remove(const std::string& folder, std::uint64_t serial) = 0;
    virtual void move(const std::string& from, std::uint64_t serial, const std::string& to) = 0;
    virtual std::uint64_t copy(const std::string& from, std::uint64_t serial, const std::string& to) = 0;  ///< the copy's serial
    virtual bool rename(const std::string& from, const std::string& to, std::uint32_t validity) = 0;       ///< false: nobody could
    virtual std::uint32_t validity(const std::string& folder) const = 0;                                   ///< of IMAP; else 0
    /// All that a client was told of the folder means nothing any more; by IMAP it has this validity now.
    virtual void rebuild(const std::string& folder, std::uint32_t validity, bool shuffle) = 0;
    /// An older state of the folder comes back. Answers the serials of the mails that vanish.
    virtual std::vector<std::uint64_t> fallBack(const std::string& folder) = 0;
};

std::unique_ptr<HistoryMailbox> makeImapHistoryMailbox(WorldClock& clock, Dice& dice, HistoryMailbox::Accepts accepts);
std::unique_ptr<HistoryMailbox> makeEwsHistoryMailbox(Dice& dice, HistoryMailbox::Accepts accepts);
std::unique_ptr<HistoryMailbox> makeGraphHistoryMailbox(Dice& dice, HistoryMailbox::Accepts accepts);
/// protocol  imap, ews or graph.
std::unique_ptr<HistoryMailbox> makeHistoryMailbox(const std::string& protocol, WorldClock& clock, Dice& dice, HistoryMailbox::Accepts accepts);

}  // namespace simulation
