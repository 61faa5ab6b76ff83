#include "tests/servers/ews_store.h"

#include "tests/servers/base64.h"

#include <algorithm>
#include <sstream>
#include <stdexcept>

namespace servers {

namespace {

std::string decoded(const std::string& state) {
    try {
        return fromBase64(state);
    } catch (const std::runtime_error&) {
        return {};
    }
}

}  // namespace

EwsStore::EwsStore() {
    for (const auto& [use, name] : std::vector<std::pair<std::string, std::string>>{{"inbox", "Posteingang"},
                                                                                    {"sentitems", "Sent Items"},
                                                                                    {"deleteditems", "Deleted Items"},
                                                                                    {"drafts", "Drafts"},
                                                                                    {"junkemail", "Junk Email"}})
        uses_[use] = addFolder("", name);
    addFolder("", "Calendar", "IPF.Appointment");
}

void EwsStore::furnish() {
    struct Kind {
        const char *use, *name, *folderClass, *element;
    };
    uses_["calendar"] = child("", "Calendar")->id;
    folders_[uses_["calendar"]].element = "CalendarFolder";
    for (const auto& kind : {Kind{"contacts", "Contacts", "IPF.Contact", "ContactsFolder"}, Kind{"tasks", "Tasks", "IPF.Task", "TasksFolder"},
                             Kind{"outbox", "Outbox", "IPF.Note", "Folder"}}) {
        uses_[kind.use] = addFolder("", kind.name, kind.folderClass);
        folders_[uses_[kind.use]].element = kind.element;
    }
}

/// Two after the other differ in the case of one letter alone.
std::string EwsStore::newId(const char* kind) {
    const int number = ids_++;
    return std::string("AAMkAG") + kind + std::to_string(number / 2) + (number % 2 == 0 ? "Qa+/Xy=" : "QA+/Xy=");
}

std::string EwsStore::addFolder(const std::string& parent, const std::string& name, const std::string& folderClass) {
    const auto id = newId("Folder");
    folders_[id] = EwsFolder{id, parent, name, folderClass};
    return id;
}

void EwsStore::removeFolder(std::string id) {  // a copy: it may stand in what is removed
    folders_.erase(id);
    history_.erase(id);
    std::erase_if(items_, [&id](const auto& each) { return each.second.folder == id; });
}

std::string EwsStore::add(EwsItem item) {
    if (!folders_.contains(item.folder)) throw std::logic_error("a message for a folder that is not there");
    item.number = ids_;
    item.id = newId("Item");
    const auto id = item.id;
    history_[item.folder].push_back({EwsChange::Kind::created, id});
    items_[id] = std::move(item);
    return id;
}

void EwsStore::remove(const std::string& id) {
    const auto found = items_.find(id);
    if (found == items_.end()) return;
    history_[found->second.folder].push_back({EwsChange::Kind::removed, id});
    items_.erase(found);
}

std::string EwsStore::move(const std::string& id, const std::string& folder) {
    auto copy = items_.at(id);
    copy.folder = folder;
    remove(id);
    return add(std::move(copy));
}

void EwsStore::markRead(const std::string& id) {
    auto& item = items_.at(id);
    item.isRead = true;
    history_[item.folder].push_back({EwsChange::Kind::read, id});
}

EwsItem* EwsStore::item(const std::string& id) {
    const auto found = items_.find(id);
    return found == items_.end() ? nullptr : &found->second;
}
EwsFolder* EwsStore::folder(const std::string& id) {
    const auto found = folders_.find(id);
    return found == folders_.end() ? nullptr : &found->second;
}
EwsFolder* EwsStore::child(const std::string& parent, const std::string& name) {
    for (auto& [id, folder] : folders_)
        if (folder.parent == parent && folder.name == name) return &folder;
    return nullptr;
}
std::vector<EwsItem*> EwsStore::itemsOf(const std::string& folder) {
    std::vector<EwsItem*> found;
    for (auto& [id, item] : items_)
        if (item.folder == folder) found.push_back(&item);
    return found;
}
std::string EwsStore::distinguished(const std::string& use) const {
    const auto found = uses_.find(use);
    return found == uses_.end() || !folders_.contains(found->second) ? std::string() : found->second;
}

std::string EwsStore::changedAt(const std::string& folder) const {
    const auto found = history_.find(folder);
    const auto seconds = found == history_.end() ? std::size_t{0} : found->second.size();
    char text[32];
    std::snprintf(text, sizeof text, "2026-11-22T%02zu:%02zu:%02zuZ", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    return text;
}

/// A state is "epoch folder low high offset": of what happened between low and high, the first so many were told.
std::optional<EwsStore::Page> EwsStore::changesSince(const std::string& folder, const std::string& state, std::size_t most) const {
    const auto found = history_.find(folder);
    static const std::vector<EwsChange> nothing;
    const auto& history = found == history_.end() ? nothing : found->second;
    std::size_t low = 0, high = history.size(), offset = 0;
    if (!state.empty()) {
        std::istringstream in(decoded(state));
        int epoch = 0;
        std::string whose;
        if (!(in >> epoch >> whose >> low >> high >> offset) || epoch != epoch_ || whose != folder || high > history.size()) return std::nullopt;
        if (low == high) high = history.size();
    }
    std::vector<EwsChange> net;
    std::set<std::string_view> created, seen;
    for (auto at = low; at < high; ++at)
        if (history[at].kind == EwsChange::Kind::created) created.insert(history[at].id);
    for (auto at = high; at > low; --at) {
        const auto& change = history[at - 1];
        if (!seen.insert(change.id).second) continue;
        const bool isNew = created.contains(change.id);
        const bool removed = change.kind == EwsChange::Kind::removed;
        if (isNew && removed) continue;
        net.push_back({isNew ? EwsChange::Kind::created : change.kind, change.id});
    }
    Page page;
    const auto end = std::min(net.size(), offset + most);
    page.changes.assign(net.begin() + static_cast<std::ptrdiff_t>(std::min(offset, net.size())), net.begin() + static_cast<std::ptrdiff_t>(end));
    page.last = end == net.size();
    if (page.last) low = high, offset = 0;
    const auto text = std::to_string(epoch_) + " " + folder + " " + std::to_string(low) + " " + std::to_string(high) + " " +
                      std::to_string(page.last ? 0 : end) + " ";
    page.state = base64(text + std::string((3 - text.size() % 3) % 3, ' '));
    return page;
}

}  // namespace servers
