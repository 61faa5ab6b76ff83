#include "listener/item_index.h"

#include "listener/ledger/item_index_reading.h"
#include "listener/ledger/ledger.h"
#include "listener/ledger/statements.h"
#include "listener/ledger/stored_form.h"
#include "listener/ledger/writing.h"
#include "plugin/contract/asking.h"

#include <algorithm>
#include <optional>

namespace listener {
namespace {

using plugin::Transaction;

constexpr std::uint64_t unseenAtOnce = 20'000;  ///< some ten milliseconds

std::uint64_t number(const plugin::Statement& row, int column) { return static_cast<std::uint64_t>(row.integer(column)); }

std::span<const std::uint8_t> bytes(const std::string& text) { return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()}; }

std::string text(std::span<const std::uint8_t> bytes) { return {reinterpret_cast<const char*>(bytes.data()), bytes.size()}; }

std::optional<plugin::Wall> maybeTime(const plugin::Statement& row, int column) {
    return row.isNull(column) ? std::nullopt : std::optional(stored::time(row.integer(column)));
}

void bindTime(plugin::Statement& row, int parameter, const std::optional<plugin::Wall>& time) {
    if (time)
        row.bind(parameter, stored::time(*time));
    else
        row.bindNull(parameter);
}

/// FNV-1a of the index's number and the id: a key for looking up, not against anybody's malice.
std::int64_t hashOf(std::int64_t index, const std::string& id) {
    std::uint64_t hash = 0xcbf29ce484222325;
    const auto add = [&hash](std::uint8_t octet) { hash = (hash ^ octet) * 0x100000001b3; };
    for (int shift = 0; shift < 64; shift += 8) add(static_cast<std::uint8_t>(static_cast<std::uint64_t>(index) >> shift));
    for (const char character : id) add(static_cast<std::uint8_t>(character));
    return static_cast<std::int64_t>(hash);
}

[[noreturn]] void begunAnew() {
    throw plugin::StoreError({plugin::Reaction::reconnect, plugin::Code::storeChanged, "an operator has restarted the mailbox meanwhile"});
}

struct Key {
    std::string mailbox, protocol, folder;
};

std::optional<IndexedFolder> find(Transaction& transaction, const Key& key) {
    auto& row = transaction.prepare(sql::selectIndex).bind(0, key.mailbox).bind(1, key.protocol).bindBlob(2, bytes(key.folder));
    if (!row.step()) return std::nullopt;
    IndexedFolder folder{.number = row.integer(0), .validity = number(row, 1), .next = number(row, 2), .exists = number(row, 3)};
    folder.sync = row.text(4);
    folder.whole = row.integer(5) != 0;
    folder.begun = stored::time(row.integer(6));
    row.reset();
    return folder;
}

/// Never used before in this mailbox, whatever the clock does: neither by an index nor by the record of a folder.
std::int64_t freshValidity(Transaction& transaction, std::int64_t mailbox, plugin::Wall now) {
    auto& row = transaction.prepare(
        "SELECT max((SELECT coalesce(max(validity), 0) FROM listener_index WHERE mailbox_id = ?1), (SELECT coalesce(max(validity), 0) FROM "
        "listener_folder WHERE mailbox_id = ?1 AND protocol <> 'imap'))");
    row.bind(0, mailbox).step();
    const auto used = row.integer(0);
    row.reset();
    return std::max(std::chrono::floor<std::chrono::seconds>(now.time_since_epoch()).count(), used + 1);
}

IndexedFolder begin(Transaction& transaction, const Key& key, plugin::Wall now) {
    if (auto known = find(transaction, key)) return *known;
    const auto mailbox = writing::mailboxId(transaction, key.mailbox);
    const auto validity = freshValidity(transaction, mailbox, now);
    transaction.prepare("INSERT INTO listener_index (mailbox_id, protocol, folder_key, validity, begun) VALUES (?, ?, ?, ?, ?)")
        .bind(0, mailbox)
        .bind(1, key.protocol)
        .bindBlob(2, bytes(key.folder))
        .bind(3, validity)
        .bind(4, stored::time(now))
        .run();
    return find(transaction, key).value();
}

/// One answer of the server, brought into an index.
class Applying {
public:
    Applying(Transaction& transaction, std::int64_t index, plugin::Wall now) : transaction_(transaction), index_(index), now_(stored::time(now)) {
        auto& row = transaction_.prepare(
            "SELECT validity, next, present, sync, whole, listing, under_way, begun FROM listener_index WHERE index_id = ? AND forgotten = 0");
        if (!row.bind(0, index).step()) begunAnew();
        folder_ = {.number = index, .validity = number(row, 0), .next = number(row, 1), .exists = number(row, 2)};
        folder_.sync = row.text(3);
        folder_.whole = row.integer(4) != 0;
        listing_ = row.integer(5);
        underWay_ = row.integer(6) != 0;
        folder_.begun = stored::time(row.integer(7));
        row.reset();
    }

