#include "tests/plugin/store/store_world.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sqlite3.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

using namespace store_test;
using plugin::Code;
using plugin::Reaction;
using simulation::InlineLoop;
using simulation::SimVfs;

namespace {

unsigned modeOf(const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 ? status.st_mode & 0777u : 0;
}

void execute(const std::string& path, const char* sql) {
    sqlite3* connection = nullptr;
    REQUIRE(sqlite3_open(path.c_str(), &connection) == SQLITE_OK);
    REQUIRE(sqlite3_exec(connection, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
    sqlite3_close(connection);
}

/// Nobody can write it, not even root. False: this file system has no such thing, or we may not.
bool makeImmutable(const std::string& path, bool immutable) {
    const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    int flags = 0;
    bool done = ::ioctl(file, FS_IOC_GETFLAGS, &flags) == 0;
    flags = immutable ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
    done = done && ::ioctl(file, FS_IOC_SETFLAGS, &flags) == 0;
    ::close(file);
    return done;
}

std::string codeOf(const plugin::SqliteOptions& options) {
    auto made = plugin::makeSqliteDatabase(options);
    return made ? "opened" : plugin::codeName(made.error().code) + (made.error().reaction == Reaction::askOperator ? " ask" : " retry");
}

}  // namespace

SCENARIO("a database is made private, and known again", "[store]") {
    GIVEN("an empty directory and a generous umask") {
        TemporaryDirectory directory;
        const auto path = (directory / "postern.db").string();
        const auto before = ::umask(0);
        WHEN("the database is made and written to") {
            InlineLoop loop;
            bool fresh = false;
            auto made = plugin::makeSqliteDatabase(onDisk(path), &fresh);
            REQUIRE(made);
            REQUIRE((*made)->migrate("test", numbers));
            REQUIRE(loop.run((*made)->write(insert(1))));
            THEN("only its owner may read any of its files") {
                CHECK(fresh);
                CHECK(modeOf(path) == 0600);
                CHECK(modeOf(path + "-wal") == 0600);
                CHECK(modeOf(path + "-shm") == 0600);
            }
            AND_WHEN("it is closed, given away by mistake and opened again") {
                made = plugin::Error{Reaction::retryLater, Code::storeUnavailable, "closed"};
                REQUIRE(::chmod(path.c_str(), 0644) == 0);
                auto again = plugin::makeSqliteDatabase(onDisk(path), &fresh);
                THEN("it is private again, and what it held is there") {
                    REQUIRE(again);
                    CHECK_FALSE(fresh);
                    CHECK(modeOf(path) == 0600);
                    CHECK((*again)->migrate("test", numbers));
                    CHECK(stored(loop, **again) == Numbers{1});
                }
            }
        }
        ::umask(before);
    }
}

SCENARIO("migrations are applied once, in order", "[store]") {
    SimVfs vfs;
    InlineLoop loop;
    auto database = open(simulated(vfs));
    REQUIRE(loop.run(database->write(insert(1))));
    GIVEN("a second version of the tables") {
        auto two = numbers;
        two.push_back({2, "CREATE TABLE test_more (a INTEGER); INSERT INTO test_number SELECT number + 100 FROM test_number; -- done"});
        WHEN("it is applied twice") {
            REQUIRE(database->migrate("test", two));
            REQUIRE(database->migrate("test", two));
            THEN("its effect is there once") { CHECK(stored(loop, *database) == Numbers{1, 101}); }
            AND_WHEN("an older program comes") {
                auto older = database->migrate("test", numbers);
                THEN("it is refused") {
                    REQUIRE_FALSE(older);
                    CHECK(older.error().code == Code::storeNewer);
                    CHECK(older.error().reaction == Reaction::askOperator);
                    CHECK(older.error().what == "postern.db: the tables of test are of version 2, this program knows them up to version 1");
                }
            }
        }
        WHEN("another owner has the same numbers") {
            REQUIRE(database->migrate("other", {{1, "CREATE TABLE other_table (a INTEGER)"}}));
            THEN("they do not mix") { CHECK(database->migrate("test", two)); }
        }
    }
    GIVEN("a migration that breaks half way") {
        const std::vector<plugin::Migration> broken{numbers.front(), {2, "DELETE FROM test_number; CREATE TABEL oops"}};
        REQUIRE_THROWS_AS(database->migrate("test", broken), std::logic_error);
        THEN("nothing of it is left") {
            CHECK(stored(loop, *database) == Numbers{1});
            CHECK(database->migrate("test", numbers));
        }
    }
    GIVEN("migrations out of order") {
        THEN("that is a bug") { CHECK_THROWS_AS(database->migrate("x", {{2, "SELECT 1"}, {1, "SELECT 1"}}), std::logic_error); }
    }
}

SCENARIO("a database that is not ours to use is refused with its reason", "[store]") {
    TemporaryDirectory directory;
    const auto path = (directory / "postern.db").string();
    GIVEN("a text file") {
        std::ofstream(path) << std::string(5000, 'x');
        THEN("it is damaged") {
            CHECK(codeOf(onDisk(path)) == "PO-7003 ask");
            CHECK(plugin::quickCheck(path).error().code == Code::storeDamaged);
        }
    }
    GIVEN("the database of another program") {
        execute(path, "CREATE TABLE theirs (a)");
        THEN("it is left alone") { CHECK(codeOf(onDisk(path)) == "PO-7001 ask"); }
    }
    GIVEN("a database of a later format") {
        open(onDisk(path)).reset();
        execute(path, "PRAGMA user_version = 2");
        THEN("it is refused as newer") { CHECK(codeOf(onDisk(path)) == "PO-7005 ask"); }
    }
    GIVEN("a directory that does not exist") {
        THEN("the operator is asked") { CHECK(codeOf(onDisk((directory / "no/postern.db").string())) == "PO-7001 ask"); }
    }
    GIVEN("a sound database") {
        open(onDisk(path)).reset();
        THEN("the check says so") { CHECK(plugin::quickCheck(path)); }
        AND_WHEN("a page of it is overwritten") {
            {
                std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
                file.seekp(4096);
                file << std::string(4096, '\x55');
            }
            THEN("it says so too") {
                auto checked = plugin::quickCheck(path);
                REQUIRE_FALSE(checked);
                CHECK(checked.error().code == Code::storeDamaged);
                CHECK(checked.error().reaction == Reaction::askOperator);
            }
        }
    }
    GIVEN("no file") {
        THEN("the check does not make one") {
            CHECK(plugin::quickCheck(path).error().code == Code::storeUnavailable);
            CHECK_FALSE(std::filesystem::exists(path));
        }
    }
}

SCENARIO("commands that only show open the database for reading", "[store]") {
    TemporaryDirectory directory;
    InlineLoop loop;
    auto options = onDisk((directory / "postern.db").string());
    auto readOnly = options;
    readOnly.readOnly = true;
    GIVEN("a database in use") {
        auto database = open(options);
        REQUIRE(loop.run(database->write(insert(1))));
        auto shown = open(readOnly);
        THEN("it is read beside the writer") {
            CHECK(stored(loop, *shown) == Numbers{1});
            REQUIRE(loop.run(database->write(insert(2))));
            CHECK(stored(loop, *shown) == Numbers{1, 2});
            CHECK_THROWS_AS(loop.run(shown->write(insert(3))), std::logic_error);
        }
        AND_WHEN("the command knows newer tables") {
            auto later = numbers;
            later.push_back({2, "SELECT 1"});
            THEN("it changes nothing and says why") { CHECK(shown->migrate("test", later).error().code == Code::storeUnavailable); }
        }
    }
    GIVEN("a database nobody has open") {
        auto database = open(options);
        REQUIRE(loop.run(database->write(insert(1))));
        database.reset();
        THEN("it is read too") { CHECK(stored(loop, *open(readOnly)) == Numbers{1}); }
    }
    GIVEN("one in which others have tables") {
        open(options).reset();
        THEN("whose they are can be told before they are looked at") {
            CHECK(*plugin::hasTablesOf(options.path, "test"));
            CHECK_FALSE(*plugin::hasTablesOf(options.path, "listener"));
        }
    }
    GIVEN("no database") {
        THEN("none is made") {
            CHECK(codeOf(readOnly) == "PO-7001 ask");
            CHECK_FALSE(std::filesystem::exists(options.path));
        }
    }
}

SCENARIO("a database that cannot be written is refused at once, not opened for reading without a word", "[store]") {
    TemporaryDirectory directory;
    const auto path = (directory / "postern.db").string();
    REQUIRE(codeOf({.path = path}) == "opened");
    if (!makeImmutable(path, true)) {
        WARN("no file can be made immutable here: not tested");
        return;
    }
    CHECK(codeOf({.path = path}).starts_with("PO-7001"));
    REQUIRE(makeImmutable(path, false));
    CHECK(codeOf({.path = path}) == "opened");
}
