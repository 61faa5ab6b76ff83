#include "tests/plugin/store/store_world.h"

#include <algorithm>

using namespace store_test;
using plugin::Code;
using plugin::Reaction;
using simulation::InlineLoop;
using simulation::SimVfs;

namespace {

using Fate = SimVfs::Fate;

SimVfs::Judge nth(std::uint64_t n, Fate fate) {
    return [n, fate](SimVfs::Effect, std::uint64_t number, const std::string&) { return number == n ? fate : Fate::pass; };
}

/// Opens the database and writes numbers 1 to 12, three at a time. Answers those reported durable; the rest met an Error.
Numbers write(const SimVfs& vfs, std::vector<plugin::Error>& errors) {
    Numbers durable;
    InlineLoop loop;
    auto made = plugin::makeSqliteDatabase(simulated(vfs));
    if (!made) return errors.push_back(made.error()), durable;
    auto migrated = (*made)->migrate("test", numbers);
    if (!migrated) return errors.push_back(migrated.error()), durable;
    for (std::int64_t number = 1; number <= 12; number += 3) {
        std::vector<std::shared_ptr<plugin::Shared<plugin::Result<void>>>> answers;
        for (int i = 0; i < 3; ++i) answers.push_back(plugin::start(loop, (*made)->write(insert(number + i))));
        loop.runUntilIdle();
        for (int i = 0; i < 3; ++i)
            if (auto& answer = answers[static_cast<std::size_t>(i)]->get())
                durable.push_back(number + i);
            else
                errors.push_back(answer.error());
    }
    return durable;
}

Numbers reopened(const SimVfs& vfs) {
    auto sound = plugin::quickCheck("postern.db", vfs.name());
    if (!sound && vfs.exists("postern.db")) throw std::runtime_error(sound.error().what);
    InlineLoop loop;
    auto database = open(simulated(vfs));
    return stored(loop, *database);
}

bool holds(const Numbers& all, const Numbers& some) { return std::includes(all.begin(), all.end(), some.begin(), some.end()); }
bool whole(const Numbers& all) { return all.size() % 3 == 0; }

}  // namespace

SCENARIO("whichever write fails, what was reported durable is there and the rest is there in whole commits", "[store]") {
    GIVEN("a disk that fails once") {
        const auto fate = GENERATE(Fate::ioError, Fate::full);
        std::uint64_t n = 0, failures = 0;
        for (bool more = true; more;) {
            SimVfs vfs;
            vfs.judge(nth(++n, fate));
            std::vector<plugin::Error> errors;
            const auto durable = write(vfs, errors);
            more = vfs.effects() >= n;
            failures += !errors.empty();
            for (const auto& error : errors) {
                CHECK(error.reaction == Reaction::retryLater);
                CHECK(error.code == (fate == Fate::full ? Code::storeDiskFull : Code::storeUnavailable));
            }
            const auto after = reopened(vfs);
            CAPTURE(n, durable, after);
            CHECK(holds(after, durable));
            CHECK(whole(after));
            if (errors.empty()) CHECK(durable.size() == 12);
        }
        THEN("every one was tried") {
            CHECK(n > 20);
            CHECK(failures > 10);
        }
    }
}

SCENARIO("a database that could not be given its write-ahead log is not opened", "[store]") {
    const auto fate = GENERATE(Fate::ioError, Fate::full);
    std::uint64_t n = 0;
    for (bool more = true; more;) {
        SimVfs vfs;
        vfs.judge(nth(++n, fate));
        const auto made = plugin::makeSqliteDatabase(simulated(vfs));
        more = vfs.effects() >= n;
        CAPTURE(n);
        if (made) CHECK(vfs.content("postern.db").substr(18, 2) == "\2\2");  // the file format says "write-ahead log"
    }
    REQUIRE(n > 5);
}

SCENARIO("a process that dies between any two effects has lost nothing it reported", "[store]") {
    std::uint64_t n = 0;
    for (bool more = true; more;) {
        SimVfs vfs;
        vfs.judge(nth(++n, Fate::dead));
        std::vector<plugin::Error> errors;
        const auto durable = write(vfs, errors);
        more = vfs.effects() >= n;
        vfs.kill();
        vfs.judge({});
        const auto after = reopened(vfs);
        CAPTURE(n, durable, after);
        CHECK(holds(after, durable));
        CHECK(whole(after));
    }
    REQUIRE(n > 20);
}

SCENARIO("a power cut at any effect loses nothing that was reported durable", "[store]") {
    GIVEN("a disk that keeps what it likes of what was not synced") {
        const auto seed = GENERATE(range(std::uint64_t{0}, std::uint64_t{40}));
        std::uint64_t n = 0;
        for (bool more = true; more;) {
            SimVfs vfs;
            vfs.judge(nth(++n, Fate::dead));
            std::vector<plugin::Error> errors;
            const auto durable = write(vfs, errors);
            more = vfs.effects() >= n;
            SeededRandom chance(seed * 1000 + n);
            vfs.crash(seed == 0 ? nullptr : &chance);
            vfs.judge({});
            const auto after = reopened(vfs);
            CAPTURE(seed, n, durable, after);
            CHECK(holds(after, durable));
            CHECK(whole(after));
        }
        THEN("every effect was cut") { CHECK(n > 20); }
    }
}

SCENARIO("a power cut after a failed sync and a new start loses nothing", "[store]") {
    GIVEN("a commit whose sync failed, so that its pages are in the log but perhaps not on the disk") {
        SimVfs vfs;
        InlineLoop loop;
        {
            auto database = open(simulated(vfs));
            REQUIRE(loop.run(database->write(insert(1))));
            vfs.judge(
                [](SimVfs::Effect effect, std::uint64_t, const std::string&) { return effect == SimVfs::Effect::sync ? Fate::ioError : Fate::pass; });
            REQUIRE_FALSE(loop.run(database->write(insert(2))));
            vfs.judge([](SimVfs::Effect, std::uint64_t, const std::string&) { return Fate::dead; });
        }
        vfs.kill();
        WHEN("the next process begins by carrying the log over") {
            bool checkpointed = false;
            vfs.judge([&](SimVfs::Effect effect, std::uint64_t, const std::string& file) {
                checkpointed = checkpointed || (effect == SimVfs::Effect::sync && file == "postern.db");
                return Fate::pass;
            });
            auto database = open(simulated(vfs));
            THEN("new commits do not stand on pages that were never synced") {
                CHECK(checkpointed);
                REQUIRE(loop.run(database->write(insert(3))));
                const auto before = stored(loop, *database);
                vfs.crash();
                database.reset();
                CHECK(reopened(vfs) == before);
            }
        }
    }
}

SCENARIO("a full disk is told from a broken one", "[store]") {
    SimVfs vfs;
    InlineLoop loop;
    auto database = open(simulated(vfs));
    vfs.judge([](SimVfs::Effect effect, std::uint64_t, const std::string&) { return effect == SimVfs::Effect::write ? Fate::full : Fate::pass; });
    auto written = loop.run(database->write(insert(1)));
    REQUIRE_FALSE(written);
    CHECK(written.error().code == Code::storeDiskFull);
    CHECK(written.error().reaction == Reaction::retryLater);
    CHECK(written.error().what == "postern.db: database or disk is full");
    vfs.judge({});
    CHECK(loop.run(database->write(insert(1))));
}