    /// The last page of a listing of a large folder: what it has not shown is marked in steps, in which others write, and the page is the last one of
    /// them. A process that ends in between asks for that page again.
    bool endsLargeListing(const IndexChanges& changes) const { return changes.last && !changes.first && underWay_ && folder_.next > unseenAtOnce; }

    /// What that page shows. Answers the highest number there is.
    std::uint64_t bring(const IndexChanges& changes) {
        for (const auto& item : changes.present) present(item);
        write();
        return folder_.next - 1;
    }

    /// Of the numbers above `above`, so many as a step takes.
    void markUnseen(std::uint64_t above) {
        markUnseen(above, above + unseenAtOnce);
        write();
    }

    IndexedFolder apply(const IndexChanges& changes, bool marked = false) {
        const bool again = underWay_ && !changes.sync.empty() && changes.sync == folder_.sync;  // this very page was the last one
        if (changes.first && !again) {
            ++listing_;
            underWay_ = true;
            folder_.whole = false;
        }
        for (const auto& item : changes.present) present(item);
        for (const auto& id : changes.gone) gone(id);
        if (changes.last && underWay_) {
            if (!marked) markUnseen(0, folder_.next);  // all there is has been listed
            underWay_ = false;
            folder_.whole = true;
        }
        folder_.sync = changes.sync;
        write();
        return std::move(folder_);
    }

private:
    struct Item {
        std::uint64_t ordinal = 0;
        std::optional<plugin::Wall> received{};
        std::int64_t listing = 0;
        bool gone = false;
    };

    std::optional<Item> find(const std::string& id) {
        auto& row = transaction_.prepare(sql::selectItem).bind(0, hashOf(index_, id)).bind(1, index_).bindBlob(2, bytes(id));
        if (!row.step()) return std::nullopt;
        const Item item{number(row, 0), maybeTime(row, 1), row.integer(2), !row.isNull(3)};
        row.reset();
        return item;
    }

    void present(const IndexChanges::Item& item) {
        const auto known = find(item.id);
        const auto received = item.received || !known ? item.received : known->received;
        if (!known) {
            insert(item.id, received);
        } else if (known->gone && isUnread(*known, received)) {
            transaction_.prepare(sql::deleteItem).bind(0, index_).bind(1, stored::number(known->ordinal)).run();
            insert(item.id, received);
        } else if (known->gone || known->listing != listing_ || known->received != received) {
            update(*known, received, false);
        } else {
            return;
        }
        if (!known || known->gone) ++folder_.exists;
    }

    void gone(const std::string& id) {
        const auto known = find(id);
        if (!known || known->gone) return;
        update(*known, known->received, true);
        --folder_.exists;
    }

    void insert(const std::string& id, const std::optional<plugin::Wall>& received) {
        auto& row = transaction_.prepare(sql::insertItem);
        row.bind(0, index_).bind(1, stored::number(folder_.next)).bind(2, hashOf(index_, id)).bindBlob(3, bytes(id));
        bindTime(row, 4, received);
        row.bind(5, listing_).run();
        ++folder_.next;
    }

