// One process of those that want a token at the same moment: token_crowd DATA TOKEN_ENDPOINT AUTHORITY REFRESH_TOKEN_FILE TASKS GO
// Begins when the file GO is there; each of its tasks asks once; a line for each answer. With POSTERN_FAULT it ends where that says.
#include "auth/access.h"
#include "auth/schema.h"
#include "plugin/host/vault.h"
#include "plugin/runtime/runtime.h"
#include "plugin/store/sqlite_database.h"
#include "tests/auth/token/fakes.h"

#include <filesystem>
#include <iostream>
#include <thread>

namespace {

plugin::Configuration configured(const std::vector<std::string>& words) {
    return fakes::configuration({{"credential.m.grant", "refresh_token"},
                                 {"credential.m.client_id", "app-refresh"},
                                 {"credential.m.client_secret", "refresh-client-secret"},
                                 {"credential.m.token_endpoint", words.at(1)},
                                 {"credential.m.scopes", "https://mail.example.test/.default"},
                                 {"credential.m.truststore", "test"},
                                 {"credential.m.refresh_token", "${file:" + words.at(3) + "}"},
                                 {"truststore.test.path", words.at(2)}});
}

}  // namespace

int main(int count, char** values) {
    const std::vector<std::string> words(values + 1, values + count);
    const auto clock = plugin::makeSystemClock();
    const auto random = plugin::makeSystemRandom();
    fakes::Log log;
    fakes::Metrics metrics;
    plugin::SqliteOptions options;
    options.path = words.at(0) + "/postern.db";
    auto database = plugin::makeSqliteDatabase(std::move(options));
    if (!database || !(*database)->migrate(auth::schemaOwner, auth::migrations())) return 1;
    plugin::host::Vault vault(words.at(0));
    auth::Lasting lasting{**database, vault, vault};
    const auto access = auth::makeAccess(
        {std::make_shared<const plugin::Configuration>(configured(words)), *clock, *random, log, metrics, nullptr, nullptr, &lasting});
    auto workers = plugin::makeWorkerPool(4, [](std::exception_ptr) { std::abort(); });
    auto loop = plugin::makeEpollLoop(*clock, *workers, [](std::exception_ptr) { std::abort(); });

    while (!std::filesystem::exists(words.at(5))) std::this_thread::yield();
    int left = std::stoi(words.at(4));
    const auto one = [&]() -> plugin::Task<void> {
        auto asking = access->tokens().token({"m", {}, {}}, clock->steady() + std::chrono::seconds(60), {});
        const auto token = co_await asking;
        std::cout << (token ? std::string(token->secret->reveal()) : plugin::describe(token.error())) << std::endl;
        if (--left == 0) loop->quit();
    };
    for (int task = left; task > 0; --task) loop->spawn(one());
    loop->run();
    workers.reset();
    loop.reset();
    return 0;
}
