#include "plugin/runtime/runtime.h"
#include "tests/plugin/store/store_world.h"

#include <atomic>
#include <thread>

using namespace store_test;
using plugin::Result;
using simulation::InlineLoop;
using simulation::SimVfs;

namespace {

using Answer = std::shared_ptr<plugin::Shared<Result<void>>>;

}  // namespace

SCENARIO("writers that wait at the same time share one commit", "[store]") {
    GIVEN("a database that counts its syncs") {
        SimVfs vfs;
        InlineLoop loop;
        auto database = open(simulated(vfs));
        REQUIRE(loop.run(database->write(insert(1000))));
        int syncs = 0;
        vfs.judge([&](SimVfs::Effect effect, std::uint64_t, const std::string&) {
            syncs += effect == SimVfs::Effect::sync;
            return SimVfs::Fate::pass;
        });
        WHEN("ten coroutines write a row each") {
            std::vector<Answer> answers;
            for (int i = 0; i < 10; ++i) answers.push_back(plugin::start(loop, database->write(insert(i))));
            loop.runUntilIdle();
            THEN("all are durable after one sync") {
                for (auto& answer : answers) CHECK(answer->get());
                CHECK(syncs == 1);
                CHECK(stored(loop, *database).size() == 11);
            }
        }
        WHEN("there are more of them than one commit takes") {
            std::vector<Answer> answers;
            for (int i = 0; i < 200; ++i) answers.push_back(plugin::start(loop, database->write(insert(i))));
            loop.runUntilIdle();
            THEN("they share a few") {
                for (auto& answer : answers) CHECK(answer->get());
                CHECK(syncs == 4);
            }
        }
    }
}

SCENARIO("a function that fails is rolled back alone", "[store]") {
    SimVfs vfs;
    InlineLoop loop;
    auto database = open(simulated(vfs));
    const plugin::Database::Function refuses = [](plugin::Transaction& transaction) -> Result<void> {
        transaction.prepare("INSERT INTO test_number VALUES (?)").bind(0, std::int64_t{2}).run();
        return plugin::Error{plugin::Reaction::setAside, plugin::Code::messageStaging, "changed my mind"};
    };
    const plugin::Database::Function breaks = [](plugin::Transaction& transaction) -> Result<void> {
        auto& half = transaction.prepare("SELECT value FROM (SELECT 1 AS value UNION SELECT 2)");
        half.step();
        transaction.prepare("INSERT INTO test_number VALUES (3)").run();
        throw std::logic_error("a bug");
    };
    GIVEN("an Error and an exception between two that succeed") {
        auto first = plugin::start(loop, database->write(insert(1)));
        auto second = plugin::start(loop, database->write(refuses));
        auto third = plugin::start(loop, database->write(breaks));
        auto fourth = plugin::start(loop, database->write(insert(4)));
        WHEN("they share a commit") {
            loop.runUntilIdle();
            THEN("each meets its own end, and only the two that succeeded are stored") {
                CHECK(first->get());
                REQUIRE_FALSE(second->get());
                CHECK(second->get().error().what == "changed my mind");
                CHECK_THROWS_WITH(third->get(), "a bug");
                CHECK(fourth->get());
                CHECK(stored(loop, *database) == Numbers{1, 4});
            }
        }
    }
    GIVEN("one that fails with nobody beside it") {
        REQUIRE_FALSE(loop.run(database->write(refuses)));
        REQUIRE_THROWS_WITH(loop.run(database->write(breaks)), "a bug");
        WHEN("another follows") {
            REQUIRE(loop.run(database->write(insert(5))));
            THEN("nothing of the first ones is left, not even an open transaction") { CHECK(stored(loop, *database) == Numbers{5}); }
        }
    }
    GIVEN("a function that breaks a constraint") {
        REQUIRE(loop.run(database->write(insert(1))));
        THEN("that is a bug of the function, not an Error") { CHECK_THROWS_AS(loop.run(database->write(insert(1))), std::logic_error); }
    }
    GIVEN("a function that ends the transaction it was given") {
        const plugin::Database::Function commits = [](plugin::Transaction& transaction) -> Result<void> {
            transaction.prepare("ROLLBACK").run();
            return {};
        };
        THEN("that is a bug, and the next one works") {
            CHECK_THROWS_AS(loop.run(database->write(commits)), std::logic_error);
            CHECK(loop.run(database->write(insert(7))));
        }
    }
}

