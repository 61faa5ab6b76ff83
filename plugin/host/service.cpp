#include "plugin/host/service.h"

#include "auth/access.h"
#include "auth/login/callback_desk.h"
#include "auth/schema.h"
#include "plugin/contract/exit_status.h"
#include "plugin/contract/waiting.h"
#include "plugin/host/api.h"
#include "plugin/host/daemon.h"
#include "plugin/host/departure.h"
#include "plugin/host/lent_host.h"
#include "plugin/host/logging.h"
#include "plugin/host/loops.h"
#include "plugin/host/metrics.h"
#include "plugin/host/notify.h"
#include "plugin/host/package_runner.h"
#include "plugin/host/reload.h"
#include "plugin/host/service_port.h"
#include "plugin/host/signals.h"
#include "plugin/host/state.h"
#include "plugin/host/vault.h"
#include "plugin/host/wait_with_signals.h"
#include "plugin/host/watched_database.h"
#include "plugin/runtime/posix_disk.h"

#include <algorithm>
#include <filesystem>
#include <ostream>
#include <stop_token>

namespace plugin::host {

namespace {

constexpr unsigned workers = 8;
constexpr auto beatEvery = std::chrono::seconds(5);

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
    /// Of an error of start(): nothing but that the service was told to end before it was up.
    bool isEndAsTold(const Error& error) const { return interrupted_ && error.code == Code::channelStopped; }
    /// Tells whoever started us, once the background process has let go of its terminal.
    void announce();
    int work();
    int stop();

private:
    Result<void> bringUp(const std::vector<Problem>& warnings);
    Result<void> openPort();
    Result<void> writePidFile();
    void describeProgram(const std::vector<Problem>& warnings);
    Mode mode() const { return arguments_.once ? Mode::once : Mode::service; }
    void reload();
    bool takeOver();
    void beat();
    bool databaseIsLost();
    [[noreturn]] void leave();
    void tidy();
    void shutDown();

    Setup& setup_;
    const RunArguments& arguments_;
    CurrentConfiguration configuration_;
    DataDirectory& directory_;
    Signals& signals_;
    Notifier notifier_ = Notifier::fromEnvironment();
    bool interrupted_ = false;  // a signal came before the packages were done
    bool outdated_ = false;     // SIGHUP came before the service was up
    bool lost_ = false;         // the database's file went away under us
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
    std::optional<auth::Lasting> lasting_{};
    std::unique_ptr<auth::Access> access_{};
    std::unique_ptr<Loops> loops_{};
    std::unique_ptr<LentHost> host_{};
    std::unique_ptr<PackageRunner> runner_{};
    std::optional<Api> api_{};
    std::optional<ServicePort> port_{};
    std::string pidPath_{};
    std::optional<PidFile> pidFile_{};
};

/// The admin port waits for the password of its keystore; whoever wants us to end meanwhile does not.
Result<void> Service::openPort() {
    if (mode() == Mode::once) return {};
    auto& loop = *loops_->all().front();
    const auto opened = waitWithSignals(loop, offload(loop, [this] { return port_->open(); }), signals_, [this](Signals::Arrived arrived) {
        if (arrived == Signals::Arrived::hangUp) outdated_ = true;
        if (arrived != Signals::Arrived::terminate) return;
        if (interrupted_) leave();
        log_->notice("host", "stopping before the service is up");
        interrupted_ = true;
        stop_.request_stop();
    });
    if (opened && interrupted_) return Error{Reaction::retryLater, Code::channelStopped, "the service was told to end before it was up"};
    return opened;
}

/// Told again before it was up: there is nothing to lose yet.
void Service::leave() {
    log_->error("host", "told to stop again: leaving at once");
    log_->flush(std::chrono::milliseconds(500));
    tidy();
    ::_exit(exits::tempFail);
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
    runner_ = std::make_unique<PackageRunner>(setup_.packages, *log_, *metrics_, [this] { signals_.wake(); });
    vault_.emplace(directory_.path());
    port_.emplace(ServicePort::Parts{configuration_, directory_, *vault_, *clock_, *random_, *log_, *metrics_, *loops_, *runner_, stop_.get_token()});
    if (auto opened = openPort(); !opened) return opened;
    if (auto written = writePidFile(); !written) return written;
    if (auto staging = directory_.prepareStaging(); !staging) return staging;
    auto state = openState(directory_, *clock_, *random_, *log_);
    if (!state) return state.error();
    state_ = std::move(*state);
    databaseFile_.emplace(directory_);
    database_ = std::make_unique<WatchedDatabase>(std::move(state_.database));
    port_->down("starting: the packages are not up yet");
    if (auto migrated = database_->migrate(auth::schemaOwner, auth::migrations()); !migrated) return migrated;
    lasting_.emplace(auth::Lasting{*database_, *vault_, *vault_});
    access_ = auth::makeAccess(
        {configuration_, *clock_, *random_, *log_, *metrics_, nullptr, nullptr, &*lasting_, stop_.get_token(), stopKeeping_.get_token()});
    if (auto cleared = waitFor(*loops_->all().front(), access_->callbacks()->clearAway()); !cleared) return cleared.error();
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
    if (!up && toFile && !isEndAsTold(up.error())) log_->error("host", describe(up.error()), {{"code", codeName(up.error().code)}});
    return up;
}

void Service::announce() {
    port_->up({*api_, *access_->callbacks(), *database_});
    log_->notice("host", "up", {{"packages", static_cast<std::uint64_t>(runner_->running().size())}});
    if (auto told = notifier_.send("READY=1\nMAINPID=" + std::to_string(::getpid())); !told) log_->warning("host", told.error().what);
}

void Service::beat() {
    loops_->beat();
    port_->look();
    if (notifier_.watchdog() && loops_->alive(aliveWithin)) static_cast<void>(notifier_.send("WATCHDOG=1"));  // a lost one is made up for by the next
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
    if (outdated_) reload();
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

int Service::stop() {
    log_->notice("host", "stopping");
    static_cast<void>(notifier_.send("STOPPING=1"));  // only a courtesy
    port_->down(lost_ ? "stopping: the database's file is gone" : "stopping");
    int status = 0;
    {
        Departure departure({*clock_, *log_, signals_, *runner_, access_->tokens(), *loops_->all().front(), [this] { tidy(); }});
        runner_->stop();  // first: what is not known because a program was ended is not to count
        stop_.request_stop();
        departure.awaitPackages();
        departure.finishRefreshes();
        if (mode() == Mode::once) status = runner_->status();
        if (lost_ || (mode() == Mode::once && interrupted_)) status = worse(status, exits::tempFail);
        shutDown();
        if (!lost_)
            if (auto clean = markClean(directory_); !clean) log_->error("host", describe(clean.error()));
    }
    log_->notice("host", "stopped", {{"status", status}});
    log_.reset();
    return status;
}

/// For whoever looks whether we run, where the process leaves late.
void Service::tidy() {
    directory_.removeAdminAddress();
    if (!pidPath_.empty()) ::unlink(pidPath_.c_str());
}

void Service::shutDown() {
    stop_.request_stop();
    stopKeeping_.request_stop();
    if (port_) port_->close();
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
    if (!started && service.isEndAsTold(started.error())) return exits::ok;
    if (!started) return fail(started.error(), error);
    if (daemon) daemon->up();
    service.announce();
    const int status = service.work();
    directory->release();
    return status;
}

}  // namespace plugin::host
