#pragma once

#include "listener/ledger/ledger.h"
#include "listener/ledger/stored_form.h"
#include "plugin/store/sqlite_database.h"
#include "tests/simulation/inline_loop.h"
#include "tests/simulation/sim_vfs.h"

#include <catch2/catch.hpp>

namespace ledger_test {

using listener::AfterAction;
using listener::MessageState;
using listener::Settled;
using listener::Start;
using Ordinals = std::vector<std::uint64_t>;

inline plugin::Wall at(std::int64_t seconds) { return plugin::Wall{std::chrono::seconds{seconds}}; }
inline const AfterAction moved{AfterAction::Kind::move, "Erledigt/\xc3\x84ltere"};

/// The value of a Result that is no Error.
template <class T>
T must(plugin::Result<T> result) {
    if (!result) throw std::runtime_error(plugin::describe(result.error()));
    return std::move(*result);
}
inline void must(plugin::Result<void> result) {
    if (!result) throw std::runtime_error(plugin::describe(result.error()));
}

/// A delivery id that says mailbox, validity and ordinal, in the order of time.
inline std::string idOf(std::uint64_t ordinal, std::uint64_t validity = 7, std::uint8_t mailbox = 1) {
    listener::stored::Id id{};
    for (std::size_t i = 0; i < 8; ++i) id[i + 1] = static_cast<std::uint8_t>(ordinal >> (8 * (7 - i)));
    id[10] = static_cast<std::uint8_t>(validity);
    id[11] = mailbox;
    return listener::stored::deliveryId(id);
}

inline Settled settled(std::uint64_t ordinal, AfterAction after = {}, std::vector<std::string> sinks = {"archive"}, std::uint64_t validity = 7) {
    Settled one;
    one.message.id = idOf(ordinal, validity);
    one.message.position = {std::to_string(validity) + ":" + std::to_string(ordinal), ordinal};
    one.message.received = at(1'700'000'000 + static_cast<std::int64_t>(ordinal));
    one.message.messageId = "<" + std::to_string(ordinal) + "@example.com>";
    one.message.matchKey.fill(static_cast<std::uint8_t>(ordinal));
    listener::Digest digest{};
    digest[0] = static_cast<std::uint8_t>(ordinal);
    one.message.content = listener::Content(std::make_shared<const std::string>("a mail"), digest);
    for (auto& sink : sinks) one.verdicts.push_back({std::move(sink), false});
    one.after = std::move(after);
    return one;
}

inline listener::FolderRecord inbox(std::uint64_t validity = 7) {
    listener::FolderRecord record;
    record.mailbox = "sales";
    record.protocol = "imap";
    record.name = "INBOX";
    record.validity = validity;
    return record;
}

/// A ledger on a simulated disk. Reopened by making another one over the same files.
class World {
public:
    explicit World(simulation::SimVfs& vfs) {
        plugin::SqliteOptions options;
        options.path = "postern.db";
        options.vfs = vfs.name();
        options.exclusive = true;
        database_ = must(plugin::makeSqliteDatabase(options));
        must(database_->migrate(listener::ledgerOwner, listener::ledgerMigrations()));
        ledger_ = listener::makeLedger(*database_, loop.clock());
    }

    template <class T>
    T run(plugin::Task<plugin::Result<T>> task) {
        return must(loop.run(std::move(task)));
    }
    listener::Ledger* operator->() { return ledger_.get(); }
    plugin::Database& database() { return *database_; }

    listener::FolderRecord folder(std::string name = "INBOX") {
        auto found = run(ledger_->folder("sales", "imap", std::move(name)));
        if (!found) throw std::runtime_error("the folder is not known");
        return *found;
    }
    std::vector<listener::LedgerRow> rows(listener::LedgerQuery query = {}) { return run(ledger_->rows(std::move(query))); }

    simulation::InlineLoop loop{};

private:
    std::unique_ptr<plugin::Database> database_{};
    std::unique_ptr<listener::Ledger> ledger_{};
};

}  // namespace ledger_test
