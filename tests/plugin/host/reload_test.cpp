#include "plugin/host/reload.h"

#include "plugin/host/host_keys.h"
#include "plugin/host/metrics.h"
#include "plugin/host/watched_database.h"
#include "tests/plugin/host/host_fakes.h"
#include "tests/simulation/inline_loop.h"

#include <catch2/catch.hpp>

using namespace plugin;
using namespace plugin::host;

namespace {

Configuration snapshot(std::map<std::string, std::string> values) {
    std::map<std::string, Configuration::Setting, std::less<>> settings;
    int line = 0;
    for (auto& [key, value] : values) settings.emplace(key, Configuration::Setting{value, {"a.properties", ++line}, true});
    return Configuration(std::move(settings));
}

/// Fails as it is told.
class MoodyDatabase final : public Database {
public:
    explicit MoodyDatabase(std::optional<Error>& mood) : mood_(mood) {}
    Task<Result<void>> write(Function) override {
        if (mood_) co_return *mood_;
        co_return Result<void>{};
    }
    Task<Result<void>> read(Function) override { co_return Result<void>{}; }
    Result<void> migrate(std::string_view, const std::vector<Migration>&) override { return {}; }

private:
    std::optional<Error>& mood_;
};

}  // namespace

TEST_CASE("keys that cannot be changed by a reload are named, each at its line", "[reload]") {
    const auto before = snapshot({{"server.threads", "2"}, {"log.level", "debug"}, {"server.name", "one"}, {"package.x.enabled", "true"}});
    const auto after = snapshot({{"server.threads", "3"}, {"log.level", "trace"}, {"package.x.enabled", "false"}, {"unknown.key", "1"}});
    const auto problems = needRestart(before, after, hostKeys());
    REQUIRE(problems.size() == 3);
    CHECK(problems[0].key == "package.x.enabled");
    CHECK(problems[1].key == "server.name");  // taken out: where it stood
    CHECK(problems[1].place.line == 3);
    CHECK(problems[2].key == "server.threads");
    CHECK(problems[2].place.line == 3);
    for (const auto& problem : problems) CHECK(problem.code == Code::configNeedsRestart);
    CHECK(needRestart(before, before, hostKeys()).empty());
}

TEST_CASE("metrics of what is no more are forgotten, and of nothing else", "[reload][metrics]") {
    fakes::Log log;
    auto metrics = makeMetricsRegistry(log);
    metrics->set("a", {{"mailbox", "m"}}, 1);
    metrics->set("a", {{"mailbox", "m2"}}, 2);
    metrics->set("b", {{"code", "x"}, {"mailbox", "m"}}, 3);
    metrics->set("b", {{"code", "m"}, {"mailbox", "n"}}, 4);
    metrics->set("c", {{"text", "\",mailbox=\"m\""}}, 5);
    metrics->set("d", {{"othermailbox", "m"}}, 6);
    metrics->forget("mailbox", "m");
    CHECK(metrics->page() ==
          "# TYPE a untyped\na{mailbox=\"m2\"} 2\n"
          "# TYPE b untyped\nb{code=\"m\",mailbox=\"n\"} 4\n"
          "# TYPE c untyped\nc{text=\"\\\",mailbox=\\\"m\\\"\"} 5\n"
          "# TYPE d untyped\nd{othermailbox=\"m\"} 6\n");
}

SCENARIO("readiness knows of a store that fails later, until it works again", "[reload][store]") {
    std::optional<Error> mood;
    WatchedDatabase database(std::make_unique<MoodyDatabase>(mood));
    simulation::InlineLoop loop;
    const auto write = [&] {
        auto done = start(loop, database.write([](Transaction&) -> Result<void> { return {}; }));
        loop.runUntilIdle();
        return static_cast<bool>(done->get());
    };
    CHECK(write());
    CHECK_FALSE(database.failure());
    WHEN("a transaction fails for a reason of the store's own") {
        mood = Error{Reaction::retryLater, Code::storeDiskFull, "postern.db: no space"};
        CHECK_FALSE(write());
        THEN("it is told until one succeeds; what a function refuses by itself changes nothing") {
            REQUIRE(database.failure());
            CHECK(*database.failure() == "store: PO-7002 postern.db: no space");
            mood = Error{Reaction::setAside, Code::mailboxFolderMissing, "no"};
            CHECK_FALSE(write());
            CHECK(database.failure());
            mood.reset();
            CHECK(write());
            CHECK_FALSE(database.failure());
        }
    }
    WHEN("only a function refuses") {
        mood = Error{Reaction::setAside, Code::mailboxFolderMissing, "no"};
        CHECK_FALSE(write());
        THEN("the store is well") { CHECK_FALSE(database.failure()); }
    }
}
