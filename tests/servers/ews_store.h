#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace servers {

struct EwsFolder {
    std::string id{}, parent{};  ///< parent "": the root of the mailbox
    std::string name{};
    std::string folderClass = "IPF.Note";
    std::string element = "Folder";
};

struct EwsItem {
    std::string id{}, folder{};
    std::string mime{};
    std::string element = "Message";
    int number = 0;  ///< grows with each that comes
    std::string received = "2026-11-22T12:00:00Z";
    bool isRead = false;
    std::map<std::string, std::string> named{};  ///< properties of somebody's own, by namedProperty()
    std::optional<std::uint64_t> size{};         ///< as told; else that of the MIME content
    std::uint64_t serial = 0;                    ///< of the test's own: it goes with a move
};

/// What has happened in a folder, in order; a SyncState is a place in it.
struct EwsChange {
    enum class Kind { created, updated, removed, read };
    Kind kind = Kind::created;
    std::string id{};
};

/// One mailbox with its folders. Ids are long, differ in the case of letters only, and change when a message moves.
class EwsStore {
public:
    EwsStore();
    void furnish();  ///< the folders a person's mailbox has besides, which other clients look for
    std::string addFolder(const std::string& parent, const std::string& name, const std::string& folderClass = "IPF.Note");
    void removeFolder(std::string id);
    std::string add(EwsItem item);  ///< without its id
    void remove(const std::string& id);
    std::string move(const std::string& id, const std::string& folder);  ///< answers its new id
    void markRead(const std::string& id);

    EwsItem* item(const std::string& id);
    EwsFolder* folder(const std::string& id);
    EwsFolder* child(const std::string& parent, const std::string& name);
    std::vector<EwsItem*> itemsOf(const std::string& folder);
    const std::map<std::string, EwsFolder>& folders() const { return folders_; }
    std::string distinguished(const std::string& use) const;  ///< "": it has none

    struct Page {
        std::vector<EwsChange> changes{};  ///< newest first
        std::string state{};
        bool last = true;
    };
    /// Nothing: the state means nothing (any more).
    std::optional<Page> changesSince(const std::string& folder, const std::string& state, std::size_t most) const;
    int nextNumber() const { return ids_; }
    std::string changedAt(const std::string& folder) const;  ///< a time that grows with each change
    void forgetStates() { ++epoch_; }

private:
    std::map<std::string, EwsFolder> folders_{};
    std::map<std::string, EwsItem> items_{};
    std::map<std::string, std::vector<EwsChange>> history_{};
    std::map<std::string, std::string> uses_{};
    int ids_ = 0;
    int epoch_ = 1;
    std::string newId(const char* kind);
};

}  // namespace servers
