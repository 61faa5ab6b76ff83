#include "plugin/admin/callback.h"

namespace plugin::admin {

bool Budget::isSpent(std::chrono::steady_clock::time_point now) {
    constexpr std::chrono::seconds window{10};
    const std::lock_guard lock(mutex_);
    while (!spent_.empty() && now - spent_.front() >= window) spent_.pop_front();
    return spent_.size() >= most_;
}

void Budget::spend(std::chrono::steady_clock::time_point now) {
    const std::lock_guard lock(mutex_);
    spent_.push_back(now);
    if (spent_.size() > most_) spent_.pop_front();
}

}  // namespace plugin::admin
