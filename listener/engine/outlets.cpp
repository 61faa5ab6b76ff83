#include "listener/engine/outlets.h"

#include "auth/access.h"
#include "auth/settings_behind.h"

#include <algorithm>

namespace listener {

using plugin::Result;
using plugin::Task;

namespace {
constexpr std::string_view logger = "listener.engine";
}

Outlets::Outlets(plugin::Host& host, Programs& programs, std::function<void(const std::string& mailbox)> mailboxHasWork)
    : host_(host),
      ledger_(makeOutboxLedger(host.database(), host.clock())),
      files_(host.disk(), host.clock(), host.random(), host.dataDirectory(), host.configuration()->size("outbox.max_size")),
      programs_(programs),
      parts_{*ledger_, files_, host.log(), host.metrics(), host.random(), std::move(mailboxHasWork)} {}

std::shared_ptr<Sink> Outlets::makeSink(const plugin::Configuration& configuration, const SinkSettings& settings) {
    switch (settings.type) {
        case SinkSettings::Type::spool:
            return makeSpool(spoolSettings(configuration, settings.name), host_.disk());
        case SinkSettings::Type::http:
            return makeHttp(httpSettings(configuration, settings.name), host_.access(), host_.clock());
        case SinkSettings::Type::exec:
            return makeExec(execSettings(configuration, settings.name), programs_);
    }
    throw std::logic_error("a sink of no type");
}

std::vector<std::string> Outlets::configure(const plugin::Configuration& configuration) {
    std::map<std::string, Way> wanted;
    std::vector<std::pair<std::string, std::shared_ptr<plugin::Shared<plugin::Nothing>>>> fresh;
    const auto loops = host_.loops();
    for (const auto& name : configuration.aliases("sink")) {
        auto fingerprint = auth::settingsBehind(configuration, "sink." + name + ".");
        const auto known = ways_.find(name);
        if (known != ways_.end() && known->second.fingerprint == fingerprint) {
            wanted.emplace(name, known->second);
            continue;
        }
        auto settings = sinkSettings(configuration, name);
        auto sink = makeSink(configuration, settings);
        auto outlet = std::make_shared<Outlet>(parts_, *loops[made_++ % loops.size()], std::move(settings), std::move(sink),
                                               known == ways_.end() ? nullptr : known->second.outlet.get());
        fresh.emplace_back(name, known == ways_.end() ? nullptr : known->second.end);
        wanted.emplace(name, Way{std::move(fingerprint), std::move(outlet)});
    }
    std::vector<std::string> gone;
    for (auto& [name, way] : ways_) {
        const auto now = wanted.find(name);
        if (now != wanted.end() && now->second.outlet == way.outlet) continue;
        way.finish.request_stop();
        if (now == wanted.end()) gone.push_back(name);
        retired_.push_back(way);
    }
    {
        const std::lock_guard lock(mutex_);
        ways_.swap(wanted);
    }
    if (running_)
        for (auto& [name, forerunner] : fresh) beginOne(ways_.at(name), std::move(forerunner));
    return gone;
}

std::shared_ptr<Outlet> Outlets::find(const std::string& sink) const {
    const auto found = ways_.find(sink);
    return found == ways_.end() ? nullptr : found->second.outlet;
}

Task<Result<void>> Outlets::prepare(std::optional<plugin::Wall> lost) {
    auto& loop = co_await plugin::thisLoop();
    auto needed = co_await ledger_->keptFiles();
    if (!needed) co_return needed.error();
    auto inspect = plugin::offload(loop, [this, files = std::move(*needed), lost] { return files_.inspect(files, lost); });
    auto found = co_await inspect;
    if (!found) co_return found.error();
    for (auto& file : found->missing) {
        const plugin::Error error{plugin::Reaction::retryLater, plugin::Code::outboxDamaged, file + " is gone"};
        host_.log().error(logger, plugin::describe(error));
        auto unreachable = co_await ledger_->lost(std::move(file));
        if (!unreachable) co_return unreachable.error();
    }
    if (found->strangers > 0)
        host_.log().warning(logger, "the outbox holds files of a database that was lost: they are left alone",
                            {{"files", found->strangers}, {"directory", host_.dataDirectory() + "/outbox"}});
    auto bytes = co_await ledger_->keptBytes();
    if (!bytes) co_return bytes.error();
    files_.use(*bytes);
    co_return co_await lookForOrphans();
}

Task<Result<void>> Outlets::lookForOrphans() {
    auto totals = co_await ledger_->totals();
    if (!totals) co_return totals.error();
    std::map<std::string, std::uint64_t> found;
    for (const auto& total : *totals) {
        if (total.waiting == 0 || ways_.contains(total.sink)) continue;
        found.emplace(total.sink, total.waiting);
        if (!orphans_.contains(total.sink))
            host_.log().warning(logger, "the outbox holds messages for a sink that is not configured: they wait until it is there again",
                                {{"sink", total.sink}, {"messages", total.waiting}});
    }
    orphans_ = std::move(found);
    co_return Result<void>{};
}

/// Where another outlet of that sink is still at its outbox, after it. `outlet` is kept alive.
Task<void> Outlets::run(std::shared_ptr<Outlet> outlet, std::shared_ptr<plugin::Shared<plugin::Nothing>> forerunner, std::stop_token finish) {
    if (forerunner) co_await forerunner->wait(plugin::Deadline::max(), {});
    co_await outlet->run(std::move(finish), giveUp_);
}

void Outlets::beginOne(Way& way, std::shared_ptr<plugin::Shared<plugin::Nothing>> forerunner) {
    way.outlet->breakWith(giveUp_);
    way.end = plugin::startOn(way.outlet->loop(), run(way.outlet, std::move(forerunner), way.finish.get_token()));
}

void Outlets::begin(std::stop_token finish, std::stop_token giveUp) {
    finish_ = std::move(finish);
    giveUp_ = std::move(giveUp);
    running_ = true;
    for (auto& [name, way] : ways_) beginOne(way, nullptr);
}

Task<void> Outlets::drainOnce(std::stop_token finish, std::stop_token giveUp) {
    std::vector<std::shared_ptr<plugin::Shared<plugin::Nothing>>> under;
    for (auto& [name, way] : ways_) under.push_back(plugin::startOn(way.outlet->loop(), way.outlet->drainOnce(finish, giveUp)));
    for (const auto& one : under) co_await one->wait(plugin::Deadline::max(), {});
}

Task<void> Outlets::end() {
    std::vector<Way> all = retired_;
    for (auto& [name, way] : ways_) all.push_back(way);
    for (auto& way : all) {
        way.finish.request_stop();
        if (way.end) co_await way.end->wait(plugin::Deadline::max(), {});
    }
    for (const auto& way : all) {
        auto ends = plugin::startOn(way.outlet->loop(), way.outlet->letEnd());
        co_await ends->wait(plugin::Deadline::max(), {});
    }
}

Task<void> Outlets::recount() {
    auto bytes = co_await ledger_->keptBytes();
    if (bytes) files_.recounted(*bytes);
    if (files_.hasDoubtful()) {
        auto needed = co_await ledger_->keptFiles();
        auto& loop = co_await plugin::thisLoop();
        if (needed) {
            auto remove = plugin::offload(loop, [this, files = std::move(*needed)] { return files_.removeUnneeded(files); });
            co_await remove;
        }
    }
    auto looking = lookForOrphans();
    const auto looked = co_await looking;
    if (!looked) host_.log().debug(logger, plugin::describe(looked.error()));
}

Task<bool> Outlets::nothingWaits() {
    auto totals = co_await ledger_->totals();
    if (!totals) co_return false;
    co_return std::all_of(totals->begin(), totals->end(), [](const OutboxTotal& total) { return total.waiting == 0; });
}

void Outlets::lookAgain() {
    const std::lock_guard lock(mutex_);
    for (const auto& [name, way] : ways_) way.outlet->lookAgain();
}

std::vector<Outlets::View> Outlets::views() const {
    const std::lock_guard lock(mutex_);
    std::vector<View> all;
    for (const auto& [name, way] : ways_) all.push_back({name, way.outlet->view()});
    return all;
}

std::vector<Condition> Outlets::conditions() const {
    using State = SinkHealth::State;
    std::vector<Condition> all;
    for (const auto& [sink, outlet] : views()) {
        const bool known = outlet.proven || outlet.error;  // since the start nobody has asked it yet
        if (!known) {
            for (const auto* kind : {"sink-refusing", "sink-disabled"}) all.push_back({.kind = kind, .subject = sink, .known = false});
            continue;
        }
        const auto& error = outlet.error;
        if (outlet.state == State::resting && error)
            all.push_back({"sink-refusing", sink, error->code, std::to_string(outlet.waiting) + " messages wait for it: " + error->what});
        if (outlet.state == State::working && outlet.stuck > 0 && error)
            all.push_back({"sink-refusing", sink, error->code,
                           std::to_string(outlet.stuck) + " messages are refused again and again, others are taken: " + error->what});
        if (outlet.state == State::disabled)
            all.push_back({"sink-disabled", sink, error ? error->code : plugin::Code::sinkGone,
                           error ? error->what : "it was disabled before the service started"});
    }
    for (const auto& [sink, waiting] : orphans_)
        all.push_back(
            {"sink-unconfigured", sink, plugin::Code::configUnknownReference,
             std::to_string(waiting) + " messages wait in the outbox for a sink that is not configured; `postern outbox abandon` gives them up"});
    if (files_.limit() != 0 && files_.used() > files_.limit() / 5 * 4)
        all.push_back({"outbox-growing", "outbox", plugin::Code::outboxFull,
                       std::to_string(files_.used()) + " of " + std::to_string(files_.limit()) + " octets (outbox.max_size) are used"});
    return all;
}

void Outlets::show(plugin::Metrics& metrics) const {
    using State = SinkHealth::State;
    for (const auto& [sink, outlet] : views()) {
        metrics.set("postern_outbox_messages", {{"sink", sink}}, static_cast<double>(outlet.waiting));
        for (const auto& [state, text] : {std::pair{State::working, "working"}, {State::resting, "resting"}, {State::disabled, "disabled"}})
            metrics.set("postern_sink_state", {{"sink", sink}, {"state", text}}, outlet.state == state ? 1 : 0);
    }
    metrics.set("postern_outbox_bytes", {}, static_cast<double>(files_.used()));
}

}  // namespace listener
