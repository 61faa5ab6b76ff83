#include "listener/engine/engine.h"

#include "auth/settings_behind.h"
#include "listener/engine/alert_settings.h"
#include "listener/engine/conditions.h"
#include "plugin/contract/exit_status.h"

#include <algorithm>
#include <limits>

namespace listener {

using plugin::Mode;
using plugin::Result;
using plugin::Task;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view logger = "listener.engine";
constexpr auto operatorGlance = 1s;     // how soon the service notices what a command wrote
constexpr auto verifiedRecorded = 60s;  // `postern mailboxes` shows times no older than this
constexpr auto conditionsGlance = 5s;   // each looks at every mailbox
constexpr auto datesGlance = 1h;        // at when secrets, certificates and sign-ins end
constexpr auto alertPatience = 1s;      // for what is being told when the service stops

void describeMetrics(plugin::Metrics& metrics) {
    using Kind = plugin::Metrics::Kind;
    metrics.describe("postern_mailbox_verified_age_seconds", Kind::gauge,
                     "Seconds since the mailbox last answered for every watched folder, with all it listed accounted for; NaN: not since the start");
    metrics.describe("postern_mailbox_state", Kind::gauge, "1 for the state the mailbox is in");
    metrics.describe("postern_mailbox_health", Kind::gauge, "1 for the health the mailbox has");
    metrics.describe("postern_messages_total", Kind::counter, "Messages that became final");
    metrics.describe("postern_message_bytes_total", Kind::counter, "Bytes of messages that became final");
    metrics.describe("postern_errors_total", Kind::counter, "Failures of a mailbox by code");
    metrics.describe("postern_sink_deliveries_total", Kind::counter, "Verdicts of sinks");
    metrics.describe("postern_sink_state", Kind::gauge, "1 for the state the sink is in");
    metrics.describe("postern_outbox_messages", Kind::gauge, "Deliveries the outbox owes to a sink");
    metrics.describe("postern_folder_unaccounted", Kind::gauge, "Messages in a folder of which the ledger knows nothing; looked for once a day");
    metrics.describe("postern_outbox_bytes", Kind::gauge, "Bytes of messages kept in outbox and quarantine");
}

}  // namespace

Engine::Engine(plugin::Host& host, Programs& programs, MailboxMaker make)
    : host_(host),
      configuration_(host.configuration()),
      ledger_(makeLedger(host.database(), host.clock())),
      outlets_(host, programs, [this](const std::string& mailbox) { mailboxHasWork(mailbox); }),
      alerts_(AlertParts{host.database(), host.access(), programs, host.clock(), host.log(), host.metrics(), host.instance()},
              alertSettings(*configuration_)),
      limits_(host.clock()),
      parts_{host.access(),
             *ledger_,
             outlets_.ledger(),
             outlets_.files(),
             [this] {
                 fetchedAgain_ = true;
                 outlets_.lookAgain();
             },
             host.disk(),
             host.log(),
             host.metrics(),
             host.random(),
             pacer_,
             host.dataDirectory() + "/staging",
             configuration_->duration("ledger.retention"),
             host.version(),
             [this, make = std::move(make)](const MailboxSettings& settings) {
                 return make ? make(settings, host_) : makeMailbox(settings, host_, limits_);
             }} {
    outlets_.configure(*configuration_);
    for (const auto& alias : configuration_->aliases("mailbox")) fill(alias);
    describeMetrics(host_.metrics());
    collector_ = host_.metrics().addCollector([this] { showStatus(); });
}

Engine::~Engine() { host_.metrics().removeCollector(collector_); }

Engine::Post::Post(std::string made, std::vector<std::shared_ptr<Outlet>> to, std::unique_ptr<Worker> by, const Stops& all)
    : fingerprint(std::move(made)),
      outlets(std::move(to)),
      worker(std::move(by)),
      whenAllFinish(all.finish, [mine = finish]() mutable { mine.request_stop(); }),
      whenAllGiveUp(all.giveUp, [mine = giveUp]() mutable { mine.request_stop(); }) {}

/// All that makes a difference to a mailbox.
std::string Engine::fingerprintOf(const std::string& alias) const {
    auto all = auth::settingsBehind(*configuration_, "mailbox." + alias + ".");
    for (const auto& sink : configuration_->list("mailbox." + alias + ".deliver"))
        all += " " + auth::settingsBehind(*configuration_, "sink." + sink + ".");
    return all;
}

