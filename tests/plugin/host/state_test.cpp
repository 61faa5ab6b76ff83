#include "plugin/host/state.h"

#include "plugin/contract/database.h"
#include "tests/plugin/host/host_fakes.h"

#include <catch2/catch.hpp>

using namespace plugin;
using namespace plugin::host;

namespace {

/// A directory that is opened and closed as processes do it.
struct Life {
    fakes::Folder folder{};
    fakes::Clock clock{};
    fakes::Random random{};
    fakes::Log log{};

    DataDirectory directory() { return std::move(*DataDirectory::open(folder / "data")); }
    std::string database() const { return folder / "data/postern.db"; }
    /// One process: opens, brings a table, ends in order or not.
    std::optional<Wall> run(bool clean) {
        const auto here = directory();
        std::optional<Wall> lost;
        {
            auto state = openState(here, clock, random, log);
            REQUIRE(state);
            REQUIRE(state->database);
            REQUIRE(state->database->migrate("sample", {{1, "CREATE TABLE sample_notes(id INTEGER PRIMARY KEY, text TEXT)"}}));
            lost = state->stateLost;
        }
        if (clean) REQUIRE(markClean(here));
        clock.advance(std::chrono::minutes(1));
        return lost;
    }
    int asideCount() const {
        int count = 0;
        for (const auto& entry : std::filesystem::directory_iterator(folder / "data"))
            if (entry.path().filename().string().starts_with("postern.db.damaged-")) ++count;
        return count;
    }
    void damage() {
        auto bytes = fakes::content(database());
        REQUIRE(bytes.size() > 4096);
        for (std::size_t i = 4096; i < bytes.size(); ++i) bytes[i] = 'x';
        fakes::write(database(), bytes);
    }
};

}  // namespace

SCENARIO("a lost database is noticed, told and never forgotten", "[state]") {
    Life life;
    GIVEN("a directory that is used for the first time") {
        THEN("nothing is lost, nor at the second start") {
            REQUIRE_FALSE(life.run(true));
            REQUIRE_FALSE(life.run(true));
        }
        THEN("nothing is lost after an unclean stop with a database that holds together") {
            REQUIRE_FALSE(life.run(false));
            REQUIRE_FALSE(life.run(false));
        }
    }
    GIVEN("a directory that has been used") {
        life.run(true);
        WHEN("its database is removed, or is an empty file") {
            const bool emptied = GENERATE(false, true);
            std::filesystem::remove(life.database());
            if (emptied) fakes::write(life.database(), "");
            const auto lost = life.run(GENERATE(true, false));
            THEN("that is a loss, the same one at every later start") {
                REQUIRE(lost);
                REQUIRE(life.run(true) == lost);
                REQUIRE(life.run(false) == lost);
                REQUIRE(life.log.text().find("PO-7004") != std::string::npos);
            }
            THEN("another loss is another moment, even if the clock stands still") {
                std::filesystem::remove(life.database());
                const auto second = life.run(true);
                REQUIRE(second);
                REQUIRE(*second > *lost);
            }
        }
        WHEN("its database is no database any more, although it was closed in order") {
            fakes::write(life.database(), std::string(8192, 'x'));
            const auto lost = life.run(true);
            THEN("it is moved aside and a new one begun") {
                REQUIRE(lost);
                REQUIRE(life.asideCount() == 1);
                REQUIRE(life.run(true) == lost);
            }
        }
        WHEN("an empty database was put in its place") {
            std::filesystem::remove(life.database());
            fakes::write(life.folder / "data/instance.json", fakes::content(life.folder / "data/instance.json"));
            fakes::write(life.database(), "");
            THEN("that is a loss too") { REQUIRE(life.run(true)); }
        }
        WHEN("instance.json cannot be understood and the database is there") {
            fakes::write(life.folder / "data/instance.json", "{");
            THEN("nothing is lost, and it is written anew") {
                REQUIRE_FALSE(life.run(true));
                REQUIRE(fakes::content(life.folder / "data/instance.json").find("\"clean\": true") != std::string::npos);
            }
        }
        WHEN("instance.json cannot be understood and the database is gone") {
            fakes::write(life.folder / "data/instance.json", "{");
            std::filesystem::remove(life.database());
            THEN("that is a loss") { REQUIRE(life.run(true)); }
        }
    }
    GIVEN("a process that was killed, and pages of its database that make no sense") {
        life.run(false);
        life.damage();
        const auto lost = life.run(true);
        THEN("the check finds it, and what is left is kept for people") {
            REQUIRE(lost);
            REQUIRE(life.asideCount() == 1);
        }
    }
    GIVEN("a process that was killed right after it noted a loss, before the new database was there") {
        life.run(true);
        std::filesystem::remove(life.database());
        const auto lost = life.run(false);
        std::filesystem::remove(life.database());
        THEN("the next one notes it again") {
            const auto again = life.run(true);
            REQUIRE(again);
            REQUIRE(*again > *lost);
        }
    }
}

SCENARIO("commands see the state without changing it", "[state]") {
    Life life;
    GIVEN("no data directory") {
        auto state = openStateToRead(life.folder / "data");
        THEN("there is no database, and none is made") {
            REQUIRE(state);
            REQUIRE_FALSE(state->database);
            REQUIRE_FALSE(std::filesystem::exists(life.folder / "data"));
        }
    }
    GIVEN("a database that was lost, and a command that writes before the service has noticed") {
        life.run(true);
        std::filesystem::remove(life.database());
        auto directory = life.directory();
        auto state = openStateToWrite(directory, life.clock, life.random, life.log);
        REQUIRE(state);
        THEN("the loss is noted by the command") { REQUIRE(state->stateLost); }
        AND_THEN("the service is told of it later") {
            const auto lost = state->stateLost;
            state->database.reset();
            directory.release();
            REQUIRE(life.run(true) == lost);
        }
    }
    GIVEN("a lost database while another process holds the directory") {
        life.run(true);
        std::filesystem::remove(life.database());
        auto holder = life.directory();
        REQUIRE(holder.lock());
        auto directory = life.directory();
        const auto state = openStateToWrite(directory, life.clock, life.random, life.log);
        THEN("the command does not begin one beside it") {
            REQUIRE_FALSE(state);
            REQUIRE(state.error().code == Code::storeLocked);
            REQUIRE_FALSE(std::filesystem::exists(life.database()));
        }
    }
}

SCENARIO("a database file that goes away under a running service is noticed from outside", "[state]") {
    Life life;
    const auto directory = life.directory();
    auto state = openState(directory, life.clock, life.random, life.log);
    REQUIRE(state);
    const DatabaseFile file(directory);
    CHECK_FALSE(file.lost());
    WHEN("it is removed") {
        std::filesystem::remove(life.database());
        THEN("it is lost") {
            REQUIRE(file.lost());
            CHECK(file.lost()->code == Code::storeStateLost);
            CHECK(file.lost()->what.find("was removed") != std::string::npos);
        }
    }
    WHEN("another file takes its name") {
        std::filesystem::copy_file(life.database(), life.database() + ".copy");
        std::filesystem::rename(life.database() + ".copy", life.database());
        THEN("it is lost too") {
            REQUIRE(file.lost());
            CHECK(file.lost()->what.find("was replaced") != std::string::npos);
        }
    }
    WHEN("its directory is moved away") {
        std::filesystem::rename(life.folder / "data", life.folder / "elsewhere");
        THEN("it is lost too") { CHECK(file.lost()); }
    }
}
