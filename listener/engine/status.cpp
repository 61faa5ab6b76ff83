#include "listener/engine/status.h"

namespace listener {

std::string_view name(State state) {
    switch (state) {
        case State::disabled:
            return "disabled";
        case State::starting:
            return "starting";
        case State::working:
            return "working";
        case State::watching:
            return "watching";
        case State::waiting:
            return "waiting";
    }
    return "";
}

std::string_view name(Health health) {
    switch (health) {
        case Health::ok:
            return "ok";
        case Health::degraded:
            return "degraded";
        case Health::stalled:
            return "stalled";
        case Health::blocked:
            return "blocked";
    }
    return "";
}

MailboxStatus::View MailboxStatus::view(plugin::Steady now) const {
    const std::lock_guard lock(mutex_);
    View view{alias_, state_, Health::ok, std::nullopt, error_, interval_};
    if (verified_) view.verifiedAge = std::chrono::duration_cast<std::chrono::milliseconds>(now - *verified_);
    if (isLasting(now))
        view.repeated = Repeated{streak_->error, std::chrono::duration_cast<std::chrono::milliseconds>(streak_->last - streak_->first)};
    // A long drain is progress, not silence: while it works without an error the mailbox is not stalled.
    const auto silent = now - verified_.value_or(begun_);
    if (state_ == State::disabled)
        view.health = Health::ok;
    else if (error_ && error_->reaction == plugin::Reaction::askOperator)
        view.health = Health::blocked;
    else if (silent > 2 * interval_ && (error_ || state_ != State::working))
        view.health = Health::stalled;
    else if (error_)
        view.health = Health::degraded;
    return view;
}

void MailboxStatus::enter(State state) {
    const std::lock_guard lock(mutex_);
    state_ = state;
}

void MailboxStatus::failed(const plugin::Error& error, plugin::Steady now) {
    const std::lock_guard lock(mutex_);
    const bool again = isLasting(now) && streak_->error.code == error.code;
    streak_ = Streak{error, again ? streak_->first : now, now};
    error_ = error;
}

void MailboxStatus::expectEvery(std::chrono::milliseconds interval) {
    const std::lock_guard lock(mutex_);
    interval_ = interval;
}

void MailboxStatus::verified(plugin::Steady now) {
    const std::lock_guard lock(mutex_);
    verified_ = now;
    error_.reset();
}

}  // namespace listener