std::shared_ptr<Engine::Post> Engine::fill(const std::string& alias) {
    auto settings = mailboxSettings(*configuration_, alias);
    std::vector<std::shared_ptr<Outlet>> outlets;
    std::vector<Outlet*> lent;
    for (const auto& wanted : settings.sinks)
        if (auto found = outlets_.find(wanted)) {
            lent.push_back(found.get());
            outlets.push_back(std::move(found));
        }
    const auto loops = host_.loops();
    auto worker = std::make_unique<Worker>(parts_, *loops[filled_++ % loops.size()], std::move(settings), std::move(lent));
    auto post = std::make_shared<Post>(fingerprintOf(alias), std::move(outlets), std::move(worker), Stops{finish_.get_token(), giveUp_.get_token()});
    const std::lock_guard lock(mutex_);
    return posts_[alias] = std::move(post);
}

void Engine::begin(Post& post, Mode mode) {
    if (!post.worker->settings().enabled) return;
    post.end = plugin::startOn(post.worker->loop(), post.worker->run(mode, {post.finish.get_token(), post.giveUp.get_token()}));
}

void Engine::start(Mode mode, std::function<void(int status)> ended) {
    auto* home = host_.loops().front();
    plugin::startOn(*home, supervise(mode, std::move(ended)));
}

void Engine::reload() {
    host_.loops().front()->post([this] { reloaded_.set(); });
}

void Engine::stop() {
    if (!finish_.request_stop()) return;
    auto* home = host_.loops().front();
    home->post([this, home] { home->at(home->clock().steady() + patience, [giveUp = giveUp_]() mutable { giveUp.request_stop(); }); });
}

Task<void> Engine::supervise(Mode mode, std::function<void(int status)> ended) {
    auto ready = co_await blockAfterLoss();
    if (ready) ready = co_await outlets_.prepare(host_.stateLost());
    if (!ready) {
        host_.log().error(logger, plugin::describe(ready.error()));
        ended(plugin::exits::tempFail);
        co_return;
    }
    auto& home = co_await plugin::thisLoop();
    if (mode == Mode::service)
        outlets_.begin(finish_.get_token(), giveUp_.get_token());
    else
        co_await outlets_.drainOnce(finish_.get_token(), giveUp_.get_token());
    for (const auto& [alias, post] : posts_) begin(*post, mode);
    const auto over = std::make_shared<plugin::Event>();
    const auto watching = plugin::start(home, watchOperator(over));
    std::shared_ptr<plugin::Shared<plugin::Nothing>> alerting, dating;
    if (mode == Mode::service) {
        alerting = plugin::start(home, watchAlerts(over));
        dating = plugin::start(home, watchDates(over));
        co_await followConfiguration();
    }
    bool all = co_await mailboxesEnded();
    if (mode == Mode::once && fetchedAgain_ && !finish_.stop_requested()) {
        // It came after the outbox had had its turn, and may have after-actions of its own.
        co_await outlets_.drainOnce(finish_.get_token(), giveUp_.get_token());
        for (const auto& [alias, post] : posts_) begin(*post, mode);
        const bool again = co_await mailboxesEnded();
        all = all && again;
    }
    co_await outlets_.end();
    over->set();
    co_await watching->wait(plugin::Deadline::max(), {});
    if (alerting) co_await alerting->wait(plugin::Deadline::max(), {});
    if (dating) co_await dating->wait(plugin::Deadline::max(), {});
    co_await recordVerified();
    const bool nothingWaits = co_await outlets_.nothingWaits();
    ended(mode == Mode::once && !(all && nothingWaits) ? plugin::exits::tempFail : plugin::exits::ok);
}

/// True: each has done all there was.
Task<bool> Engine::mailboxesEnded() {
    bool all = true;
    for (const auto& [alias, post] : posts_) {
        if (!post->end) continue;
        co_await post->end->wait(plugin::Deadline::max(), {});
        all = post->end->get() && all;
    }
    co_return all;
}

/// Until the service stops: works by each new snapshot, one after the other.
Task<void> Engine::followConfiguration() {
    for (;;) {
        auto news = reloaded_.wait(plugin::Deadline::max(), finish_.get_token());
        if (co_await news == plugin::Wake::stopped) co_return;
        reloaded_.reset();
        co_await takeOver();
    }
}

