#include "listener/engine/pacing.h"

#include <algorithm>
#include <array>

namespace listener {

using namespace std::chrono_literals;

namespace {

/// Matters of the operator are tried after the first, the second, and each further time in a row.
struct Slow {
    plugin::Code code;
    std::array<std::chrono::milliseconds, 3> waits;
};
constexpr std::array<std::chrono::milliseconds, 3> slow{1min, 5min, 15min};
/// What takes longer to change, or is changed for hours: EWS is switched off for a trial, or an allowance for it takes up to a day.
constexpr std::array slower{Slow{plugin::Code::mailboxEwsBlocked, {1h, 1h, 1h}}};

const std::array<std::chrono::milliseconds, 3>& waitsOf(plugin::Code code) {
    const auto* const found = std::find_if(slower.begin(), slower.end(), [code](const Slow& each) { return each.code == code; });
    return found == slower.end() ? slow : found->waits;
}

}  // namespace

std::chrono::milliseconds Backoff::failed(const plugin::Error& error, plugin::Steady now) {
    if (wellSince_ && now - *wellSince_ >= provenLife) failures_ = operatorMatters_ = 0;
    wellSince_.reset();
    std::chrono::milliseconds wait;
    if (error.reaction == plugin::Reaction::askOperator) {
        wait = waitsOf(error.code)[static_cast<std::size_t>(std::min(operatorMatters_++, 2))];
    } else {
        wait = first;
        for (int i = 0; i < failures_ && wait < cap; ++i) wait = std::min(2 * wait, cap);
        ++failures_;
    }
    // Jitter only lengthens: the promise above stays true, and mailboxes that failed together part.
    wait += std::chrono::duration_cast<std::chrono::milliseconds>(wait * (0.2 * random_.fraction()));
    return std::max(wait, error.retryAfter.value_or(0ms));
}

void Backoff::succeeded(plugin::Steady now) {
    if (!wellSince_) wellSince_ = now;
}

Pace::Pace(std::chrono::milliseconds interval, std::chrono::milliseconds longest, plugin::Steady now)
    : interval_(interval), longest_(std::max(interval, longest)), since_(now - 4 * interval) {}

std::chrono::milliseconds Pace::next(plugin::Steady now, std::size_t folders) const {
    const auto quiet = std::chrono::duration_cast<std::chrono::milliseconds>(now - since_);
    auto shortest = now < calmUntil_ ? interval_ : std::min(interval_, std::max<std::chrono::milliseconds>(interval_ / 12, 1s));
    shortest = std::max<std::chrono::milliseconds>(shortest, folders * perFolder);
    return std::max({shortest, std::min(quiet / 4, interval_), std::min(quiet / 30, longest_)});
}

plugin::Steady SignInPacer::reserve(const std::string& host, plugin::Steady now) {
    const std::lock_guard lock(mutex_);
    auto& next = next_.try_emplace(host, now - burst * spacing).first->second;
    next = std::max(next, now - burst * spacing) + spacing;
    return std::max(next, now);
}

}  // namespace listener
