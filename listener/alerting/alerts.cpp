#include "listener/alerting/alerts.h"

#include <algorithm>

namespace listener {

using plugin::Task;

namespace {

constexpr std::string_view logger = "listener.alerting";

/// The channel lives as long as its run.
Task<void> runOf(std::shared_ptr<AlertChannel> channel) {
    auto running = channel->run();
    co_await running;
}

}  // namespace

Alerts::Alerts(AlertParts parts, std::vector<AlertSettings> channels)
    : parts_(std::move(parts)), wanted_(std::move(channels)), journal_(parts_.database, [this] { wakeAll(); }) {
    using Kind = plugin::Metrics::Kind;
    parts_.metrics.describe("postern_alerts_total", Kind::counter,
                            "Attempts to tell an administrator; dropped: it was over before it got out for a day");
    parts_.metrics.describe("postern_alert_conditions", Kind::gauge, "Conditions that are raised, by kind");
}

Alerts::~Alerts() = default;

Task<void> Alerts::observe(std::vector<Condition> now) {
    auto& loop = co_await plugin::thisLoop();
    if (loop_ == nullptr) {
        auto loading = journal_.load();
        auto kept = co_await loading;
        if (!kept) {
            if (!std::exchange(troubled_, true)) parts_.log.warning(logger, plugin::describe(kept.error()));
            co_return;
        }
        loop_ = &loop;
        restore(std::move(*kept));
    }
    for (const auto& change : tracker_.observe(now, parts_.clock.steady(), parts_.clock.wall())) {
        const bool raised = change.to == Tracker::Change::To::raised;
        if (raised)
            journal_.raised(change.condition);
        else
            journal_.cleared(change.condition.key, change.at);
        for (const auto& [name, channel] : channels_)
            if (raised)
                channel->raised(change.condition);
            else
                channel->cleared(change.condition.key, change.at);
    }
    show();
    if (!journal_.isUnsaved()) co_return;
    auto saving = journal_.save();
    auto saved = co_await saving;
    if (!saved && !troubled_) parts_.log.warning(logger, plugin::describe(saved.error()));
    troubled_ = !saved;
}

void Alerts::restore(Journal::Kept kept) {
    const auto steady = parts_.clock.steady();
    const auto wall = parts_.clock.wall();
    for (auto& condition : kept.raised) tracker_.restoreRaised(std::move(condition));
    for (const auto& [key, at] : kept.cleared)
        if (at <= wall && wall - at <= Tracker::flapping)
            tracker_.restoreCleared(key, steady - std::chrono::duration_cast<std::chrono::milliseconds>(wall - at));
    for (const auto& settings : wanted_) add(settings);
    for (auto& row : kept.notices) {
        const auto found = channels_.find(row.channel);
        if (found != channels_.end())
            found->second->restore(std::move(row.notice), row.told);
        else
            journal_.forget(row.notice.id);
    }
    for (const auto& [name, channel] : channels_) begin(channel);
}

std::unique_ptr<Messenger> Alerts::messengerOf(const AlertSettings& settings) {
    return settings.type == AlertSettings::Type::http ? makeWebhook(settings, parts_.instance, parts_.access)
                                                      : makeProgramCall(settings, parts_.instance, parts_.programs);
}

void Alerts::add(const AlertSettings& settings) {
    const AlertChannel::Parts parts{journal_, parts_.clock, parts_.log, parts_.metrics};
    channels_[settings.name] = std::make_shared<AlertChannel>(settings, messengerOf(settings), parts);
}

void Alerts::tellWhatIsTrue(AlertChannel& channel) {
    for (const auto& condition : tracker_.raised()) channel.raised(condition);
}

void Alerts::begin(const std::shared_ptr<AlertChannel>& channel) {
    tellWhatIsTrue(*channel);
    ends_.push_back(plugin::start(*loop_, runOf(channel)));
}

void Alerts::configure(std::vector<AlertSettings> channels) {
    wanted_ = std::move(channels);
    if (loop_ == nullptr) return;
    std::erase_if(ends_, [](const auto& end) { return end->isSet(); });
    std::erase_if(channels_, [this](const auto& each) {
        const auto& [name, channel] = each;
        if (std::any_of(wanted_.begin(), wanted_.end(), [&name = name](const auto& settings) { return settings.name == name; })) return false;
        channel->forget();
        channel->finish();
        channel->giveUp();
        parts_.metrics.forget("alert", name);
        return true;
    });
    for (const auto& settings : wanted_) {
        const auto found = channels_.find(settings.name);
        if (found == channels_.end()) {
            add(settings);
            begin(channels_.at(settings.name));
        } else if (found->second->settings() != settings) {
            found->second->change(settings, messengerOf(settings));
            tellWhatIsTrue(*found->second);
        }
    }
}

Task<void> Alerts::close(std::chrono::milliseconds patience) {
    for (const auto& [name, channel] : channels_) channel->finish();
    const auto until = parts_.clock.steady() + patience;
    const auto ends = std::exchange(ends_, {});
    for (const auto& end : ends) {
        auto wait = end->wait(until, {});
        co_await wait;
    }
    for (const auto& [name, channel] : channels_) channel->giveUp();
    for (const auto& end : ends) {
        auto wait = end->wait(plugin::Deadline::max(), {});
        co_await wait;
        end->get();  // a bug travels on
    }
    channels_.clear();
}

void Alerts::wakeAll() {
    for (const auto& [name, channel] : channels_) channel->wake();
}

void Alerts::show() {
    for (const auto& [kind, count] : tracker_.countByKind())
        parts_.metrics.set("postern_alert_conditions", {{"kind", kind}}, static_cast<double>(count));
}

}  // namespace listener
