// Stored grants across real processes, with a real provider (npm oidc-provider) whose refresh tokens are good once.
#include "auth/schema.h"
#include "plugin/host/vault.h"
#include "plugin/runtime/runtime.h"
#include "plugin/store/sqlite_database.h"
#include "tests/servers/identity_provider.h"
#include "tests/servers/process.h"

#include <catch2/catch.hpp>

#include <sys/stat.h>

#include <csignal>
#include <set>
#include <sstream>
#include <thread>

using plugin::host::Vault;
using servers::TemporaryDirectory;

namespace {

struct Surroundings {
    TemporaryDirectory place{};
    servers::CertificateFiles certificates{place / "certificates"};
    servers::IdentityProvider provider{place / "idp", certificates, {.refreshTokens = 4}};
};

/// One server.data, one consent.
struct Instance {
    Surroundings& around;
    TemporaryDirectory data{};
    int rounds = 0;
    explicit Instance(Surroundings& surroundings, std::size_t consent) : around(surroundings) {
        servers::writeFile(data / "first", around.provider.refreshTokens().at(consent));
    }

    /// Processes that ask at the same moment; the answers of all their tasks.
    std::multiset<std::string> ask(int processes, int tasks, const std::string& fault = {}) {
        const auto go = data / ("go-" + std::to_string(++rounds));
        std::vector<std::string> words{
            POSTERN_TOKEN_CROWD,   data.path(), around.provider.tokenEndpoint(), around.certificates.authority, data / "first",
            std::to_string(tasks), go};
        if (!fault.empty()) words.insert(words.begin(), {"/usr/bin/env", "POSTERN_FAULT=" + fault});
        std::vector<servers::Outcome> outcomes(static_cast<std::size_t>(processes));
        std::vector<std::thread> threads;
        for (auto& outcome : outcomes) threads.emplace_back([&outcome, words] { outcome = servers::run(words, ".", std::chrono::minutes(2)); });
        servers::writeFile(go, "");
        for (auto& thread : threads) thread.join();
        std::multiset<std::string> answers;
        for (const auto& outcome : outcomes) {
            INFO(outcome.error);
            CHECK(outcome.status == (fault.empty() ? 0 : 128 + SIGKILL));
            std::istringstream lines(outcome.output);
            for (std::string line; std::getline(lines, line);) answers.insert(line);
        }
        return answers;
    }
    /// As if two hours had passed.
    void age() {
        const auto clock = plugin::makeSystemClock();
        auto workers = plugin::makeWorkerPool(1, [](std::exception_ptr) {});
        auto loop = plugin::makeEpollLoop(*clock, *workers, [](std::exception_ptr) {});
        plugin::SqliteOptions options;
        options.path = data / "postern.db";
        auto database = plugin::makeSqliteDatabase(std::move(options));
        REQUIRE(database);
        const auto later = [&]() -> plugin::Task<void> {
            auto writing = (*database)->write([](plugin::Transaction& transaction) -> plugin::Result<void> {
                transaction.prepare("UPDATE auth_grant SET obtained_at = obtained_at - 7200000, expires_at = expires_at - 7200000").run();
                return {};
            });
            const auto done = co_await writing;
            CHECK(done);
            loop->quit();
        };
        loop->spawn(later());
        loop->run();
        workers.reset();
        loop.reset();
    }
    std::size_t refreshes() const {
        std::size_t count = 0;
        for (const auto& request : around.provider.requests())
            if (request.body.find("grant_type=refresh_token") != std::string::npos) ++count;
        return count;
    }
};

Surroundings& around() {
    static Surroundings once;
    return once;
}

}  // namespace