Task<void> Engine::takeOver() {
    auto& home = co_await plugin::thisLoop();
    co_await recordVerified();  // of those that go, too
    configuration_ = host_.configuration();
    const auto gone = outlets_.configure(*configuration_);
    alerts_.configure(alertSettings(*configuration_));
    const auto wanted = configuration_->aliases("mailbox");
    std::vector<std::shared_ptr<plugin::Shared<plugin::Nothing>>> changes;
    for (const auto& [alias, post] : std::map(posts_)) {
        const bool stays = std::find(wanted.begin(), wanted.end(), alias) != wanted.end();
        if (stays && post->fingerprint == fingerprintOf(alias)) continue;
        host_.log().notice(logger, stays ? "the mailbox has changed and is started again" : "the mailbox is no longer configured and stops",
                           {{"mailbox", alias}});
        post->finish.request_stop();
        changes.push_back(plugin::start(home, replace(alias, post)));
    }
    for (const auto& alias : wanted) {
        if (posts_.contains(alias)) continue;
        host_.log().notice(logger, "the mailbox is new", {{"mailbox", alias}});
        begin(*fill(alias), Mode::service);
    }
    for (const auto& change : changes) co_await change->wait(plugin::Deadline::max(), {});
    for (const auto& name : gone) host_.metrics().forget("sink", name);
    auto looking = outlets_.lookForOrphans();
    const auto looked = co_await looking;
    if (!looked) host_.log().error(logger, plugin::describe(looked.error()));
}

/// Waits for the end of what a mailbox has at hand; then it is another one, or gone.
Task<void> Engine::replace(std::string alias, std::shared_ptr<Post> old) {
    auto& home = co_await plugin::thisLoop();
    if (old->end) {
        auto ends = old->end->wait(home.clock().steady() + patienceToChange, {});
        if (co_await ends == plugin::Wake::timedOut) {
            old->giveUp.request_stop();
            co_await old->end->wait(plugin::Deadline::max(), {});
        }
    }
    const auto wanted = configuration_->aliases("mailbox");
    if (std::find(wanted.begin(), wanted.end(), alias) != wanted.end()) {
        begin(*fill(alias), Mode::service);
        co_return;
    }
    {
        const std::lock_guard lock(mutex_);
        posts_.erase(alias);
    }
    host_.metrics().forget("mailbox", alias);
}

/// After the loss of the database every configured mailbox waits for the operator, and goes on waiting after a restart.
Task<Result<void>> Engine::blockAfterLoss() {
    const auto lost = host_.stateLost();
    if (!lost) co_return Result<void>{};
    std::vector<std::string> mailboxes;
    for (const auto& [alias, post] : posts_) mailboxes.push_back(alias);
    std::string why = "the database was lost, so what has been delivered is not known";
    co_return co_await ledger_->blockAfterLoss(*lost, std::move(mailboxes), std::move(why));
}

/// Notices what commands of other processes wrote, and records now and then when mailboxes were verified.
Task<void> Engine::watchOperator(std::shared_ptr<plugin::Event> over) {
    auto& loop = co_await plugin::thisLoop();
    std::optional<std::int64_t> seen;
    std::uint64_t recorded = 0;
    auto recordAt = loop.clock().steady() + verifiedRecorded;
    for (;;) {
        auto changes = co_await ledger_->operatorChanges();
        if (changes) {
            if (seen && *seen != *changes) {
                for (const auto& [alias, post] : posts_) post->worker->operatorActed();
                outlets_.lookAgain();
                co_await outlets_.recount();
            }
            seen = *changes;
        }
        wakeMailboxesWithWork();
        co_await wakeSignedIn();
        if (loop.clock().steady() >= recordAt) {
            co_await recordVerified();
            if (++recorded % 10 == 0) co_await outlets_.recount();
            recordAt = loop.clock().steady() + verifiedRecorded;
        }
        auto pause = over->wait(loop.clock().steady() + operatorGlance, {});
        if (co_await pause == plugin::Wake::done) co_return;
    }
}

/// Mailboxes that wait for somebody to sign in try again as soon as somebody has, in whatever process.
Task<void> Engine::wakeSignedIn() {
    auto* const grants = host_.access().grants();
    if (grants == nullptr) co_return;
    std::map<std::string, std::string> waiting;  // mailbox → credential; a copy, as mailboxes may change meanwhile
    for (const auto& [alias, post] : posts_) {
        const auto error = post->worker->status().view(host_.clock().steady()).lastError;
        if (error && error->code == plugin::Code::tokenSignInNeeded) waiting[alias] = post->worker->credential();
    }
    std::erase_if(signIns_, [&](const auto& each) { return !waiting.contains(each.first); });
    for (const auto& [alias, credential] : waiting) {
        auto asking = grants->version(credential);
        const auto version = co_await asking;
        if (!version) continue;
        const auto known = signIns_.find(alias);
        // At first sight it tries once more: somebody may have signed in since it failed.
        const bool news = known == signIns_.end() || known->second != *version;
        signIns_[alias] = *version;
        if (const auto post = posts_.find(alias); news && post != posts_.end()) post->second->worker->operatorActed();
    }
}

