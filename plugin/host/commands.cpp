#include "plugin/host/commands.h"

#include "auth/access.h"
#include "auth/schema.h"
#include "plugin/contract/exit_status.h"
#include "plugin/contract/text.h"
#include "plugin/host/credentials_command.h"
#include "plugin/host/database_on_demand.h"
#include "plugin/host/interruption.h"
#include "plugin/host/keystores_command.h"
#include "plugin/host/lent_host.h"
#include "plugin/host/logging.h"
#include "plugin/host/login_command.h"
#include "plugin/host/loops.h"
#include "plugin/host/metrics.h"
#include "plugin/host/package_runner.h"
#include "plugin/host/state.h"
#include "plugin/host/token_command.h"
#include "plugin/host/vault.h"
#include "plugin/runtime/posix_disk.h"
#include "plugin/store/sqlite_database.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <mutex>
#include <ostream>
#include <utility>

namespace plugin::host {

namespace {

constexpr unsigned workers = 4;

/// What a command needs of the program while it works. Its log goes to standard error and tells warnings and errors only.
struct Workshop {
    Workshop(std::shared_ptr<const Configuration> settings, std::ostream& error) : configuration(std::move(settings)), error_(error) {}
    Signals signals{};  // before any thread
    std::shared_ptr<const Configuration> configuration;
    std::unique_ptr<Clock> clock = makeSystemClock();
    std::unique_ptr<Random> random = makeSystemRandom();
    std::unique_ptr<HostLog> log = std::move(*makeHostLog({.level = Level::warning}, *clock));
    std::unique_ptr<MetricsRegistry> metrics = makeMetricsRegistry(*log);
    std::unique_ptr<Disk> disk = makePosixDisk();
    State state{};
    // What credentials keep: opened when a command needs it. Only commands that have to keep something make a database.
    Vault vault{configuration->text("server.data")};
    std::optional<DataDirectory> directory{};
    DatabaseOnDemand database{[this] { return openForCredentials(); }};
    auth::Lasting lasting{database, vault, vault, hasDatabase(configuration->text("server.data"))};
    std::unique_ptr<auth::Access> access = auth::makeAccess({configuration, *clock, *random, *log, *metrics, nullptr, nullptr, &lasting});
    Loops loops{1, workers, *clock, *log, *metrics};  // what runs on them ends before the rest goes

    /// For commands that look for no signals themselves.
    /// tidy   what is done before such an end; until end()
    void endOnSignals(std::function<void()> tidy = {}) {
        tidy_ = std::move(tidy);
        interruption_.emplace(ending());
    }
    /// Nothing runs any more afterwards; no refresh token is lost on the way.
    void end() {
        if (std::exchange(ended_, true)) return;
        interruption_.reset();
        finishRefreshes(ending());
        loops.stop();
    }
    ~Workshop() { end(); }
    Workshop(const Workshop&) = delete;
    Workshop& operator=(const Workshop&) = delete;

private:
    Result<std::unique_ptr<Database>> openForCredentials() {
        auto opened = DataDirectory::open(configuration->text("server.data"));
        if (!opened) return opened.error();
        directory = std::move(*opened);
        auto written = openStateToWrite(*directory, *clock, *random, *log);
        if (!written) return written.error();
        if (auto migrated = written->database->migrate(auth::schemaOwner, auth::migrations()); !migrated) return migrated.error();
        return std::move(written->database);
    }

    Ending ending() { return {access->tokens(), *loops.all().front(), signals, error_, timeToRefresh, tidy_}; }

