#include "plugin/host/data_directory.h"

#include "tests/plugin/host/host_fakes.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <catch2/catch.hpp>

using namespace plugin;
using namespace plugin::host;

namespace {
unsigned modeOf(const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 ? status.st_mode & 07777U : 0U;
}
}  // namespace

SCENARIO("the data directory is ours alone", "[data]") {
    fakes::Folder folder;
    GIVEN("none yet") {
        auto directory = DataDirectory::open(folder / "a/b/data");
        REQUIRE(directory);
        THEN("it is made, closed to others") { REQUIRE(modeOf(folder / "a/b/data") == 0700); }
    }
    GIVEN("one that others may read") {
        std::filesystem::create_directory(folder / "data");
        ::chmod((folder / "data").c_str(), 0755);
        REQUIRE(DataDirectory::open(folder / "data"));
        THEN("it is closed") { REQUIRE(modeOf(folder / "data") == 0700); }
    }
    GIVEN("a file in its place") {
        fakes::write(folder / "data", "x");
        const auto directory = DataDirectory::open(folder / "data");
        REQUIRE_FALSE(directory);
        REQUIRE(directory.error().code == Code::storeDataDirectory);
        REQUIRE(directory.error().what.find(folder / "data") != std::string::npos);
    }
}

SCENARIO("only one process works in a data directory", "[data]") {
    fakes::Folder folder;
    auto first = DataDirectory::open(folder / "data");
    REQUIRE(first);
    REQUIRE(first->lock());
    GIVEN("a second one") {
        auto second = DataDirectory::open(folder / "data");
        REQUIRE(second);
        const auto refused = second->lock();
        THEN("it is refused with the id of the first") {
            REQUIRE_FALSE(refused);
            REQUIRE(refused.error().code == Code::storeLocked);
            REQUIRE(refused.error().reaction == Reaction::retryLater);
            REQUIRE(refused.error().what.find("process " + std::to_string(::getpid())) != std::string::npos);
        }
        WHEN("the first lets go") {
            first->release();
            THEN("it may") { REQUIRE(second->lock()); }
        }
    }
    GIVEN("a child of the first that outlives it, as a daemon does") {
        int ends[2];
        REQUIRE(::pipe(ends) == 0);
        const pid_t child = ::fork();
        if (child == 0) {
            ::close(ends[1]);
            char octet = 0;
            ::_exit(::read(ends[0], &octet, 1) == 0 ? 0 : 1);  // until the test closes its end
        }
        ::close(ends[0]);
        { const auto gone = std::move(*first); }
        auto second = DataDirectory::open(folder / "data");
        const bool whileChild = static_cast<bool>(second->lock());
        ::close(ends[1]);
        ::waitpid(child, nullptr, 0);
        const bool afterwards = static_cast<bool>(second->lock());
        THEN("the lock is the child's until it ends") {
            REQUIRE_FALSE(whileChild);
            REQUIRE(afterwards);
        }
    }
}

SCENARIO("what a data directory remembers survives, or is seen to be damaged", "[data]") {
    fakes::Folder folder;
    fakes::Clock clock;
    auto directory = DataDirectory::open(folder / "data");
    REQUIRE(directory);
    bool damaged = true;
    GIVEN("nothing yet") {
        const auto none = directory->instance(damaged);
        REQUIRE((none && !*none && !damaged));
    }
    GIVEN("an instance that was written") {
        const Instance written{"0123", clock.wall(), true, clock.wall()};
        REQUIRE(directory->write(written));
        const auto read = directory->instance(damaged);
        THEN("it is read again") {
            REQUIRE((read && *read && !damaged));
            REQUIRE((*read)->id == "0123");
            REQUIRE((*read)->created == written.created);
            REQUIRE((*read)->clean);
            REQUIRE((*read)->stateLost == written.stateLost);
            REQUIRE(modeOf(folder / "data/instance.json") == 0600);
        }
    }
    GIVEN("something that is no instance") {
        fakes::write(folder / "data/instance.json",
                     GENERATE("", "{", "[]", "{\"instance\": \"x\"}", "{\"instance\": \"x\", \"created\": \"today\", \"clean\": true}",
                              "{\"instance\": 5, \"created\": {}, \"clean\": []}"));
        const auto read = directory->instance(damaged);
        THEN("that is told from none") { REQUIRE((read && !*read && damaged)); }
    }
}

SCENARIO("the admin token is made once and kept", "[data]") {
    fakes::Folder folder;
    fakes::Random random;
    auto directory = DataDirectory::open(folder / "data");
    REQUIRE(directory);
    const auto first = directory->adminToken(random);
    REQUIRE(first);
    REQUIRE(first->size() == 64);
    REQUIRE(modeOf(folder / "data/admin.token") == 0600);
    REQUIRE(*directory->adminToken(random) == *first);
    fakes::write(folder / "data/admin.token", "short");
    REQUIRE(directory->adminToken(random)->size() == 64);
}

SCENARIO("leftovers in staging are removed, whatever they are", "[data]") {
    fakes::Folder folder;
    auto directory = DataDirectory::open(folder / "data");
    REQUIRE(directory);
    REQUIRE(directory->prepareStaging());
    fakes::write(folder / "data/staging/.one", "x");
    std::filesystem::create_directories(folder / "data/staging/two/three");
    REQUIRE(directory->prepareStaging());
    REQUIRE(std::filesystem::is_empty(folder / "data/staging"));
}
