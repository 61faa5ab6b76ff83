#include "tests/plugin/store/store_world.h"

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

using namespace store_test;
using plugin::Code;
using plugin::Reaction;
using plugin::Result;
using simulation::InlineLoop;

namespace {

/// Reads a number and writes it back one higher, `times` times: loses steps if two do it at once.
bool count(const std::string& path, int times) {
    InlineLoop loop;
    auto database = open(onDisk(path));
    for (int i = 0; i < times; ++i) {
        auto written = loop.run(database->write([](plugin::Transaction& transaction) -> Result<void> {
            auto& row = transaction.prepare("SELECT max(number) FROM test_number");
            row.step();
            const auto next = row.integer(0) + 1;
            transaction.prepare("UPDATE test_number SET number = ?").bind(0, next).run();
            return {};
        }));
        if (!written) return false;
    }
    return true;
}

}  // namespace

SCENARIO("two processes write in turn", "[store]") {
    GIVEN("a row both of them count up") {
        TemporaryDirectory directory;
        const auto path = (directory / "postern.db").string();
        InlineLoop loop;
        REQUIRE(loop.run(open(onDisk(path))->write(insert(0))));
        WHEN("they do so at the same time") {
            const auto child = ::fork();
            if (child == 0) {
                bool good = false;
                try {
                    good = count(path, 25);
                } catch (...) {  // told by the exit status
                }
                ::_exit(good ? 0 : 1);
            }
            REQUIRE(child > 0);
            const bool good = count(path, 25);
            int status = -1;
            REQUIRE(::waitpid(child, &status, 0) == child);
            THEN("no step is lost") {
                CHECK(good);
                CHECK(status == 0);
                CHECK(stored(loop, *open(onDisk(path))) == Numbers{50});
            }
        }
    }
}

SCENARIO("a process that holds the database too long is waited for, not for ever", "[store]") {
    GIVEN("a database opened twice") {
        TemporaryDirectory directory;
        InlineLoop loop, other;
        auto options = onDisk((directory / "postern.db").string());
        auto database = open(options);
        options.busyTimeout = std::chrono::milliseconds{20};
        auto impatient = open(options);
        WHEN("one writes while the other is in the middle of a transaction") {
            Result<void> second;
            REQUIRE(loop.run(database->write([&](plugin::Transaction& transaction) -> Result<void> {
                transaction.prepare("INSERT INTO test_number VALUES (1)").run();
                second = other.run(impatient->write(insert(2)));
                return {};
            })));
            THEN("it is told to try later, and then may") {
                REQUIRE_FALSE(second);
                CHECK(second.error().code == Code::storeUnavailable);
                CHECK(second.error().reaction == Reaction::retryLater);
                CHECK(other.run(impatient->write(insert(2))));
                CHECK(stored(loop, *database) == Numbers{1, 2});
            }
        }
    }
}

SCENARIO("of several that open a new file at once none is turned away", "[store]") {
    for (int round = 0; round < 20; ++round) {
        TemporaryDirectory directory;
        const auto path = (directory / "postern.db").string();
        std::atomic<int> waiting{6}, opened{0};
        std::vector<std::thread> all;
        for (int i = 0; i < 6; ++i)
            all.emplace_back([&] {
                --waiting;
                while (waiting > 0) std::this_thread::yield();
                if (plugin::makeSqliteDatabase(onDisk(path))) ++opened;
            });
        for (auto& one : all) one.join();
        CHECK(opened == 6);
    }
}
