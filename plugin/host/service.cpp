#include "plugin/host/service.h"

#include "auth/access.h"
#include "auth/login/callback_desk.h"
#include "auth/schema.h"
#include "plugin/admin/admin_server.h"
#include "plugin/contract/exit_status.h"
#include "plugin/contract/waiting.h"
#include "plugin/host/admin_key.h"
#include "plugin/host/api.h"
#include "plugin/host/daemon.h"
#include "plugin/host/host_keys.h"
#include "plugin/host/interruption.h"
#include "plugin/host/lent_host.h"
#include "plugin/host/logging.h"
#include "plugin/host/loops.h"
#include "plugin/host/metrics.h"
#include "plugin/host/notify.h"
#include "plugin/host/package_runner.h"
#include "plugin/host/reload.h"
#include "plugin/host/signals.h"
#include "plugin/host/state.h"
#include "plugin/host/vault.h"
#include "plugin/host/watched_database.h"
#include "plugin/runtime/posix_disk.h"

#include <openssl/crypto.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <mutex>
#include <ostream>
#include <stop_token>
#include <thread>

namespace plugin::host {

namespace {

constexpr unsigned workers = 8;
constexpr auto timeToStop = std::chrono::seconds(10);
constexpr auto timeToKeep = std::chrono::seconds(3);      // what could not be stored yet is tried again for so long,
constexpr auto timeToStore = std::chrono::seconds(10);    // each time at most as long as the store waits for others,
constexpr auto timeToShutDown = std::chrono::seconds(3);  // and then the rest goes
constexpr std::chrono::milliseconds lookAround{500};
constexpr auto beatEvery = std::chrono::seconds(5);
constexpr auto aliveWithin = std::chrono::seconds(30);

/// What is still to come up (or already going down), for /readyz.
class Phase {
public:
    void set(std::string what) {
        const std::lock_guard lock(mutex_);
        what_ = std::move(what);
    }
    bool isUp() const {
        const std::lock_guard lock(mutex_);
        return what_.empty();
    }
    std::vector<std::string> missing(std::vector<std::string> others) const {
        const std::lock_guard lock(mutex_);
        if (!what_.empty()) others.insert(others.begin(), what_);
        return others;
    }

private:
    mutable std::mutex mutex_{};
    std::string what_ = "starting: the store is not open yet";
};

class Service {
public:
    Service(Setup& setup, const RunArguments& arguments, std::shared_ptr<const Configuration> configuration, DataDirectory& directory,
            Signals& signals)
        : setup_(setup), arguments_(arguments), configuration_(std::move(configuration)), directory_(directory), signals_(signals) {}
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;
    ~Service() {
        if (loops_) shutDown();
    }

    /// All but the background: answers when the packages have begun.
    Result<void> start(const std::vector<Problem>& warnings);
    /// Tells whoever started us, once the background process has let go of its terminal.
    void announce();
    int work();
    int stop();

private:
    Result<void> bringUp(const std::vector<Problem>& warnings);
    Result<void> writePidFile();
    admin::Brought bring(std::string query);
    admin::CallbackPath callback();
    admin::ApiAnswer askApi(const admin::ApiQuestion& question);
    Result<void> openAdmin();
    void describeProgram(const std::vector<Problem>& warnings);
    Mode mode() const { return arguments_.once ? Mode::once : Mode::service; }
    std::vector<std::string> missing() const;
    void reload();
    bool takeOver();
    void beat();
    void lookForAdminKey();
    bool databaseIsLost();
    void changed();
    void leaveWhenLate(Deadline deadline);
    void awaitPackages();
    bool lookForRefreshes();
    void giveTimeToKeep();
    void finishRefreshes();
    std::string unsaved();
    void shutDown();

    Setup& setup_;
    const RunArguments& arguments_;
    CurrentConfiguration configuration_;
    DataDirectory& directory_;
    Signals& signals_;
    Notifier notifier_ = Notifier::fromEnvironment();
    std::mutex mutex_{};
    std::condition_variable change_{};
    bool done_ = false;         // under mutex_
    bool interrupted_ = false;  // a signal came before the packages were done
    bool lost_ = false;         // the database's file went away under us
    std::string unsaved_{};     // under mutex_: what could not be stored, and is tried again
    std::atomic<bool> refreshing_{false};
    std::atomic<bool> looking_{false};  // for the admin port's key, by a worker
    std::atomic<Deadline> leaveBy_{};   // the guard's
    // Of programs that give secrets, whoever waits for them: of all but the one without which nothing is sealed, and of that one.
    std::stop_source stop_{}, stopKeeping_{};

