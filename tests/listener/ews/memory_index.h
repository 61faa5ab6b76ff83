#pragma once

#include "listener/item_index.h"

#include <algorithm>
#include <map>
#include <set>
#include <stdexcept>

namespace listenertest {

/// What a MemoryIndex keeps beyond the life of a session.
struct IndexData {
    struct Folder {
        std::string key{};
        listener::IndexedFolder view{};
        std::map<std::uint64_t, listener::IndexedItem> items{};
        std::map<std::string, std::uint64_t> byId{};
        std::set<std::uint64_t> present{};
        std::set<std::uint64_t> shown{};  ///< by the listing under way
        bool listing = false;
    };
    std::map<std::int64_t, Folder> folders{};
    std::optional<plugin::Error> refuses{};  ///< instead of any answer
    std::size_t applied = 0;                 ///< transactions
};

/// An ItemIndex in memory, for tests of one thread.
class MemoryIndex final : public listener::ItemIndex {
public:
    explicit MemoryIndex(std::shared_ptr<IndexData> data) : data_(std::move(data)) {}

    Answer<listener::IndexedFolder> open(std::string key) override {
        if (data_->refuses) co_return *data_->refuses;
        for (const auto& [number, folder] : data_->folders)
            if (folder.key == key) co_return folder.view;
        const auto number = static_cast<std::int64_t>(data_->folders.size()) + 1;
        auto& folder = data_->folders[number];
        folder.key = key;
        folder.view = {.number = number, .validity = 7'000'000 + static_cast<std::uint64_t>(number)};
        co_return folder.view;
    }

    Answer<listener::IndexedFolder> apply(std::int64_t number, listener::IndexChanges changes) override {
        if (data_->refuses) co_return *data_->refuses;
        ++data_->applied;
        auto& folder = data_->folders.at(number);
        if (changes.first) folder.shown.clear(), folder.listing = true;
        for (const auto& item : changes.present) {
            const auto [found, isNew] = folder.byId.emplace(item.id, folder.view.next);
            if (isNew) folder.items[folder.view.next] = {folder.view.next, item.id, item.received}, ++folder.view.next;
            folder.present.insert(found->second);
            folder.shown.insert(found->second);
        }
        for (const auto& id : changes.gone)
            if (const auto found = folder.byId.find(id); found != folder.byId.end())
                folder.present.erase(found->second), folder.shown.erase(found->second);
        if (changes.last && folder.listing) folder.present = folder.shown, folder.listing = false, folder.view.whole = true;
        folder.view.exists = folder.present.size();
        folder.view.sync = changes.sync;
        co_return folder.view;
    }

    Answer<std::vector<listener::IndexedItem>> above(std::int64_t number, std::uint64_t ordinal, std::size_t limit) override {
        if (data_->refuses) co_return *data_->refuses;
        const auto& folder = data_->folders.at(number);
        std::vector<listener::IndexedItem> found;
        for (auto at = folder.present.upper_bound(ordinal); at != folder.present.end() && (limit == 0 || found.size() < limit); ++at)
            found.push_back(folder.items.at(*at));
        co_return found;
    }

    Answer<std::vector<listener::IndexedItem>> find(std::int64_t number, std::vector<std::uint64_t> ordinals) override {
        if (data_->refuses) co_return *data_->refuses;
        if (!std::is_sorted(ordinals.begin(), ordinals.end())) throw std::logic_error("ordinals do not rise");
        const auto& folder = data_->folders.at(number);
        std::vector<listener::IndexedItem> found;
        for (const auto ordinal : ordinals)
            if (const auto item = folder.items.find(ordinal); item != folder.items.end()) found.push_back(item->second);
        co_return found;
    }

private:
    std::shared_ptr<IndexData> data_;
};

}  // namespace listenertest
