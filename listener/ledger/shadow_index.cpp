#include "listener/item_index.h"
#include "listener/ledger/item_index_reading.h"
#include "listener/ledger/ledger.h"
#include "plugin/contract/asking.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace listener {
namespace {

using plugin::Result;

class ShadowIndex final : public ItemIndex {
public:
    ShadowIndex(plugin::Database& database, plugin::Clock& clock, std::string mailbox, std::string protocol)
        : database_(database), clock_(clock), mailbox_(std::move(mailbox)), protocol_(std::move(protocol)) {}

    Answer<IndexedFolder> open(std::string key) override {
        for (const auto& folder : folders_)
            if (folder.key == key) co_return folder.known;
        auto reading = plugin::ask<KnownItems>(database_, &plugin::Database::read,
                                               [mailbox = mailbox_, protocol = protocol_, key](plugin::Transaction& transaction) {
                                                   return readItems(transaction, mailbox, protocol, key);
                                               });
        auto found = co_await reading;
        if (!found) co_return found.error();
        Folder folder{.key = std::move(key), .known = std::move(found->folder)};
        folder.start = found->start;
        for (auto& item : found->items) folder.add(std::move(item));
        if (folder.known.validity == 0)
            folder.known.validity = static_cast<std::uint64_t>(std::chrono::floor<std::chrono::seconds>(clock_.wall().time_since_epoch()).count());
        folder.known.number = static_cast<std::int64_t>(folders_.size());
        folders_.push_back(std::move(folder));
        co_return folders_.back().known;
    }

    Answer<IndexedFolder> apply(std::int64_t number, IndexChanges changes) override {
        auto& folder = folders_.at(static_cast<std::size_t>(number));
        if (changes.first) folder.unseen = folder.numbers();
        for (auto& item : changes.present) folder.present(std::move(item));
        for (const auto& id : changes.gone) folder.gone(id);
        if (changes.last && folder.unseen) {
            for (const auto ordinal : *folder.unseen) folder.there.erase(ordinal);
            folder.unseen.reset();
            folder.known.whole = true;
        }
        folder.known.sync = std::move(changes.sync);
        folder.known.exists = folder.there.size();
        co_return folder.known;
    }

    Answer<std::vector<IndexedItem>> above(std::int64_t number, std::uint64_t ordinal, std::size_t limit) override {
        const auto& folder = folders_.at(static_cast<std::size_t>(number));
        std::vector<IndexedItem> items;
        for (auto at = folder.there.upper_bound(ordinal); at != folder.there.end() && (limit == 0 || items.size() < limit); ++at)
            items.push_back(folder.items.at(*at));
        co_return items;
    }

    Answer<std::vector<IndexedItem>> find(std::int64_t number, std::vector<std::uint64_t> ordinals) override {
        const auto& folder = folders_.at(static_cast<std::size_t>(number));
        std::vector<IndexedItem> items;
        for (const auto ordinal : ordinals)
            if (const auto item = folder.items.find(ordinal); item != folder.items.end()) items.push_back(item->second);
        co_return items;
    }

private:
    struct Folder {
        std::string key;
        IndexedFolder known{};
        std::map<std::uint64_t, IndexedItem> items{};  ///< there or not
        std::map<std::string, std::uint64_t> byId{};
        std::set<std::uint64_t> there{};
        std::set<std::uint64_t> unread{};                 ///< gone before anybody had read them
        std::optional<std::set<std::uint64_t>> unseen{};  ///< by a listing from the start that is under way
        plugin::Wall start = plugin::Wall::min();

        const std::set<std::uint64_t>& numbers() const { return there; }
        void add(KnownItems::Item item) {
            byId[item.item.id] = item.item.ordinal;
            if (item.there) there.insert(item.item.ordinal);
            if (!item.known) unread.insert(item.item.ordinal);
            items[item.item.ordinal] = std::move(item.item);
        }
        void present(IndexChanges::Item item) {
            auto found = byId.find(item.id);
            if (found != byId.end() && isBegunAnew(found->second, item)) {
                items.erase(found->second);
                byId.erase(std::exchange(found, byId.end()));
            }
            const auto ordinal = found != byId.end() ? found->second : known.next++;
            if (found == byId.end()) add({{ordinal, std::move(item.id), item.received}, true});
            there.insert(ordinal);
            if (unseen) unseen->erase(ordinal);
        }
        /// One that comes back and that nobody had read is met for the first time, as the service will do.
        bool isBegunAnew(std::uint64_t ordinal, const IndexChanges::Item& item) const {
            const auto received = item.received ? item.received : items.at(ordinal).received;
            return unread.contains(ordinal) && !there.contains(ordinal) && !(received && *received < start);
        }
        void gone(const std::string& id) {
            if (const auto found = byId.find(id); found != byId.end()) there.erase(found->second);
        }
    };

    plugin::Database& database_;
    plugin::Clock& clock_;
    const std::string mailbox_, protocol_;
    std::vector<Folder> folders_{};
};

}  // namespace

std::unique_ptr<ItemIndex> makeShadowIndex(plugin::Database& database, plugin::Clock& clock, std::string mailbox, std::string protocol) {
    return std::make_unique<ShadowIndex>(database, clock, std::move(mailbox), std::move(protocol));
}

}  // namespace listener
