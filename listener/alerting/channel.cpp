#include "listener/alerting/channel.h"

#include <algorithm>

namespace listener {

using plugin::Task;

namespace {

constexpr std::string_view logger = "listener.alerting";

std::string cause(const plugin::Error& error) {
    return error.code == plugin::Code::alertNotSent ? error.what : plugin::codeName(error.code) + " " + error.what;
}

}  // namespace

AlertChannel::AlertChannel(AlertSettings settings, std::unique_ptr<Messenger> messenger, Parts parts)
    : settings_(std::move(settings)), messenger_(std::move(messenger)), parts_(parts) {}

void AlertChannel::change(AlertSettings settings, std::unique_ptr<Messenger> messenger) {
    settings_ = std::move(settings);
    messenger_ = std::move(messenger);
    retryAt_.reset();
    failures_ = 0;
    wake();
}

void AlertChannel::restore(Notice notice, bool told) {
    if (!told) owed_.emplace(notice.id, notice.key);
    standing_[notice.key].push_back({std::move(notice), told});
}

void AlertChannel::raised(const Raised& condition) {
    if (!settings_.kinds.empty() && !settings_.kinds.contains(condition.key.kind)) return;
    if (const auto found = standing_.find(condition.key); found != standing_.end()) {
        auto& entries = found->second;
        const auto& last = entries.back();
        if (last.notice.state == Notice::State::raised) return;
        if (last.notice.id != underWay_) {
            parts_.journal.forget(last.notice.id);
            owed_.erase(last.notice.id);
            entries.pop_back();
            if (entries.empty()) standing_.erase(found);
            return;
        }
    }
    owe({.state = Notice::State::raised,
         .key = condition.key,
         .code = condition.code,
         .what = condition.what,
         .since = condition.since,
         .at = condition.raised});
}

void AlertChannel::cleared(const ConditionKey& key, plugin::Wall at) {
    const auto found = standing_.find(key);
    if (found == standing_.end() || found->second.back().notice.state == Notice::State::cleared) return;
    auto notice = found->second.back().notice;
    notice.state = Notice::State::cleared;
    notice.at = at;
    owe(std::move(notice));
}

void AlertChannel::owe(Notice notice) {
    notice.id = parts_.journal.owed(settings_.name, notice);
    owed_.emplace(notice.id, notice.key);
    standing_[notice.key].push_back({std::move(notice), false});
}

void AlertChannel::forget() {
    parts_.journal.forgetChannel(settings_.name);
    standing_.clear();
    owed_.clear();
}

Task<void> AlertChannel::run() {
    const auto finish = finish_.get_token();
    while (!finish.stop_requested()) {
        dropStale();
        auto notice = next();
        const auto now = parts_.clock.steady();
        const auto when = notice ? std::max(retryAt_.value_or(now), allowedAt(now)) : plugin::Deadline::max();
        if (when > now) {
            news_.reset();
            auto pause = news_.wait(when, finish);
            co_await pause;
            continue;
        }
        auto attempting = attempt(std::move(*notice));
        co_await attempting;
    }
}

/// The first that is owed; nothing: there is none, or it is not yet durable.
std::optional<Notice> AlertChannel::next() const {
    if (owed_.empty() || !parts_.journal.isDurable(owed_.begin()->first)) return std::nullopt;
    const auto& [id, key] = *owed_.begin();
    for (const auto& entry : standing_.at(key))
        if (entry.notice.id == id) return entry.notice;
    throw std::logic_error("an alert is owed that nobody knows");
}

void AlertChannel::dropStale() {
    while (const auto first = next()) {
        const auto found = standing_.find(first->key);
        const bool isOver = first->state == Notice::State::raised && found->second.back().notice.state == Notice::State::cleared;
        if (!isOver || parts_.clock.wall() - first->at < stale) return;
        for (const auto& entry : found->second) {
            parts_.journal.forget(entry.notice.id);
            owed_.erase(entry.notice.id);
            count("dropped");
        }
        standing_.erase(found);
    }
}

plugin::Steady AlertChannel::allowedAt(plugin::Steady now) {
    constexpr std::chrono::minutes window{1};
    while (!attempts_.empty() && now - attempts_.front() >= window) attempts_.pop_front();
    return attempts_.size() < perMinute ? now : attempts_.front() + window;
}

Task<void> AlertChannel::attempt(Notice notice) {
    const auto now = parts_.clock.steady();
    attempts_.push_back(now);
    underWay_ = notice.id;
    const auto messenger = messenger_;
    auto telling = tell(messenger, notice, now + settings_.timeout, giveUp_.get_token());
    auto outcome = co_await telling;
    underWay_.reset();
    if (outcome) {
        told(notice);
        auto saving = parts_.journal.save();
        static_cast<void>(co_await saving);  // what cannot be saved stays noted: the next observe() tries again, and says so
    } else if (!giveUp_.stop_requested() && messenger == messenger_) {
        failed(outcome.error());
    }
}

/// A bug ends this attempt, not the channel.
Task<plugin::Result<void>> AlertChannel::tell(std::shared_ptr<Messenger> messenger, Notice notice, plugin::Deadline deadline, std::stop_token stop) {
    std::string what;
    try {
        auto telling = messenger->tell(std::move(notice), deadline, std::move(stop));
        co_return co_await telling;
    } catch (const std::exception& bug) {
        what = bug.what();
    } catch (...) {  // logged and counted by failed()
        what = "an unknown exception";
    }
    co_return plugin::Error{plugin::Reaction::retryLater, plugin::Code::internalBug, "a bug: " + plugin::printable(what)};
}

void AlertChannel::failed(const plugin::Error& error) {
    count("failed");
    auto pause = firstPause;
    for (unsigned i = 0; i < failures_ && pause < longestPause; ++i) pause = std::min(2 * pause, longestPause);
    retryAt_ = parts_.clock.steady() + pause;
    if (failures_++ > 0) return;  // the first of a row is for people; the metrics count the others
    parts_.log.warning(logger,
                       plugin::describe({plugin::Reaction::retryLater, plugin::Code::alertNotSent, "alert " + settings_.name + ": " + cause(error)}),
                       {{"alert", settings_.name}});
}

void AlertChannel::told(const Notice& notice) {
    count("told");
    if (std::exchange(failures_, 0) > 0) parts_.log.notice(logger, "the alert is sent again", {{"alert", settings_.name}});
    retryAt_.reset();
    if (owed_.erase(notice.id) == 0) return;  // the channel was forgotten meanwhile
    if (notice.state == Notice::State::raised) {
        for (auto& entry : standing_.at(notice.key))
            if (entry.notice.id == notice.id) entry.told = true;
        return parts_.journal.told(notice.id, parts_.clock.wall());
    }
    auto& entries = standing_.at(notice.key);
    for (bool last = false; !last; entries.pop_front()) {
        last = entries.front().notice.id == notice.id;
        parts_.journal.forget(entries.front().notice.id);
    }
    if (entries.empty()) standing_.erase(notice.key);
}

void AlertChannel::count(const char* result) { parts_.metrics.add("postern_alerts_total", {{"alert", settings_.name}, {"result", result}}, 1); }

}  // namespace listener
