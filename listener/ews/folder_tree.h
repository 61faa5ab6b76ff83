#pragma once

#include "listener/ews/answer.h"

#include <string>
#include <string_view>
#include <vector>

/// Names of folders: UTF-8, "/" separates, "//" stands for a "/" within a name; what the inbox holds is "INBOX/…", whatever the inbox is called.
namespace listener::ews {

/// "INBOX", or "INBOX/…": the first level in any case.
bool isInbox(std::string_view name);
/// With "INBOX" written so.
std::string withInbox(std::string_view name);
/// Levels of a name, "//" read as "/".
std::vector<std::string> levelsOf(std::string_view name);
/// One level, as it stands in a name.
std::string asLevel(std::string_view displayName);

/// "*" crosses levels, "%" does not; all else as it is.
bool fitsPattern(std::string_view name, std::string_view pattern);

/// The folders of a mailbox, by name. Pure.
class FolderTree {
public:
    struct Named {
        std::string name{};
        std::string id{};
        bool holdsMail = false;  ///< a folder of messages (IPF.Note), and no search folder
    };
    FolderTree() = default;
    /// `entries`: all below the root of the mailbox, in any order. What stands at no place in the tree is left out.
    FolderTree(const std::vector<FolderEntry>& entries, std::string_view inboxId);

    const std::vector<Named>& folders() const { return folders_; }  ///< by name
    /// As it is written; else the one that differs only by the case of ASCII letters. Null: none.
    const Named* find(std::string_view name) const;

private:
    std::vector<Named> folders_{};
};

}  // namespace listener::ews