void Engine::mailboxHasWork(const std::string& mailbox) {
    const std::lock_guard lock(mutex_);
    withWork_.insert(mailbox);
}

/// Once a glance, however much comes to its end in between: each wake costs a look into all folders.
void Engine::wakeMailboxesWithWork() {
    const std::lock_guard lock(mutex_);
    for (const auto& mailbox : std::exchange(withWork_, {}))
        if (const auto post = posts_.find(mailbox); post != posts_.end()) post->second->worker->operatorActed();
}

/// What administrators have to know now.
std::vector<Condition> Engine::conditions() {
    auto all = conditionsOf(present());
    for (const auto& [alias, post] : posts_)
        for (const auto& [folder, count] : post->worker->unaccounted())
            if (count > 0)
                all.push_back({"folder-unaccounted", alias + "/" + folder, plugin::Code::messageUnaccounted,
                               std::to_string(count) + " messages stand in the folder of which the ledger knows nothing"});
    for (auto& condition : outlets_.conditions()) all.push_back(std::move(condition));
    for (auto& condition : conditionsOf(host_.access().endings(), host_.clock().wall())) all.push_back(std::move(condition));
    if (!datesKnown_) all.push_back({.kind = "credential-ending", .subject = {}, .known = false});
    return all;
}

/// Beside the alerts, which are not to wait for it: it may wait for programs that give passwords of keystores.
Task<void> Engine::watchDates(std::shared_ptr<plugin::Event> over) {
    auto& loop = co_await plugin::thisLoop();
    for (;;) {
        auto looking = host_.access().lookAtDates();
        co_await looking;
        datesKnown_ = datesKnown_ || !finish_.stop_requested();
        auto pause = over->wait(loop.clock().steady() + datesGlance, {});
        if (co_await pause == plugin::Wake::done) co_return;
    }
}

Task<void> Engine::watchAlerts(std::shared_ptr<plugin::Event> over) {
    auto& loop = co_await plugin::thisLoop();
    for (;;) {
        auto observing = alerts_.observe(conditions());
        co_await observing;
        auto pause = over->wait(loop.clock().steady() + conditionsGlance, {});
        if (co_await pause == plugin::Wake::done) break;
    }
    auto closing = alerts_.close(alertPatience);
    co_await closing;
}

Task<void> Engine::recordVerified() {
    std::vector<std::pair<std::string, plugin::Wall>> times;
    for (const auto& [alias, post] : posts_)
        if (const auto when = post->worker->lastVerified(); when != plugin::Wall{}) times.emplace_back(alias, when);
    if (times.empty()) co_return;
    auto recorded = co_await ledger_->verified(std::move(times));
    if (!recorded) host_.log().debug(logger, plugin::describe(recorded.error()));
}

std::vector<MailboxStatus::View> Engine::present() const {
    std::vector<MailboxStatus::View> views;
    const auto now = host_.clock().steady();
    const std::lock_guard lock(mutex_);
    for (const auto& [alias, post] : posts_) views.push_back(post->worker->status().view(now));
    return views;
}

void Engine::showStatus() {
    auto& metrics = host_.metrics();
    const auto now = host_.clock().steady();
    outlets_.show(metrics);
    const std::lock_guard lock(mutex_);  // until they are set: those of a mailbox that goes are forgotten once it is no longer here
    for (const auto& [alias, post] : posts_) {
        const auto view = post->worker->status().view(now);
        const auto age = view.verifiedAge ? std::chrono::duration<double>(*view.verifiedAge).count() : std::numeric_limits<double>::quiet_NaN();
        metrics.set("postern_mailbox_verified_age_seconds", {{"mailbox", view.alias}}, age);
        for (const auto state : {State::disabled, State::starting, State::working, State::watching, State::waiting})
            metrics.set("postern_mailbox_state", {{"mailbox", view.alias}, {"state", std::string(name(state))}}, view.state == state ? 1 : 0);
        for (const auto health : {Health::ok, Health::degraded, Health::stalled, Health::blocked})
            metrics.set("postern_mailbox_health", {{"mailbox", view.alias}, {"health", std::string(name(health))}}, view.health == health ? 1 : 0);
    }
}

}  // namespace listener