SCENARIO("a failed commit fails everybody who shared it", "[store]") {
    SimVfs vfs;
    InlineLoop loop;
    auto database = open(simulated(vfs));
    GIVEN("a disk whose next sync fails") {
        vfs.judge([](SimVfs::Effect effect, std::uint64_t, const std::string&) {
            return effect == SimVfs::Effect::sync ? SimVfs::Fate::ioError : SimVfs::Fate::pass;
        });
        WHEN("three write together") {
            std::vector<Answer> answers;
            for (int i = 1; i <= 3; ++i) answers.push_back(plugin::start(loop, database->write(insert(i))));
            loop.runUntilIdle();
            THEN("none is told that it is durable; all may try again") {
                for (auto& answer : answers) {
                    REQUIRE_FALSE(answer->get());
                    CHECK(answer->get().error().reaction == plugin::Reaction::retryLater);
                    CHECK(answer->get().error().code == plugin::Code::storeUnavailable);
                }
                CHECK(stored(loop, *database).empty());
                AND_WHEN("the disk is well again") {
                    vfs.judge({});
                    THEN("writing goes on") {
                        CHECK(loop.run(database->write(insert(2))));
                        CHECK(stored(loop, *database) == Numbers{2});
                    }
                }
            }
        }
    }
}

namespace {

plugin::Task<void> writeMany(plugin::Database& database, std::int64_t from, std::atomic<int>& done) {
    for (std::int64_t number = from; number < from + 15; ++number) {
        auto function = insert(number);
        auto written = co_await database.write(std::move(function));
        if (!written) throw std::runtime_error(written.error().what);
        auto seen = std::make_shared<bool>(false);
        plugin::Database::Function look = [seen, number](plugin::Transaction& transaction) -> Result<void> {
            *seen = transaction.prepare("SELECT 1 FROM test_number WHERE number = ?").bind(0, number).step();
            return {};
        };
        auto read = co_await database.read(std::move(look));
        if (!read || !*seen) throw std::runtime_error("what was written is not seen");
        ++done;
    }
}

}  // namespace

SCENARIO("several loops write and read at the same time", "[store]") {
    GIVEN("two loops with a pool of four, and a real file") {
        TemporaryDirectory directory;
        auto database = open(onDisk((directory / "postern.db").string()));
        const auto clock = plugin::makeSystemClock();
        std::atomic<int> done = 0, failed = 0;
        const auto onFailure = [&](std::exception_ptr) { ++failed; };
        WHEN("each has ten coroutines that write, and read back what they wrote") {
            {
                auto workers = plugin::makeWorkerPool(4, onFailure);
                auto one = plugin::makeEpollLoop(*clock, *workers, onFailure), two = plugin::makeEpollLoop(*clock, *workers, onFailure);
                const auto runAll = [&](plugin::EpollLoop& loop, std::int64_t from) {
                    auto all = [](plugin::EpollLoop& where, plugin::Database& into, std::int64_t start,
                                  std::atomic<int>& count) -> plugin::Task<void> {
                        std::vector<std::shared_ptr<plugin::Shared<plugin::Nothing>>> running;
                        for (int i = 0; i < 10; ++i) running.push_back(plugin::start(where, writeMany(into, start + i * 100, count)));
                        for (auto& task : running) co_await task->wait(plugin::Deadline::max(), {});
                        where.quit();
                    };
                    loop.spawn(all(loop, *database, from, done));
                    loop.run();
                };
                std::thread beside([&] { runAll(*two, 10'000); });
                runAll(*one, 0);
                beside.join();
                workers.reset();
            }
            THEN("everything is there") {
                CHECK(failed == 0);
                CHECK(done == 300);
                InlineLoop loop;
                CHECK(stored(loop, *database).size() == 300);
            }
        }
    }
}
