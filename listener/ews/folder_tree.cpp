#include "listener/ews/folder_tree.h"

#include <algorithm>
#include <map>
#include <optional>

namespace listener::ews {

namespace {

constexpr std::string_view inbox = "INBOX";
constexpr std::size_t deepest = 300;  ///< levels Exchange allows

char lowered(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; }
bool equalsIgnoreCase(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lowered(x) == lowered(y); });
}

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

std::vector<std::string> levelsOf(std::string_view name) {
    std::vector<std::string> levels(1);
    for (std::size_t i = 0; i < name.size(); ++i) {
        if (name[i] != '/') {
            levels.back() += name[i];
        } else if (i + 1 < name.size() && name[i + 1] == '/') {
            levels.back() += '/';
            ++i;
        } else {
            levels.emplace_back();
        }
    }
    return levels;
}

std::string asLevel(std::string_view displayName) {
    std::string level;
    for (const char c : displayName) level.append(c == '/' ? 2 : 1, c);
    return level;
}

bool fitsPattern(std::string_view name, std::string_view pattern) {
    std::vector<bool> reached(name.size() + 1);  // ends of what the pattern so far can take from the beginning
    reached[0] = true;
    for (const char c : pattern) {
        std::vector<bool> next(reached.size());
        for (std::size_t at = 0; at < reached.size(); ++at) {
            const bool more = at < name.size();
            if (c != '*' && c != '%') {
                if (reached[at] && more && name[at] == c) next[at + 1] = true;
                continue;
            }
            next[at] = next[at] || reached[at];
            if (next[at] && more && (c == '*' || name[at] != '/')) next[at + 1] = true;
        }
        reached = std::move(next);
    }
    return reached.back();
}

FolderTree::FolderTree(const std::vector<FolderEntry>& entries, std::string_view inboxId) {
    std::map<std::string_view, const FolderEntry*> byId;
    for (const auto& entry : entries) byId.emplace(entry.id, &entry);
    const auto nameOf = [&](const FolderEntry& entry) -> std::optional<std::string> {
        std::string name;
        const auto* at = &entry;
        for (std::size_t depth = 0; depth < deepest; ++depth) {
            const bool isTheInbox = at->id == inboxId;
            name = (isTheInbox ? std::string{inbox} : asLevel(at->name)) + (name.empty() ? "" : "/") + name;
            const auto parent = byId.find(at->parent);
            if (isTheInbox || parent == byId.end()) return name;
            at = parent->second;
        }
        return std::nullopt;
    };
    for (const auto& entry : entries) {
        if (entry.id.empty() || (entry.name.empty() && entry.id != inboxId)) continue;
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