    // In the order they need one another; shutDown() takes them down from the end.
    std::unique_ptr<Clock> clock_ = makeSystemClock();
    std::unique_ptr<Random> random_ = makeSystemRandom();
    std::unique_ptr<HostLog> log_{};
    std::unique_ptr<MetricsRegistry> metrics_{};
    std::unique_ptr<Disk> disk_ = makePosixDisk();
    State state_{};
    std::optional<DatabaseFile> databaseFile_{};
    std::unique_ptr<WatchedDatabase> database_{};
    std::optional<Vault> vault_{};
    std::optional<AdminKey> adminKey_{};
    std::optional<auth::Lasting> lasting_{};
    std::unique_ptr<auth::Access> access_{};
    std::unique_ptr<Loops> loops_{};
    std::unique_ptr<LentHost> host_{};
    std::unique_ptr<PackageRunner> runner_{};
    std::optional<Api> api_{};
    Phase phase_{};
    std::unique_ptr<admin::AdminServer> admin_{};
    std::string pidPath_{};
    std::optional<PidFile> pidFile_{};
};

/// What browsers bring is put down for the process that waits for it.
admin::Brought Service::bring(std::string query) {
    if (!phase_.isUp()) return admin::Brought::unavailable;
    const auto brought = waitFor(*loops_->all().front(), access_->callbacks()->bring(auth::Secret(query)));
    OPENSSL_cleanse(query.data(), query.size());
    if (!brought)
        log_->error("host", "the answer to a sign-in could not be put down: " + describe(brought.error()),
                    {{"code", codeName(brought.error().code)}});
    return !brought ? admin::Brought::unavailable : *brought ? admin::Brought::taken : admin::Brought::unknown;
}

admin::CallbackPath Service::callback() {
    const auto configuration = configuration_.get();
    if (!configuration->has("admin.public_url")) return {};
    return {publicPath(*configuration) + "/oauth-callback", [this](std::string query) { return bring(std::move(query)); }};
}

/// Until the service is up, and once it stops, there is nothing to ask.
admin::ApiAnswer Service::askApi(const admin::ApiQuestion& question) {
    if (!phase_.isUp()) return admin::apiError(503, Code::adminBusy, "the service is starting or stopping");
    return api_->answer(question);
}

Result<void> Service::openAdmin() {
    const auto address = parseAddress(configuration_.get()->text("admin.address"));
    if (mode() == Mode::once || !address) return {};
    auto token = directory_.adminToken(*random_);
    if (!token) return token.error();
    adminKey_.emplace(AdminKey::Parts{configuration_, *vault_, *random_, *log_, *clock_, stop_.get_token()});
    auto key = adminKey_->first();
    if (!key) return key.error();
    const bool tls = *key != nullptr;
    auto opened = admin::openAdminPort(address->host, static_cast<std::uint16_t>(address->port),
                                       {[this] { return loops_->alive(aliveWithin); }, [this] { return missing(); },
                                        [this] { return metrics_->page(); }, std::move(*token), *log_, *metrics_, adminNames(*configuration_.get()),
                                        callback(), std::move(*key), [this](const admin::ApiQuestion& question) { return askApi(question); }});
    if (!opened) return opened.error();
    admin_ = std::move(*opened);
    log_->notice("host", "the admin port is open", {{"address", admin_->address()}, {"tls", tls ? "yes" : "no"}});
    return directory_.writeAdminAddress(admin_->address());
}

Result<void> Service::writePidFile() {
    const auto path = arguments_.pidfile ? *arguments_.pidfile : configuration_.get()->text("server.pidfile");
    if (path.empty()) return {};
    pidPath_ = (std::filesystem::path(setup_.surroundings.workingDirectory) / path).lexically_normal().string();
    auto written = PidFile::write(pidPath_);
    if (!written) return written.error();
    pidFile_.emplace(std::move(*written));
    return {};
}

void Service::describeProgram(const std::vector<Problem>& warnings) {
    metrics_->describe("postern_build_info", Metrics::Kind::gauge, "Always 1; which version this is");
    metrics_->set("postern_build_info", {{"version", version()}}, 1);
    metrics_->describe("postern_errors_total", Metrics::Kind::counter, "Errors by code; mailbox is empty for those of the program itself");
    metrics_->describe("postern_config_reload_failed", Metrics::Kind::gauge,
                       "1: the last reload was refused, the configuration before it is in force");
    metrics_->set("postern_config_reload_failed", {}, 0);
    logProblems(*log_, warnings);
    log_->notice("host", "starting",
                 {{"server", instanceName(*configuration_.get())},
                  {"version", version()},
                  {"process", static_cast<std::int64_t>(::getpid())},
                  {"data", directory_.path()}});
}

Result<void> Service::bringUp(const std::vector<Problem>& warnings) {
    metrics_ = makeMetricsRegistry(*log_);
    describeProgram(warnings);
    const auto loops = static_cast<unsigned>(std::max<std::int64_t>(1, configuration_.get()->integer("server.threads")));
    loops_ = std::make_unique<Loops>(loops, workers, *clock_, *log_, *metrics_);
    runner_ = std::make_unique<PackageRunner>(setup_.packages, *log_, *metrics_, [this] { changed(); });
    vault_.emplace(directory_.path());
    if (auto opened = openAdmin(); !opened) return opened;
    if (auto written = writePidFile(); !written) return written;
    if (auto staging = directory_.prepareStaging(); !staging) return staging;
    auto state = openState(directory_, *clock_, *random_, *log_);
    if (!state) return state.error();
    state_ = std::move(*state);
    databaseFile_.emplace(directory_);
    database_ = std::make_unique<WatchedDatabase>(std::move(state_.database));
    phase_.set("starting: the packages are not up yet");
    if (auto migrated = database_->migrate(auth::schemaOwner, auth::migrations()); !migrated) return migrated;
    lasting_.emplace(auth::Lasting{*database_, *vault_, *vault_});
    access_ = auth::makeAccess(
        {configuration_, *clock_, *random_, *log_, *metrics_, nullptr, nullptr, &*lasting_, stop_.get_token(), stopKeeping_.get_token()});
    if (auto* const callbacks = access_->callbacks())
        if (auto cleared = waitFor(*loops_->all().front(), callbacks->clearAway()); !cleared) return cleared.error();
    host_ = std::make_unique<LentHost>(LentParts{configuration_, loops_->all(), *clock_, *random_, *disk_, *database_, *log_, *metrics_, *access_,
                                                 directory_.path(), version(), instanceName(*configuration_.get()), state_.stateLost});
    runner_->migrate(*database_);
    runner_->start(*host_, mode());
    api_.emplace(*host_, setup_.packages.commands());
    return {};
}

Result<void> Service::start(const std::vector<Problem>& warnings) {
    const auto settings = configuration_.get();
    LogOptions options{levelNamed(settings->text("log.level")).value_or(Level::information), settings->text("log.format") == "json",
                       settings->text("log.file")};
    const bool toFile = !options.file.empty();
    auto log = makeHostLog(std::move(options), *clock_);
    if (!log) return log.error();
    log_ = std::move(*log);
    auto up = bringUp(warnings);
    if (!up && toFile) log_->error("host", describe(up.error()), {{"code", codeName(up.error().code)}});
    return up;
}

void Service::announce() {
    phase_.set("");
    log_->notice("host", "up", {{"packages", static_cast<std::uint64_t>(runner_->running().size())}});
    if (auto told = notifier_.send("READY=1\nMAINPID=" + std::to_string(::getpid())); !told) log_->warning("host", told.error().what);
}

void Service::changed() {
    change_.notify_all();
    signals_.wake();
}

void Service::beat() {
    loops_->beat();
    lookForAdminKey();
    if (notifier_.watchdog() && loops_->alive(aliveWithin)) static_cast<void>(notifier_.send("WATCHDOG=1"));  // a lost one is made up for by the next
}

/// A password of its keystore may come from a program that takes its time; nothing here waits for it.
void Service::lookForAdminKey() {
    if (!adminKey_ || looking_.exchange(true)) return;
    loops_->all().front()->work([this] {
        const struct Done {
            std::atomic<bool>& looking;
            ~Done() { looking = false; }
        } done{looking_};
        adminKey_->look();
    });
}

std::vector<std::string> Service::missing() const {
    auto problems = runner_->problems();
    if (phase_.isUp())  // from then on until the admin port is closed there is one
        if (auto failure = database_->failure()) problems.insert(problems.begin(), std::move(*failure));
    return phase_.missing(std::move(problems));
}

void Service::reload() {
    if (mode() == Mode::once) return log_->notice("host", "SIGHUP: nothing is reloaded with --once");
    const auto now = std::chrono::duration_cast<std::chrono::microseconds>(clock_->steady().time_since_epoch());
    static_cast<void>(notifier_.send("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(now.count())));  // only a courtesy, as the answer below
    const bool done = takeOver();
    metrics_->set("postern_config_reload_failed", {}, done ? 0 : 1);
    static_cast<void>(notifier_.send("READY=1"));
}

/// As a whole or not at all. False: the snapshot before stays in force.
bool Service::takeOver() {
    const auto before = configuration_.get();
    auto read = reread(setup_);
    if (read.valid()) {
        auto refused = needRestart(*before, *read.configuration, setup_.rules.keys);
        read.problems.insert(read.problems.end(), refused.begin(), refused.end());
    }
    logProblems(*log_, read.problems);
    if (!read.valid()) {
        log_->error("host", "the configuration was not reloaded: what was in force stays so");
        return false;
    }
    configuration_.replace(read.configuration);
    log_->notice("host", "the configuration was reloaded");
    log_->level(levelNamed(read.configuration->text("log.level")).value_or(Level::information));
    for (const auto& name : before->aliases("credential"))
        if (read.configuration->below("credential." + name + ".").empty()) metrics_->forget("credential", name);
    runner_->reload();
    return true;
}

/// Going on would record what has been delivered where nobody finds it again; the next start sees that it is missing and asks the operator.
bool Service::databaseIsLost() {
    const auto loss = databaseFile_->lost();
    if (!loss) return false;
    log_->error("host", describe(*loss) + ". The service ends", {{"code", codeName(loss->code)}});
    metrics_->add("postern_errors_total", {{"mailbox", ""}, {"code", codeName(loss->code)}}, 1);
    return true;
}

int Service::work() {
    auto every = std::chrono::duration_cast<std::chrono::milliseconds>(beatEvery);
    if (notifier_.watchdog()) every = std::min(every, std::chrono::ceil<std::chrono::milliseconds>(*notifier_.watchdog()));
    auto next = clock_->steady();
    while (mode() == Mode::service || !runner_->running().empty()) {
        if (clock_->steady() >= next) {
            beat();
            if ((lost_ = databaseIsLost())) break;
            next = clock_->steady() + every;
        }
        const auto arrived = signals_.wait(std::chrono::ceil<std::chrono::milliseconds>(next - clock_->steady()));
        if (arrived == Signals::Arrived::hangUp) reload();
        if (arrived == Signals::Arrived::terminate) {
            interrupted_ = true;
            break;
        }
    }
    return stop();
}

/// Stands beside the main thread while it stops: whatever holds that up, the process leaves in time, or at once when told again.
void Service::leaveWhenLate(Deadline refreshed) {
    for (;;) {
        {
            const std::lock_guard lock(mutex_);
            if (done_) return;
        }
        const Deadline until = refreshing_ ? std::max(refreshed, leaveBy_.load()) : leaveBy_.load();
        const auto left = std::min(std::chrono::ceil<std::chrono::milliseconds>(until - clock_->steady()), lookAround);
        const bool again = left.count() > 0 && signals_.wait(left) == Signals::Arrived::terminate;
        if (!again && clock_->steady() < until) continue;
        std::string names;
        for (const auto& name : runner_->running()) names += (names.empty() ? "" : " ") + name;
        log_->error("host", again ? "told to stop again: leaving at once" : "not everything has ended in time: leaving",
                    {{"running", names.empty() ? "the program's own threads" : names}});
        if (refreshing_)
            log_->error("host",
                        "a refresh token was on its way: what the provider gives in its place is lost, and where the old one is not taken any more "
                        "somebody has to sign in again");
        else if (const auto lost = unsaved(); !lost.empty())
            log_->error("host", lost);
        log_->flush(std::chrono::milliseconds(500));
        directory_.removeAdminAddress();
        if (!pidPath_.empty()) ::unlink(pidPath_.c_str());
        ::_exit(exits::tempFail);
    }
}

void Service::awaitPackages() {
    std::unique_lock lock(mutex_);
    while (!runner_->running().empty()) {
        change_.wait_for(lock, std::chrono::milliseconds(100));  // the callback holds no lock of ours: never miss it for long
        lookForRefreshes();
    }
}

/// One that ends late leaves time for what comes of it.
bool Service::lookForRefreshes() {
    const bool now = access_->tokens().refreshing();
    if (refreshing_ && !now) giveTimeToKeep();  // before the guard sees that it has ended
    refreshing_ = now;
    return now;
}

void Service::giveTimeToKeep() { leaveBy_ = std::max(leaveBy_.load(), clock_->steady() + timeToKeep + timeToStore + timeToShutDown); }

std::string Service::unsaved() {
    const std::lock_guard lock(mutex_);
    return unsaved_;
}

/// What comes in place of a refresh token that is on its way, or has not been stored yet, would be lost with us, and a person had to sign in again.
void Service::finishRefreshes() {
    auto& tokens = access_->tokens();
    const auto until = clock_->steady() + timeToRefresh;
    while (lookForRefreshes() && clock_->steady() < until) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const auto end = clock_->steady() + timeToKeep;
    for (;;) {
        const auto lost = waitFor(*loops_->all().front(), tokens.keepRest());
        std::string texts;
        for (const auto& each : lost) texts += (texts.empty() ? "" : "; ") + describe(each);
        {
            const std::lock_guard lock(mutex_);
            unsaved_ = std::move(texts);
        }
        if (lost.empty()) return;
        giveTimeToKeep();
        if (clock_->steady() < end) {
            std::this_thread::sleep_for(std::chrono::milliseconds(500));
            continue;
        }
        for (const auto& each : lost) log_->error("host", describe(each), {{"code", codeName(each.code)}});
        return;
    }
}

int Service::stop() {
    log_->notice("host", "stopping");
    static_cast<void>(notifier_.send("STOPPING=1"));  // only a courtesy
    phase_.set(lost_ ? "stopping: the database's file is gone" : "stopping");
    leaveBy_ = clock_->steady() + timeToStop;
    std::thread guard([this, refreshed = clock_->steady() + timeToRefresh] { leaveWhenLate(refreshed); });
    access_->tokens().beginNoMore();
    lookForRefreshes();
    runner_->stop();  // first: what is not known because a program was ended is not to count
    stop_.request_stop();
    awaitPackages();
    finishRefreshes();
    int status = mode() == Mode::once ? runner_->status() : 0;
    if (lost_ || (mode() == Mode::once && interrupted_)) status = worse(status, exits::tempFail);
    shutDown();
    if (!lost_)
        if (auto clean = markClean(directory_); !clean) log_->error("host", describe(clean.error()));
    {
        const std::lock_guard lock(mutex_);
        done_ = true;
    }
    signals_.wake();
    guard.join();
    log_->notice("host", "stopped", {{"status", status}});
    log_.reset();
    return status;
}

void Service::shutDown() {
    stop_.request_stop();
    stopKeeping_.request_stop();
    admin_.reset();
    directory_.removeAdminAddress();
    api_.reset();
    loops_->stop();
    for (auto& each : setup_.packages.all) each.package.reset();  // nothing of them runs any more; the loops they refer to are still there
    loops_.reset();
    access_.reset();
    database_.reset();
    pidFile_.reset();
}

int fail(const Error& failure, std::ostream& error) {
    error << describe(failure) << std::endl;
    if (failure.code == Code::channelKeystore) return exits::config;  // that of the admin port: nobody else is reached while it starts
    return exitStatus(failure);
}

}  // namespace

int runService(Setup& setup, const RunArguments& arguments, std::ostream& error) {
    std::vector<Problem> warnings;
    auto configuration = validConfiguration(setup, error, &warnings);
    if (!configuration) return exits::config;
    auto directory = DataDirectory::open(configuration->text("server.data"));
    if (!directory) return fail(directory.error(), error);
    if (auto locked = directory->lock(); !locked) return fail(locked.error(), error);

    Signals signals;
    std::optional<Daemon> daemon;
    if (arguments.daemon) {
        if (configuration->text("log.file").empty()) error << "log.file is not set: in the background nothing will be logged" << std::endl;
        auto forked = Daemon::fork();
        if (!forked) return fail(forked.error(), error);
        daemon.emplace(std::move(*forked));
        if (auto noted = directory->noteProcess(); !noted) return fail(noted.error(), error);
    }
    Service service(setup, arguments, std::move(configuration), *directory, signals);
    auto started = service.start(warnings);
    if (!started) return fail(started.error(), error);
    if (daemon) daemon->up();
    service.announce();
    const int status = service.work();
    directory->release();
    return status;
}

}  // namespace plugin::host