    std::ostream& error_;
    bool ended_ = false;
    std::function<void()> tidy_{};
    std::optional<Interruption> interruption_{};
};

/// An empty database for commands that only look while there is none yet; gone at the end.
class Passing {
public:
    Result<std::unique_ptr<Database>> make() {
        const std::lock_guard lock(mutex_);
        if (over_) return Error{Reaction::retryLater, Code::channelStopped, "the program is stopping"};
        std::string pattern = (std::filesystem::temp_directory_path() / "postern-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr) return fileError(errno, pattern, "cannot be made");
        folder_ = pattern;
        SqliteOptions options;
        options.path = folder_ + "/empty.db";
        return makeSqliteDatabase(std::move(options));
    }
    Passing() = default;
    Passing(const Passing&) = delete;
    Passing& operator=(const Passing&) = delete;
    ~Passing() { remove(); }
    /// From any thread; nothing is made afterwards.
    void remove() {
        const std::lock_guard lock(mutex_);
        over_ = true;
        std::error_code ignored;  // a temporary folder: the system clears what is left
        if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
    }

private:
    std::mutex mutex_{};
    bool over_ = false;     // under mutex_
    std::string folder_{};  // under mutex_
};

int failed(const Error& error, std::ostream& out) {
    out << describe(error) << '\n';
    return exitStatus(error);
}
int answered(const Result<void>& result, std::ostream& error) { return result ? exits::ok : failed(result.error(), error); }

/// Whether any package has something in the database: `login` makes one for what credentials keep, before the service has run.
Result<bool> hasTablesOfAny(const Packages& packages, const std::string& dataDirectory) {
    for (const auto& each : packages.all) {
        if (!each.package) continue;
        auto has = hasTablesOf(dataDirectory, each.package->schemaOwner());
        if (!has || *has) return has;
    }
    return false;
}

Result<State> stateFor(Command::Store use, Workshop& shop, const Packages& packages, Passing& passing, std::optional<DataDirectory>& directory) {
    const auto path = shop.configuration->text("server.data");
    if (use == Command::Store::write) {
        auto opened = DataDirectory::open(path);
        if (!opened) return opened.error();
        directory = std::move(*opened);
        return openStateToWrite(*directory, *shop.clock, *shop.random, *shop.log);
    }
    auto state = openStateToRead(path);
    if (!state) return state;
    if (state->database) {
        const auto has = hasTablesOfAny(packages, path);
        if (!has) return has.error();
        if (*has) return state;
    }
    auto empty = passing.make();
    if (!empty) return empty.error();
    state->database = std::move(*empty);
    return state;
}

}  // namespace

int runTokenCommand(const Setup& setup, const TokenArguments& arguments, bool json, std::ostream& out, std::ostream& error) {
    auto configuration = validConfiguration(setup, error);
    if (!configuration) return exits::config;
    Workshop shop(std::move(configuration), error);
    shop.endOnSignals();
    return showToken(*shop.access, *shop.loops.all().front(), arguments, json, out, error);
}

int runKeystoresCommand(const Setup& setup, const KeystoresArguments& arguments, bool json, std::ostream& out, std::ostream& error) {
    const auto configuration = validConfiguration(setup, error);
    if (!configuration) return exits::config;
    Workshop shop(configuration, error);
    shop.endOnSignals();
    const auto status = showKeystores(*configuration, shop.access->secrets(), arguments, shop.clock->wall(), json, out);
    if (status) return *status;
    error << describe(status.error()) << '\n';
    return exits::config;
}

int runLoginCommand(const Setup& setup, const LoginArguments& arguments, bool json, std::ostream& out, std::ostream& error) {
    auto configuration = validConfiguration(setup, error);
    if (!configuration) return exits::config;
    Workshop shop(std::move(configuration), error);
    return login({*shop.access, *shop.configuration, *shop.loops.all().front(), shop.signals, 0, out, error}, arguments, json);
}

int runOauthCommand(const Setup& setup, const OauthArguments& arguments, bool json, std::ostream& out, std::ostream& error) {
    auto configuration = validConfiguration(setup, error);
    if (!configuration) {
        writeUnconfigured(arguments, reread(setup).problems, json, out);
        return exits::config;
    }
    Workshop shop(std::move(configuration), error);
    return askConnector({*shop.access, *shop.configuration, *shop.loops.all().front(), shop.signals, 0, out, error}, arguments, json);
}

int runCredentialsCommand(const Setup& setup, const CredentialsArguments& arguments, bool json, std::ostream& out, std::ostream& error) {
    const auto configuration = validConfiguration(setup, error);
    if (!configuration) return exits::config;
    Workshop shop(configuration, error);
    shop.endOnSignals();
    auto& loop = *shop.loops.all().front();
    if (arguments.forget) return answered(forgetGrant(*shop.access, *configuration, loop, arguments.name, error), error);
    auto state = openStateToRead(configuration->text("server.data"));
    if (!state) return failed(state.error(), error);
    shop.state = std::move(*state);
    if (shop.state.database)
        if (auto migrated = shop.state.database->migrate(auth::schemaOwner, auth::migrations()); !migrated) return failed(migrated.error(), error);
    return answered(showCredentials(configuration, shop.state.database.get(), arguments.name, loop, json, out), error);
}

int runSealCommand(const Setup& setup, std::istream& in, std::ostream& out, std::ostream& error) {
    auto configuration = validConfiguration(setup, error);
    if (!configuration) return exits::config;
    const bool database = hasDatabase(configuration->text("server.data"));
    Workshop shop(std::move(configuration), error);
    shop.endOnSignals();
    return sealSecret(*shop.access, *shop.loops.all().front(), database, in, out, error);
}

int runPackageCommand(Setup& setup, const PackageArguments& arguments, bool json, std::ostream& out, std::ostream& error) {
    auto configuration = validConfiguration(setup, error);
    if (!configuration) return exits::config;
    const auto commands = setup.packages.commands();
    const auto command = std::find_if(commands.begin(), commands.end(), [&](const Command& each) { return each.name == arguments.command; });
    if (command == commands.end()) throw std::logic_error("a command was parsed that no package has: " + arguments.command);
    Passing passing;
    std::optional<DataDirectory> directory;
    Workshop shop(std::move(configuration), error);
    shop.endOnSignals([&passing] { passing.remove(); });
    auto state = stateFor(command->store(arguments.arguments), shop, setup.packages, passing, directory);
    if (!state) return failed(state.error(), error);
    shop.state = std::move(*state);
    for (const auto& each : setup.packages.all)
        if (each.package)
            if (auto migrated = shop.state.database->migrate(each.package->schemaOwner(), each.package->migrations()); !migrated)
                return failed(migrated.error(), error);
    LentHost host({shop.configuration, shop.loops.all(), *shop.clock, *shop.random, *shop.disk, *shop.state.database, *shop.log, *shop.metrics,
                   *shop.access, shop.configuration->text("server.data"), version(), instanceName(*shop.configuration), shop.state.stateLost});
    Command::Call call{host, arguments.arguments, json, out, error};
    const int status = command->run(call);
    shop.end();
    return status;
}

int runVersionCommand(const Setup& setup, bool json, std::ostream& out) {
    if (!json) {
        out << "postern " << version() << '\n';
        for (const auto& each : setup.packages.all)
            out << "  " << each.description.name << " " << each.description.version
                << (each.error     ? "  " + describe(*each.error)
                    : each.enabled ? ""
                                   : "  disabled")
                << '\n';
        return 0;
    }
    out << "{\"version\": " << jsonText(version()) << ", \"abi\": " << jsonText(hostAbi()) << ", \"packages\": [";
    const char* separator = "";
    for (const auto& each : setup.packages.all) {
        out << separator << "{\"name\": " << jsonText(each.description.name) << ", \"version\": " << jsonText(each.description.version)
            << ", \"state\": "
            << (each.error     ? "\"broken\""
                : each.enabled ? "\"loaded\""
                               : "\"disabled\"")
            << ", \"error_code\": " << (each.error ? jsonText(codeName(each.error->code)) : "null") << "}";
        separator = ", ";
    }
    out << "]}\n";
    return 0;
}

}  // namespace plugin::host