    void update(const Item& item, const std::optional<plugin::Wall>& received, bool gone) {
        auto& row = transaction_.prepare(sql::updateItem).bind(0, index_).bind(1, stored::number(item.ordinal));
        bindTime(row, 2, received);
        row.bind(3, gone ? item.listing : listing_);
        bindTime(row, 4, gone ? std::optional(stored::time(now_)) : std::nullopt);
        row.run();
    }

    /// Of one that comes back: the ledger knows nothing of it, since it went before anybody had read it. The folder's cursor is past its number, or
    /// will be when the round that is under way ends: it was not listed to that. One from before the start stays what it is.
    bool isUnread(const Item& item, const std::optional<plugin::Wall>& received) {
        if (!record_) record_ = readRecord();
        if (record_->folder == 0) return false;
        auto& row = transaction_.prepare(sql::selectRowAt);
        row.bind(0, record_->folder).bind(1, stored::number(folder_.validity)).bind(2, stored::number(item.ordinal));
        const bool known = row.step();
        row.reset();
        return !known && !(received && *received < record_->start);
    }

    struct Record {
        std::int64_t folder = 0;  ///< 0: there is none
        plugin::Wall start{};
    };

    Record readRecord() {
        Record record;
        auto& row = transaction_.prepare(sql::selectRecordOfIndex).bind(0, index_);
        if (!row.step()) return record;
        record = {row.integer(0), plugin::Wall::min()};
        if (stored::startKind(row.text(2)) != Start::Kind::all) record.start = stored::time(row.integer(3));
        row.reset();
        return record;
    }

    /// What the listing has not shown is gone.
    void markUnseen(std::uint64_t above, std::uint64_t upTo) {
        auto& mark = transaction_.prepare(sql::markUnseen).bind(0, index_).bind(1, listing_).bind(2, now_);
        mark.bind(3, stored::number(above)).bind(4, stored::number(upTo)).run();
        folder_.exists -= static_cast<std::uint64_t>(transaction_.changes());
    }

    void write() {
        transaction_.prepare("UPDATE listener_index SET next = ?, present = ?, sync = ?, whole = ?, listing = ?, under_way = ? WHERE index_id = ?")
            .bind(0, stored::number(folder_.next))
            .bind(1, stored::number(folder_.exists))
            .bind(2, folder_.sync)
            .bind(3, std::int64_t{folder_.whole})
            .bind(4, listing_)
            .bind(5, std::int64_t{underWay_})
            .bind(6, index_)
            .run();
    }

    Transaction& transaction_;
    const std::int64_t index_, now_;
    IndexedFolder folder_{};
    std::int64_t listing_ = 0;
    bool underWay_ = false;
    std::optional<Record> record_{};
};

class SqlItemIndex final : public ItemIndex {
public:
    SqlItemIndex(plugin::Database& database, plugin::Clock& clock, std::string mailbox, std::string protocol)
        : database_(database), clock_(clock), mailbox_(std::move(mailbox)), protocol_(std::move(protocol)) {}

    Answer<IndexedFolder> open(std::string key) override {
        const Key whole{mailbox_, protocol_, std::move(key)};
        auto reading = plugin::ask<std::optional<IndexedFolder>>(database_, &plugin::Database::read,
                                                                 [whole](Transaction& transaction) { return find(transaction, whole); });
        auto known = co_await reading;
        if (!known) co_return known.error();
        if (*known) co_return std::move(**known);
        auto writing = plugin::ask<IndexedFolder>(database_, &plugin::Database::write,
                                                  [whole, now = clock_.wall()](Transaction& transaction) { return begin(transaction, whole, now); });
        co_return co_await writing;
    }

