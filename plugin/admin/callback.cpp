#include "plugin/admin/callback.h"

#include <algorithm>

namespace plugin::admin {

bool couldBeOurs(std::string_view query) {
    constexpr std::string_view name = "state=";
    constexpr std::size_t length = 22;  // 128 bits
    int states = 0;
    bool good = true;
    for (std::size_t at = 0; at <= query.size();) {
        const auto end = std::min(query.find('&', at), query.size());
        const auto field = query.substr(at, end - at);
        at = end + 1;
        if (!field.starts_with(name)) continue;
        const auto value = field.substr(name.size());
        ++states;
        good = good && value.size() == length && std::all_of(value.begin(), value.end(), [](char c) {
                   return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
               });
    }
    return good && states == 1;
}

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
