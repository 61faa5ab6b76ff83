#pragma once

#include "listener/engine/mailboxes.h"
#include "tests/simulation/sim_loop.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace simulation {

/// A mailbox that is read by three protocols, as sessions see it, without a network. By imap octets are always the same and places are numbers; by
/// ews and graph messages have opaque ids and are rendered anew at each fetch: other octets, another size, the same message. An id of ews goes with a
/// move, one of graph stays.
class Exchange {
public:
    Exchange(plugin::Clock& clock, Dice& dice) : clock_(clock), dice_(dice) {}

    struct Item {
        std::uint64_t serial = 0;
        std::string messageId, subject, body;  ///< no Message-ID: it has none
        plugin::Wall received{};
        std::uint32_t uid = 0;
        std::string ewsId, graphId;
        bool seen = false;
    };
    /// What a delta tells: an item that came, or one that went.
    struct Change {
        bool present = true;
        std::string ewsId, graphId;
        plugin::Wall received{};
    };
    struct Folder {
        std::string key;
        std::uint32_t validity = 7, next = 1;
        std::vector<Item> items{};
        std::vector<Change> log{};
        std::uint64_t generation = 1;  ///< of the log: what was given out to ask on with is of no use in another
    };
    std::map<std::string, Folder> folders{};
    std::uint64_t moodOneIn = 0;  ///< a call fails; 0: never
    std::size_t pageSize = 4;     ///< changes told at a time
    std::uint64_t fetches = 0, renderings = 0;
    std::uint64_t wholeListings = 0;                        ///< begun
    std::function<void()> pageTold{};                       ///< after each page of changes but the last
    std::function<bool()> effect{};                         ///< before each answer; true: the process is dead
    std::function<void(const Item&, std::string)> acted{};  ///< an after-action is about to be carried out
    std::string blocked{};                                  ///< the protocol that is not let in any more
    bool translates = false;                                ///< graph says which of its messages an id of ews means, wherever it is or was
    std::function<void(std::vector<listener::Named>&)> misnames{};

    Folder& make(const std::string& name);
    std::uint64_t arrive(const std::string& folder, bool withId = true, std::size_t size = 40);
    /// Another message that is like this one in all but its ids, and its body, where a size is given.
    std::uint64_t arriveLike(const std::string& folder, std::uint64_t serial, std::size_t size = 0);
    void moveByOthers(const std::string& from, std::uint64_t serial, const std::string& to);
    void removeByOthers(const std::string& folder, std::uint64_t serial);
    /// The server forgets what it told of the folder: it has to be listed anew.
    void forgetTold(const std::string& folder);

    std::unique_ptr<listener::Mailbox> session(const listener::MailboxSettings& settings, plugin::Host& host);
    /// The octets a reader gets; "X-Serial: 5" tells which message it is.
    std::string octets(const Item& item, const std::string& protocol);
    static std::uint64_t serialIn(const std::string& octets);

private:
    friend class ExchangeSession;
    void put(Folder& folder, Item item);
    void take(Folder& folder, std::size_t at);
    std::string freshId(const char* kind) { return std::string(kind) + "/AAMk" + std::to_string(++ids_) + "aAbB="; }

    plugin::Clock& clock_;
    Dice& dice_;
    std::uint64_t serials_ = 0, ids_ = 0;
    std::map<std::string, std::string> graphIds_{};  ///< by all ids of ews there ever were
};

}  // namespace simulation