SCENARIO("sixty-four tasks in each of three processes make one refresh when the token has ended", "[grants][provider]") {
    Instance instance(around(), 0);
    const auto before = instance.refreshes();
    const auto first = instance.ask(3, 64);
    REQUIRE(first.size() == 3 * 64);
    CHECK(first.count(*first.begin()) == first.size());
    CHECK(first.begin()->find("PO-") == std::string::npos);
    CHECK(instance.refreshes() == before + 1);
    instance.age();
    const auto second = instance.ask(3, 64);
    REQUIRE(second.size() == 3 * 64);
    CHECK(second.count(*second.begin()) == second.size());
    CHECK(*second.begin() != *first.begin());
    CHECK(second.begin()->find("PO-") == std::string::npos);
    CHECK(instance.refreshes() == before + 2);
}

SCENARIO("a process killed after the new refresh token is stored, and before anybody uses it, costs nothing", "[grants][provider]") {
    Instance instance(around(), 1);
    CHECK(instance.ask(1, 1, "refresh stored").empty());
    const auto after = instance.ask(1, 1);
    REQUIRE(after.size() == 1);
    CHECK(after.begin()->find("PO-") == std::string::npos);
    instance.age();
    THEN("and the chain goes on") {
        CHECK(instance.ask(1, 1, "refresh stored").empty());
        instance.age();
        const auto again = instance.ask(2, 2);
        REQUIRE(again.size() == 4);
        CHECK(again.begin()->find("PO-") == std::string::npos);
    }
}

SCENARIO("a process killed between the answer and the store loses the consent: it says that somebody has to act", "[grants][provider]") {
    Instance instance(around(), 2);
    CHECK(instance.ask(1, 1, "refresh answered").empty());
    const auto after = instance.ask(1, 1);
    REQUIRE(after.size() == 1);
    CHECK(after.begin()->find("PO-3002") == 0);
    CHECK(after.begin()->find("invalid_grant") != std::string::npos);
}

SCENARIO("no file of an instance holds a token", "[grants][provider]") {
    Instance instance(around(), 3);
    auto secrets = instance.ask(1, 1);
    instance.age();
    for (const auto& each : instance.ask(1, 1)) secrets.insert(each);
    REQUIRE(secrets.size() == 2);
    for (const auto& entry : std::filesystem::recursive_directory_iterator(instance.data.path())) {
        if (!entry.is_regular_file() || entry.path().filename() == "first" || entry.path().filename() == "seal.key") continue;
        const auto content = servers::readFile(entry.path());
        INFO(entry.path());
        for (const auto& secret : secrets) CHECK(content.find(secret) == std::string::npos);
        CHECK(content.find(around().provider.refreshTokens().at(3)) == std::string::npos);
        CHECK(content.find(servers::readFile(instance.data / "seal.key").substr(0, 64)) == std::string::npos);
    }
}

SCENARIO("the seal key is made once, for us alone", "[vault]") {
    TemporaryDirectory place;
    const auto directory = (place / "data").string();
    Vault one(directory), other(directory);
    const auto none = one.read();
    REQUIRE(none);
    CHECK_FALSE(*none);
    CHECK_FALSE(std::filesystem::exists(directory));
    const auto made = one.make(auth::Secret(std::string(64, 'a')));
    REQUIRE(made);
    const auto late = other.make(auth::Secret(std::string(64, 'b')));
    REQUIRE(late);
    CHECK(late->reveal() == std::string(64, 'a').append("\n"));
    struct stat status {};
    REQUIRE(::stat(one.path().c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    std::size_t files = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(directory)) ++files;
    CHECK(files == 1);
}

SCENARIO("one at a time has a grant's lock", "[vault]") {
    TemporaryDirectory place;
    Vault one(place / "data"), other(place / "data");
    auto held = one.tryTake("m");
    REQUIRE(held);
    REQUIRE(*held);
    const auto busy = other.tryTake("m");
    REQUIRE(busy);
    CHECK_FALSE(*busy);
    const auto elsewhere = other.tryTake("n");
    REQUIRE(elsewhere);
    CHECK(*elsewhere);
    held->reset();
    const auto free = other.tryTake("m");
    REQUIRE(free);
    CHECK(*free);
}
