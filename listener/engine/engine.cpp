#include "listener/engine/engine.h"

#include "listener/delivery/spool.h"
#include "listener/imap/imap_mailbox.h"

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
constexpr int allSettled = 0, tryAgain = 75;

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
}

}  // namespace

Engine::Engine(plugin::Host& host)
    : host_(host),
      configuration_(host.configuration()),
      ledger_(makeLedger(host.database(), host.clock())),
      parts_{host.access(),
             *ledger_,
             host.disk(),
             host.log(),
             host.metrics(),
             host.random(),
             pacer_,
             host.dataDirectory() + "/staging",
             host.version(),
             [this](const MailboxSettings& settings) { return imap::makeMailbox(settings.session, host_.access(), host_.log(), host_.version()); }} {
    for (const auto& name : configuration_->aliases("sink")) sinks_.push_back(makeSpool(spoolSettings(*configuration_, name), host_.disk()));
    const auto loops = host_.loops();
    for (const auto& alias : configuration_->aliases("mailbox")) {
        auto settings = mailboxSettings(*configuration_, alias);
        std::vector<Sink*> sinks;
        for (const auto& wanted : settings.sinks)
            for (const auto& sink : sinks_)
                if (sink->name() == wanted) sinks.push_back(sink.get());
        auto& loop = *loops[workers_.size() % loops.size()];
        workers_.push_back(std::make_unique<Worker>(parts_, loop, std::move(settings), std::move(sinks)));
    }
    describeMetrics(host_.metrics());
    collector_ = host_.metrics().addCollector([this] { showStatus(); });
}

Engine::~Engine() { host_.metrics().removeCollector(collector_); }

void Engine::start(Mode mode, std::function<void(int status)> ended) {
    auto* home = host_.loops().front();
    plugin::startOn(*home, supervise(mode, std::move(ended)));
}

void Engine::stop() {
    if (!finish_.request_stop()) return;
    auto* home = host_.loops().front();
    home->post([this, home] { home->at(home->clock().steady() + patience, [giveUp = giveUp_]() mutable { giveUp.request_stop(); }); });
}

Task<void> Engine::supervise(Mode mode, std::function<void(int status)> ended) {
    auto ready = co_await blockAfterLoss();
    if (!ready) {
        host_.log().error(logger, plugin::describe(ready.error()));
        ended(tryAgain);
        co_return;
    }
    auto& home = co_await plugin::thisLoop();
    std::vector<std::shared_ptr<plugin::Shared<bool>>> running;
    for (const auto& worker : workers_)
        if (worker->settings().enabled)
            running.push_back(plugin::startOn(worker->loop(), worker->run(mode, {finish_.get_token(), giveUp_.get_token()})));
    const auto over = std::make_shared<plugin::Event>();
    const auto watching = plugin::start(home, watchOperator(over));
    bool all = true;
    for (const auto& worker : running) {
        co_await worker->wait(plugin::Deadline::max(), {});
        all = worker->get() && all;
    }
    over->set();
    co_await watching->wait(plugin::Deadline::max(), {});
    co_await recordVerified();
    ended(mode == Mode::once && !all ? tryAgain : allSettled);
}

/// After the loss of the database every configured mailbox waits for the operator, and goes on waiting after a restart.
Task<Result<void>> Engine::blockAfterLoss() {
    const auto lost = host_.stateLost();
    if (!lost) co_return Result<void>{};
    std::vector<std::string> mailboxes;
    for (const auto& worker : workers_) mailboxes.push_back(worker->settings().alias);
    std::string why = "the database was lost, so what has been delivered is not known";
    co_return co_await ledger_->blockAfterLoss(*lost, std::move(mailboxes), std::move(why));
}

/// Notices what commands of other processes wrote, and records now and then when mailboxes were verified.
Task<void> Engine::watchOperator(std::shared_ptr<plugin::Event> over) {
    auto& loop = co_await plugin::thisLoop();
    std::optional<std::int64_t> seen;
    auto recordAt = loop.clock().steady() + verifiedRecorded;
    for (;;) {
        auto changes = co_await ledger_->operatorChanges();
        if (changes) {
            if (seen && *seen != *changes)
                for (const auto& worker : workers_) worker->operatorActed();
            seen = *changes;
        }
        if (loop.clock().steady() >= recordAt) {
            co_await recordVerified();
            recordAt = loop.clock().steady() + verifiedRecorded;
        }
        auto pause = over->wait(loop.clock().steady() + operatorGlance, {});
        if (co_await pause == plugin::Wake::done) co_return;
    }
}

Task<void> Engine::recordVerified() {
    std::vector<std::pair<std::string, plugin::Wall>> times;
    for (const auto& worker : workers_)
        if (const auto when = worker->lastVerified(); when != plugin::Wall{}) times.emplace_back(worker->settings().alias, when);
    if (times.empty()) co_return;
    auto recorded = co_await ledger_->verified(std::move(times));
    if (!recorded) host_.log().debug(logger, plugin::describe(recorded.error()));
}

void Engine::showStatus() {
    auto& metrics = host_.metrics();
    const auto now = host_.clock().steady();
    for (const auto& worker : workers_) {
        const auto view = worker->status().view(now);
        const auto age = view.verifiedAge ? std::chrono::duration<double>(*view.verifiedAge).count() : std::numeric_limits<double>::quiet_NaN();
        metrics.set("postern_mailbox_verified_age_seconds", {{"mailbox", view.alias}}, age);
        for (const auto state : {State::disabled, State::starting, State::working, State::watching, State::waiting})
            metrics.set("postern_mailbox_state", {{"mailbox", view.alias}, {"state", std::string(name(state))}}, view.state == state ? 1 : 0);
        for (const auto health : {Health::ok, Health::degraded, Health::stalled, Health::blocked})
            metrics.set("postern_mailbox_health", {{"mailbox", view.alias}, {"health", std::string(name(health))}}, view.health == health ? 1 : 0);
    }
}

}  // namespace listener
