#pragma once

#include "plugin/store/sqlite_database.h"
#include "tests/simulation/inline_loop.h"
#include "tests/simulation/sim_vfs.h"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace store_test {

inline const std::vector<plugin::Migration> numbers{{1, "CREATE TABLE test_number (number INTEGER PRIMARY KEY) STRICT"}};

/// A directory of this test's own, gone with it.
class TemporaryDirectory {
public:
    TemporaryDirectory() {
        std::string pattern = (std::filesystem::temp_directory_path() / "postern-store-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("no temporary directory");
        path_ = pattern;
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    ~TemporaryDirectory() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    std::string file(const std::string& name) const { return path_ + "/" + name; }

private:
    std::string path_;
};

/// Chance that is the same again for the same seed.
class SeededRandom final : public plugin::Random {
public:
    explicit SeededRandom(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15 + 1) {}
    void fill(std::span<std::uint8_t> bytes) override {
        for (auto& byte : bytes) {
            state_ ^= state_ << 13, state_ ^= state_ >> 7, state_ ^= state_ << 17;
            byte = static_cast<std::uint8_t>(state_ >> 32);
        }
    }

private:
    std::uint64_t state_;
};

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
