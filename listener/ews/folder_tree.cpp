#include "listener/ews/folder_tree.h"

#include "listener/folder_path.h"
#include "plugin/contract/letters.h"

#include <algorithm>
#include <map>
#include <optional>

namespace listener::ews {

using plugin::equalsIgnoreCase;

namespace {

constexpr std::string_view inbox = "INBOX";
constexpr std::size_t deepest = 300;        ///< levels Exchange allows
constexpr std::size_t longestPath = 4'096;  ///< octets: nobody has written a longer one into a configuration

bool holdsMail(const FolderEntry& entry) {
    if (entry.element == "SearchFolder") return false;
    return entry.folderClass.empty() || entry.folderClass == "IPF.Note" || entry.folderClass.starts_with("IPF.Note.");
}

}  // namespace

bool isInbox(std::string_view name) { return equalsIgnoreCase(name, inbox); }

std::string withInbox(std::string_view name) {
    const bool below = name.size() > inbox.size() && name[inbox.size()] == '/' && !name.substr(inbox.size() + 1).starts_with('/');
    if (!isInbox(name.substr(0, inbox.size())) || (name.size() > inbox.size() && !below)) return std::string{name};
    return std::string{inbox} + std::string{name.substr(inbox.size())};
}

FolderTree::FolderTree(const std::vector<FolderEntry>& entries, std::string_view inboxId) {
    std::map<std::string_view, const FolderEntry*> byId;
    for (const auto& entry : entries) byId.emplace(entry.id, &entry);
    const auto nameOf = [&](const FolderEntry& entry) -> std::optional<std::string> {
        std::string name;
        const auto* at = &entry;
        for (std::size_t depth = 0; depth < deepest; ++depth) {
            const bool isTheInbox = at->id == inboxId;
            if ((at->name.empty() && !isTheInbox) || name.size() > longestPath) return std::nullopt;
            name = (isTheInbox ? std::string{inbox} : asLevel(at->name)) + (name.empty() ? "" : "/") + name;
            const auto parent = byId.find(at->parent);
            if (isTheInbox || parent == byId.end()) return name;
            at = parent->second;
        }
        return std::nullopt;
    };
    for (const auto& entry : entries) {
        if (entry.id.empty()) continue;
        if (auto name = nameOf(entry)) folders_.push_back({std::move(*name), entry.id, holdsMail(entry)});
    }
    std::sort(folders_.begin(), folders_.end(), [](const Named& a, const Named& b) { return a.name < b.name; });
}

const FolderTree::Named* FolderTree::find(std::string_view name) const {
    const auto whole = withInbox(name);
    for (const auto& folder : folders_)
        if (folder.name == whole) return &folder;
    for (const auto& folder : folders_)
        if (equalsIgnoreCase(folder.name, whole)) return &folder;
    return nullptr;
}

}  // namespace listener::ews
