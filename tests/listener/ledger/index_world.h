#pragma once

#include "listener/item_index.h"
#include "tests/listener/ledger/ledger_world.h"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace ledger_test {

using listener::IndexChanges;
using listener::IndexedFolder;
using listener::ItemIndex;
using Ids = std::vector<std::string>;

constexpr const char* inboxKey = "AAMkAGI2=inbox";

/// An index over a ledger, as a session sees it.
struct Indexed {
    explicit Indexed(simulation::SimVfs& vfs, std::string by = "graph") : ledger(vfs), protocol(std::move(by)) {}
    World ledger;
    std::string protocol;
    std::unique_ptr<ItemIndex> index = listener::makeItemIndex(ledger.database(), ledger.loop.clock(), "sales", protocol);

    IndexedFolder open(std::string key = inboxKey) { return ledger.run(index->open(std::move(key))); }
    IndexedFolder apply(std::int64_t folder, IndexChanges changes) { return ledger.run(index->apply(folder, std::move(changes))); }
    std::map<std::uint64_t, std::string> present(std::int64_t folder) {
        std::map<std::uint64_t, std::string> all;
        for (const auto& item : ledger.run(index->above(folder, 0, 0))) all.emplace(item.ordinal, item.id);
        return all;
    }
};

inline IndexChanges page(const Ids& present, std::string sync, Ids gone = {}) {
    IndexChanges changes{.gone = std::move(gone), .sync = std::move(sync)};
    for (const auto& id : present) changes.present.push_back({id, at(1'700'000'000)});
    return changes;
}
inline IndexChanges firstPage(const Ids& present, std::string sync) {
    auto changes = page(present, std::move(sync));
    changes.first = true;
    return changes;
}
inline IndexChanges lastPage(const Ids& present, std::string sync, Ids gone = {}) {
    auto changes = page(present, std::move(sync), std::move(gone));
    changes.last = true;
    return changes;
}
inline IndexChanges wholeListing(const Ids& present, std::string sync) {
    auto changes = firstPage(present, std::move(sync));
    changes.last = true;
    return changes;
}

/// What a round makes of such a folder: a record, and of the delivered ones a row.
inline std::int64_t recordOf(Indexed& world, const IndexedFolder& folder, Start start, std::uint64_t cursor, const Ordinals& delivered) {
    listener::FolderRecord record{.mailbox = "sales", .protocol = world.protocol, .name = "INBOX", .validity = folder.validity, .start = start};
    const auto id = world.ledger.run(world.ledger->beginFolder(record)).id;
    std::vector<Settled> rows;
    for (const auto ordinal : delivered) {
        rows.push_back(settled(ordinal));
        rows.back().message.position.text = world.present(folder.number).at(ordinal);
    }
    const auto batch = world.ledger.run(world.ledger->intend(id, delivered));
    world.ledger.run(world.ledger->settle(id, batch, std::move(rows), cursor));
    return id;
}

}  // namespace ledger_test
