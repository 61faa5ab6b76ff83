#pragma once

#include "auth/access.h"
#include "listener/ews/ews_mailbox.h"
#include "listener/ews/folder_tree.h"
#include "listener/ews/request.h"
#include "listener/item_index.h"
#include "listener/request_limit.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_set>

namespace listener::ews {

/// The folder entered last.
struct OpenFolder {
    std::string name{};
    std::string id{};
    IndexedFolder indexed{};
    bool fresh = false;  ///< its index was brought up to date by select(), and nobody has listed it since
};

/// Which messages of a folder, of those with an ordinal below a bound, were received since a moment. That of a message does not change.
struct Recent {
    std::string folder{};
    plugin::Wall since{};
    std::uint64_t below = 0;
    std::unordered_set<std::string> ids{};
    bool lasts = false;  ///< all messages below the bound had come already
};

/// What is true of a session, whichever connection a request goes by. Belongs to one loop.
struct Session {
    Session(Settings theSettings, auth::Access& theAccess, ItemIndex& theIndex, plugin::Log& theLog, std::string version,
            std::shared_ptr<RequestLimit> theLimit);

    Settings settings;
    auth::Access& access;
    ItemIndex& index;
    plugin::Log& log;
    std::shared_ptr<RequestLimit> limit;  ///< of this mailbox, for all its sessions
    std::string agent;                    ///< User-Agent
    std::string peer;                     ///< for people: "mail.example.com"

    auth::Identity identity{};
    std::optional<auth::Access::Password> password{};  ///< Basic; else a token is asked for before each request
    std::optional<auth::Token> token{};                ///< the one used last
    std::string application{};                         ///< client id, as the token tells
    bool impersonates = false;
    std::string_view schema = "Exchange2013_SP1";
    bool loweredSchema = false;
    std::string software{};
    std::uint64_t requests = 0;
    std::optional<plugin::Error> over{};  ///< why nothing more may be asked

    std::string inboxId{};
    std::optional<FolderTree> tree{};  ///< as it was found last
    plugin::Steady treeUntil{};        ///< how long that is believed
    std::optional<OpenFolder> folder{};
    std::optional<Recent> recent{};               ///< as long as it is needed: a large folder is listed in many pieces
    std::optional<plugin::Steady> pushAgainAt{};  ///< the server does not tell of arrivals: when it is asked to again
    bool toldOfNoPush = false;                    ///< people know, since it told of them last

    /// A folder of this mailbox by its use. Who acts for nobody else names the mailbox: the answer is never about another one.
    FolderRef distinguished(std::string_view use) const;
    /// Text of the server's for people: escaped, cut, and left out where it repeats what we signed in with.
    std::string shown(std::string_view text) const;
};

}  // namespace listener::ews
