#include "tests/plugin/store/store_world.h"

using namespace store_test;
using plugin::Result;
using simulation::InlineLoop;
using simulation::SimVfs;

SCENARIO("readers see what is committed, as it was when they began", "[store]") {
    GIVEN("a database opened twice, as two processes would") {
        TemporaryDirectory directory;
        InlineLoop loop, other;
        auto database = open(onDisk((directory / "postern.db").string()));
        auto second = open(onDisk((directory / "postern.db").string()));
        REQUIRE(loop.run(database->write(insert(1))));
        WHEN("somebody reads while a function has written but not committed") {
            Numbers sameDatabase, otherDatabase;
            REQUIRE(loop.run(database->write([&](plugin::Transaction& transaction) -> Result<void> {
                transaction.prepare("INSERT INTO test_number VALUES (2)").run();
                sameDatabase = stored(other, *database);
                otherDatabase = stored(other, *second);
                return {};
            })));
            THEN("the row is not there yet") {
                CHECK(sameDatabase == Numbers{1});
                CHECK(otherDatabase == Numbers{1});
                AND_THEN("it is afterwards") { CHECK(stored(other, *second) == Numbers{1, 2}); }
            }
        }
        WHEN("somebody commits while a function reads") {
            Numbers before, after;
            REQUIRE(loop.run(database->read([&](plugin::Transaction& transaction) -> Result<void> {
                before = numbersIn(transaction);
                if (!other.run(second->write(insert(3)))) throw std::runtime_error("not written");
                after = numbersIn(transaction);
                return {};
            })));
            THEN("its view stays") {
                CHECK(before == Numbers{1});
                CHECK(after == before);
                CHECK(stored(loop, *database) == Numbers{1, 3});
            }
        }
        WHEN("a function leaves rows unread") {
            REQUIRE(loop.run(database->read([](plugin::Transaction& transaction) -> Result<void> {
                transaction.prepare("SELECT number FROM test_number").step();
                return {};
            })));
            REQUIRE(loop.run(database->write(insert(4))));
            THEN("the next reader has a view of its own time") { CHECK(stored(loop, *database) == Numbers{1, 4}); }
        }
    }
}

SCENARIO("a reading function that writes is a bug and changes nothing", "[store]") {
    InlineLoop loop;
    GIVEN("a database with connections for readers") {
        TemporaryDirectory directory;
        auto database = open(onDisk((directory / "postern.db").string()));
        auto read = loop.run(database->read(insert(1)));
        THEN("it is refused") {
            REQUIRE_FALSE(read);
            CHECK(stored(loop, *database).empty());
        }
    }
    GIVEN("one connection for everything") {
        SimVfs vfs;
        auto database = open(simulated(vfs));
        auto read = loop.run(database->read(insert(1)));
        THEN("it is undone") {
            REQUIRE(read);
            CHECK(stored(loop, *database).empty());
        }
    }
}

SCENARIO("values come back as they were bound", "[store]") {
    GIVEN("a table of everything") {
        SimVfs vfs;
        InlineLoop loop;
        auto database = open(simulated(vfs));
        REQUIRE(database->migrate("values", {{1, "CREATE TABLE values_all (a INTEGER, b TEXT, c BLOB, d INTEGER) STRICT"}}));
        const std::string text("nul \0 \xc3\xa4", 8);
        const std::vector<std::uint8_t> blob{0, 1, 255};
        WHEN("a row and a row of empty values are written") {
            REQUIRE(loop.run(database->write([&](plugin::Transaction& transaction) -> Result<void> {
                auto& row = transaction.prepare("INSERT INTO values_all VALUES (?, ?, ?, ?)");
                row.bind(0, std::int64_t{-1}).bind(1, text).bindBlob(2, blob).bindNull(3).run();
                CHECK(transaction.lastInsertId() == 1);
                CHECK(transaction.changes() == 1);
                row.bind(1, std::string_view{}).bindBlob(2, {}).run();
                return {};
            })));
            THEN("they are read as written; an empty value is not NULL, and what was bound is forgotten after a step") {
                REQUIRE(loop.run(database->read([&](plugin::Transaction& transaction) -> Result<void> {
                    auto& row = transaction.prepare("SELECT * FROM values_all ORDER BY rowid");
                    REQUIRE(row.step());
                    CHECK(row.integer(0) == -1);
                    CHECK(row.text(1) == text);
                    CHECK(std::vector<std::uint8_t>(row.blob(2).begin(), row.blob(2).end()) == blob);
                    CHECK(row.isNull(3));
                    REQUIRE(row.step());
                    CHECK(row.isNull(0));
                    CHECK_FALSE(row.isNull(1));
                    CHECK_FALSE(row.isNull(2));
                    CHECK_FALSE(row.step());
                    return {};
                })));
            }
        }
    }
}
