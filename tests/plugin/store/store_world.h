#pragma once

#include "plugin/store/sqlite_database.h"
#include "tests/servers/temporary_directory.h"
#include "tests/simulation/inline_loop.h"
#include "tests/simulation/seeded_random.h"
#include "tests/simulation/sim_vfs.h"

#include <catch2/catch.hpp>

#include <string>

namespace store_test {

inline const std::vector<plugin::Migration> numbers{{1, "CREATE TABLE test_number (number INTEGER PRIMARY KEY) STRICT"}};

using servers::TemporaryDirectory;

using simulation::SeededRandom;

inline plugin::SqliteOptions simulated(const simulation::SimVfs& vfs) {
    plugin::SqliteOptions options;
    options.path = "postern.db";
    options.vfs = vfs.name();
    options.exclusive = true;
    return options;
}

inline plugin::SqliteOptions onDisk(const std::string& path) {
    plugin::SqliteOptions options;
    options.path = path;
    return options;
}

inline std::unique_ptr<plugin::Database> open(const plugin::SqliteOptions& options) {
    auto made = plugin::makeSqliteDatabase(options);
    if (!made) throw std::runtime_error(made.error().what);
    auto migrated = (*made)->migrate("test", numbers);
    if (!migrated) throw std::runtime_error(migrated.error().what);
    return std::move(*made);
}

inline plugin::Database::Function insert(std::int64_t number) {
    return [number](plugin::Transaction& transaction) -> plugin::Result<void> {
        transaction.prepare("INSERT INTO test_number VALUES (?)").bind(0, number).run();
        return {};
    };
}

inline std::vector<std::int64_t> numbersIn(plugin::Transaction& transaction) {
    std::vector<std::int64_t> found;
    auto& rows = transaction.prepare("SELECT number FROM test_number ORDER BY number");
    while (rows.step()) found.push_back(rows.integer(0));
    return found;
}

inline std::vector<std::int64_t> stored(simulation::InlineLoop& loop, plugin::Database& database) {
    auto found = std::make_shared<std::vector<std::int64_t>>();
    auto read = loop.run(database.read([found](plugin::Transaction& transaction) -> plugin::Result<void> {
        *found = numbersIn(transaction);
        return {};
    }));
    if (!read) throw std::runtime_error(read.error().what);
    return *found;
}

using Numbers = std::vector<std::int64_t>;

}  // namespace store_test
