#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace servers {

/// A mailbox as Graph's server keeps it: folders, messages, and what has changed since when. Belongs to one owner, who locks.
class GraphStore {
public:
    struct Folder {
        std::string id, name, parent;
        bool hidden = false, search = false;
        std::vector<std::pair<std::uint64_t, std::string>> changes{};  ///< when, message
    };
    struct Mail {
        std::string id, folder, bytes;
        std::string received;  ///< "2026-11-22T08:15:00Z"
        bool read = false;
    };
    /// One page of changes, and what follows.
    struct Page {
        std::vector<std::pair<std::string, bool>> entries{};  ///< message; false: it is gone
        std::string token{};
        bool last = false;
    };

    GraphStore();

    std::string folder(const std::string& parent, const std::string& name);  ///< made if there is none; answers its id
    const Folder* findFolder(const std::string& idOrWellKnown) const;
    const Folder* findFolder(const std::string& parent, const std::string& name) const;
    Folder& folderAt(const std::string& id) { return folders_.at(id); }
    std::vector<const Folder*> children(const std::string& id) const;
    void removeFolder(const std::string& id);

    std::string deliver(const std::string& folder, std::string bytes, std::string received, bool read);
    Mail* find(const std::string& id);
    void markRead(const std::string& id, bool read);
    void move(const std::string& id, const std::string& folder);
    void remove(const std::string& id);
    std::vector<std::string> in(const std::string& folder) const;

    /// token  "" = from the start. Nothing: the token is not known (any more).
    std::optional<Page> changes(const std::string& folder, const std::string& token, std::size_t pageSize);
    void forgetTokens() { states_.clear(); }
    std::size_t replays = 0;     ///< so many earlier changes are told again with each round
    std::size_t emptyPages = 0;  ///< so many come before each page with something on it

private:
    struct State {
        std::string folder;
        std::vector<std::string> left{};
        std::uint64_t since = 0;  ///< the next round tells of what came later
        std::size_t emptyLeft = 0;
        bool round = false;  ///< nothing is begun yet: what is new is found when it is used
        bool whole = false;  ///< from the start: what is gone is not told
    };
    std::string keep(State state);
    std::string freshId(const char* kind);
    void changed(const std::string& folder, const std::string& id);

    std::map<std::string, Folder> folders_{};
    std::map<std::string, std::string> wellKnown_{};
    std::map<std::string, Mail> mails_{};
    std::map<std::string, State> states_{};
    std::uint64_t now_ = 0, ids_ = 0, tokens_ = 0;
};

}  // namespace servers