    Answer<IndexedFolder> apply(std::int64_t folder, IndexChanges changes) override {
        const auto page = std::make_shared<const IndexChanges>(std::move(changes));
        const auto now = clock_.wall();
        struct Brought {
            std::optional<IndexedFolder> whole{};  ///< that was all
            std::uint64_t last = 0;
        };
        auto bringing = plugin::ask<Brought>(database_, &plugin::Database::write, [folder, page, now](Transaction& transaction) {
            Applying applying(transaction, folder, now);
            return applying.endsLargeListing(*page) ? Brought{.last = applying.bring(*page)} : Brought{.whole = applying.apply(*page)};
        });
        auto brought = co_await bringing;
        if (!brought) co_return brought.error();
        if (brought->whole) co_return std::move(*brought->whole);
        for (std::uint64_t above = 0; above < brought->last; above += unseenAtOnce) {
            auto marking = plugin::ask<void>(database_, &plugin::Database::write, [folder, above, now](Transaction& transaction) {
                Applying(transaction, folder, now).markUnseen(above);
            });
            const auto marked = co_await marking;
            if (!marked) co_return marked.error();
        }
        auto ending = plugin::ask<IndexedFolder>(database_, &plugin::Database::write, [folder, page, now](Transaction& transaction) {
            return Applying(transaction, folder, now).apply(*page, true);
        });
        co_return co_await ending;
    }

    Answer<std::vector<IndexedItem>> above(std::int64_t folder, std::uint64_t ordinal, std::size_t limit) override {
        return plugin::ask<std::vector<IndexedItem>>(database_, &plugin::Database::read, [folder, ordinal, limit](Transaction& transaction) {
            std::vector<IndexedItem> items;
            auto& row = transaction.prepare(sql::selectItemsAbove).bind(0, folder).bind(1, stored::number(ordinal));
            row.bind(2, limit == 0 ? std::int64_t{-1} : stored::number(limit));
            while (row.step()) items.push_back({number(row, 0), text(row.blob(1)), maybeTime(row, 2)});
            return items;
        });
    }

    Answer<std::vector<IndexedItem>> find(std::int64_t folder, std::vector<std::uint64_t> ordinals) override {
        return plugin::ask<std::vector<IndexedItem>>(
            database_, &plugin::Database::read, [folder, ordinals = std::move(ordinals)](Transaction& transaction) {
                std::vector<IndexedItem> items;
                for (const auto ordinal : ordinals) {
                    auto& row = transaction.prepare(sql::selectItemAt).bind(0, folder).bind(1, stored::number(ordinal));
                    if (row.step()) items.push_back({ordinal, text(row.blob(0)), maybeTime(row, 1)});
                    row.reset();
                }
                return items;
            });
    }

private:
    static std::optional<IndexedFolder> find(Transaction& transaction, const Key& key) { return listener::find(transaction, key); }

    plugin::Database& database_;
    plugin::Clock& clock_;
    const std::string mailbox_, protocol_;
};

}  // namespace

KnownItems readItems(plugin::Transaction& transaction, const std::string& mailbox, const std::string& protocol, const std::string& key) {
    KnownItems known;
    auto folder = find(transaction, {mailbox, protocol, key});
    if (!folder) return known;
    known.folder = std::move(*folder);
    // A listing that another process has under way is no business of ours.
    if (!known.folder.whole) known.folder.sync.clear();
    auto& row = transaction.prepare(sql::selectItems).bind(0, known.folder.number);
    while (row.step()) known.items.push_back({{number(row, 0), text(row.blob(1)), maybeTime(row, 2)}, row.isNull(3)});
    auto& record = transaction.prepare(sql::selectRecordOfIndex).bind(0, known.folder.number);
    if (!record.step()) return known;
    const auto folderId = record.integer(0);
    if (stored::startKind(record.text(2)) != Start::Kind::all) known.start = stored::time(record.integer(3));
    record.reset();
    for (auto& one : known.items) {
        if (one.there) continue;
        auto& at = transaction.prepare(sql::selectRowAt).bind(0, folderId).bind(1, stored::number(known.folder.validity));
        one.known = at.bind(2, stored::number(one.item.ordinal)).step();
        at.reset();
    }
    return known;
}

std::unique_ptr<ItemIndex> makeItemIndex(plugin::Database& database, plugin::Clock& clock, std::string mailbox, std::string protocol) {
    return std::make_unique<SqlItemIndex>(database, clock, std::move(mailbox), std::move(protocol));
}

}  // namespace listener
