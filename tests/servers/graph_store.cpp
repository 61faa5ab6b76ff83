#include "tests/servers/graph_store.h"

#include <algorithm>
#include <stdexcept>

namespace servers {

namespace {

bool sameName(const std::string& a, const std::string& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

}  // namespace

GraphStore::GraphStore() {
    const auto add = [this](const char* wellKnown, const char* name, const std::string& parent) {
        const auto id = freshId("AQMkAD");
        folders_[id] = {.id = id, .name = name, .parent = parent};
        wellKnown_[wellKnown] = id;
        return id;
    };
    const auto top = add("msgfolderroot", "Top of Information Store", "");
    // As a German mailbox has them: nobody can go by their names.
    add("inbox", "Posteingang", top);
    add("archive", "Archiv", top);
    add("sentitems", "Gesendete Elemente", top);
    add("deleteditems", "Gel\xc3\xb6schte Elemente", top);
    add("junkemail", "Junk-E-Mail", top);
    add("drafts", "Entw\xc3\xbcrfe", top);
}

/// As real ones: what has a meaning in URLs is in them.
std::string GraphStore::freshId(const char* kind) {
    auto number = std::to_string(++ids_);
    number.insert(0, 7 - std::min<std::size_t>(7, number.size()), '0');  // in the order they were made
    return kind + ("/" + number) + "+x_-AA==";
}

std::string GraphStore::folder(const std::string& parent, const std::string& name) {
    const auto* above = findFolder(parent);
    if (above == nullptr) throw std::logic_error("no such folder: " + parent);
    if (const auto* there = findFolder(above->id, name)) return there->id;
    const auto id = freshId("AQMkAD");
    folders_[id] = {.id = id, .name = name, .parent = above->id};
    return id;
}

const GraphStore::Folder* GraphStore::findFolder(const std::string& idOrWellKnown) const {
    const auto known = wellKnown_.find(idOrWellKnown);
    const auto found = folders_.find(known == wellKnown_.end() ? idOrWellKnown : known->second);
    return found == folders_.end() ? nullptr : &found->second;
}
const GraphStore::Folder* GraphStore::findFolder(const std::string& parent, const std::string& name) const {
    for (const auto* child : children(parent))
        if (sameName(child->name, name)) return child;
    return nullptr;
}
std::vector<const GraphStore::Folder*> GraphStore::children(const std::string& id) const {
    std::vector<const Folder*> found;
    for (const auto& [key, folder] : folders_)
        if (folder.parent == id) found.push_back(&folder);
    return found;
}
void GraphStore::removeFolder(const std::string& id) {
    for (const auto& mail : in(id)) remove(mail);
    folders_.erase(id);
}

std::string GraphStore::deliver(const std::string& folder, std::string bytes, std::string received, bool read) {
    const auto* into = findFolder(folder);
    if (into == nullptr) throw std::logic_error("no such folder: " + folder);
    const auto id = freshId("AAkALg");
    mails_[id] = {.id = id, .folder = into->id, .bytes = std::move(bytes), .received = std::move(received), .read = read};
    changed(into->id, id);
    return id;
}
GraphStore::Mail* GraphStore::find(const std::string& id) {
    const auto found = mails_.find(id);
    return found == mails_.end() ? nullptr : &found->second;
}
void GraphStore::changed(const std::string& folder, const std::string& id) { folders_.at(folder).changes.emplace_back(++now_, id); }
void GraphStore::markRead(const std::string& id, bool read) {
    auto& mail = mails_.at(id);
    mail.read = read;
    changed(mail.folder, id);
}
void GraphStore::move(const std::string& id, const std::string& folder) {
    auto& mail = mails_.at(id);
    const auto from = mail.folder;
    mail.folder = findFolder(folder)->id;
    changed(from, id);
    changed(mail.folder, id);
}
void GraphStore::remove(const std::string& id) {
    const auto from = mails_.at(id).folder;
    mails_.erase(id);
    changed(from, id);
}
std::vector<std::string> GraphStore::in(const std::string& folder) const {
    std::vector<std::string> found;
    const auto* where = findFolder(folder);
    for (const auto& [id, mail] : mails_)
        if (where != nullptr && mail.folder == where->id) found.push_back(id);
    return found;
}

std::string GraphStore::keep(State state) {
    const auto token = "R0usmcMDNGg-" + std::to_string(++tokens_) + "_" + std::string(600, 'k');  // as long as real ones get
    states_[token] = std::move(state);
    return token;
}

std::optional<GraphStore::Page> GraphStore::changes(const std::string& folder, const std::string& token, std::size_t pageSize) {
    State state{.folder = folder, .since = now_, .emptyLeft = emptyPages, .whole = true};
    if (token.empty()) {
        state.left = in(folder);
    } else {
        const auto found = states_.find(token);
        if (found == states_.end() || found->second.folder != folder) return std::nullopt;
        state = found->second;
    }
    const auto& log = folders_.at(folder).changes;
    if (state.round) {
        auto first = std::find_if(log.begin(), log.end(), [&state](const auto& each) { return each.first > state.since; });
        first -= std::min<std::ptrdiff_t>(static_cast<std::ptrdiff_t>(replays), first - log.begin());
        for (; first != log.end(); ++first) state.left.push_back(first->second);
        state.since = now_;
        state.round = false;
        state.emptyLeft = emptyPages;
    }
    Page page;
    if (state.emptyLeft > 0) {
        --state.emptyLeft;
        page.token = keep(std::move(state));
        return page;
    }
    const auto count = std::min(pageSize, state.left.size());
    for (std::size_t i = 0; i < count; ++i) {
        const auto* mail = find(state.left[i]);
        const bool here = mail != nullptr && mail->folder == folder;
        if (here || !state.whole) page.entries.emplace_back(state.left[i], here);
    }
    state.left.erase(state.left.begin(), state.left.begin() + static_cast<std::ptrdiff_t>(count));
    state.emptyLeft = emptyPages;
    page.last = state.left.empty();
    if (page.last) state.round = true, state.whole = false;
    page.token = keep(std::move(state));
    return page;
}

}  // namespace servers
