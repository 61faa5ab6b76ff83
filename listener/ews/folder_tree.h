#pragma once

#include "listener/ews/answer.h"

#include <string>
#include <string_view>
#include <vector>

/// Names of folders (folder_path.h): what the inbox holds is "INBOX/…", whatever the inbox is called.
namespace listener::ews {

/// "INBOX", in any case of its letters.
bool isInbox(std::string_view name);
/// "INBOX" and what is below it, with "INBOX" written so.
std::string withInbox(std::string_view name);

/// The folders of a mailbox, by name. Pure.
class FolderTree {
public:
    struct Named {
        std::string name{};
        std::string id{};
        bool holdsMail = false;  ///< a folder of messages (IPF.Note), and no search folder
    };
    FolderTree() = default;
    /// `entries`: all below the root of the mailbox, in any order. What stands at no place in the tree is left out, and what is below
    /// a folder without a name, or too deep to be named.
    FolderTree(const std::vector<FolderEntry>& entries, std::string_view inboxId);

    const std::vector<Named>& folders() const { return folders_; }  ///< by name
    /// As it is written; else the one that differs only by the case of ASCII letters. Null: none.
    const Named* find(std::string_view name) const;

private:
    std::vector<Named> folders_{};
};

}  // namespace listener::ews
