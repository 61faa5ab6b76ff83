#pragma once

#include "listener/item_index.h"

#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace listenertest {

/// What an index keeps, beyond the life of a session. Strict: what the interface does not allow is a std::logic_error.
struct KeptIndex {
    struct Entry {
        listener::IndexedItem item;
        bool there = true;
        std::uint64_t listing = 0;  ///< that showed it last
    };
    struct Folder {
        listener::IndexedFolder told{};
        std::map<std::string, Entry> items{};
        std::uint64_t listing = 0;
        bool fromStart = false;  ///< a listing of all is under way
    };
    std::map<std::string, Folder> folders{};
    std::vector<std::string> keys{};  ///< by number
    std::size_t applied = 0;          ///< transactions
    std::optional<plugin::Error> refuses{};

    Folder& at(std::int64_t number) { return folders.at(keys.at(static_cast<std::size_t>(number))); }
};

/// An ItemIndex in memory, for tests of one thread.
class MemoryIndex final : public listener::ItemIndex {
public:
    explicit MemoryIndex(std::shared_ptr<KeptIndex> kept) : kept_(std::move(kept)) {}

    Answer<listener::IndexedFolder> open(std::string key) override {
        if (kept_->refuses) co_return *kept_->refuses;
        const auto [folder, fresh] = kept_->folders.try_emplace(key);
        if (fresh) {
            folder->second.told.number = static_cast<std::int64_t>(kept_->keys.size());
            folder->second.told.validity = 7'000 + kept_->keys.size();
            kept_->keys.push_back(key);
        }
        co_return folder->second.told;
    }

    Answer<listener::IndexedFolder> apply(std::int64_t number, listener::IndexChanges changes) override {
        if (kept_->refuses) co_return *kept_->refuses;
        auto& folder = kept_->at(number);
        auto& told = folder.told;
        if (changes.sync.empty()) throw std::logic_error("changes without what to ask with next");
        if (told.sync.empty() && !changes.first) throw std::logic_error("a listing that does not begin");
        ++kept_->applied;
        if (changes.first) ++folder.listing, folder.fromStart = true;
        for (auto& each : changes.present) {
            auto [entry, fresh] = folder.items.try_emplace(each.id);
            if (fresh) entry->second.item = {told.next++, each.id, each.received};
            entry->second.there = true;
            entry->second.listing = folder.listing;
            if (each.received) entry->second.item.received = each.received;
        }
        for (const auto& id : changes.gone)
            if (const auto entry = folder.items.find(id); entry != folder.items.end()) entry->second.there = false;
        if (changes.last && folder.fromStart) {
            for (auto& [id, entry] : folder.items)
                if (entry.listing != folder.listing) entry.there = false;
            folder.fromStart = false;
            told.whole = true;
        }
        told.sync = std::move(changes.sync);
        told.exists = 0;
        for (const auto& [id, entry] : folder.items) told.exists += entry.there ? 1U : 0U;
        co_return told;
    }

    Answer<std::vector<listener::IndexedItem>> above(std::int64_t number, std::uint64_t ordinal, std::size_t limit) override {
        std::map<std::uint64_t, listener::IndexedItem> sorted;
        for (const auto& [id, entry] : kept_->at(number).items)
            if (entry.there && entry.item.ordinal > ordinal) sorted[entry.item.ordinal] = entry.item;
        std::vector<listener::IndexedItem> found;
        for (auto& [key, item] : sorted)
            if (limit == 0 || found.size() < limit) found.push_back(std::move(item));
        co_return found;
    }

    Answer<std::vector<listener::IndexedItem>> find(std::int64_t number, std::vector<std::uint64_t> ordinals) override {
        std::map<std::uint64_t, listener::IndexedItem> known;
        for (const auto& [id, entry] : kept_->at(number).items) known[entry.item.ordinal] = entry.item;
        std::vector<listener::IndexedItem> found;
        for (const auto ordinal : ordinals)
            if (known.contains(ordinal)) found.push_back(known[ordinal]);
        co_return found;
    }

private:
    std::shared_ptr<KeptIndex> kept_;
};

}  // namespace listenertest
