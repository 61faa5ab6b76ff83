#pragma once

#include "plugin/contract/clock.h"
#include "plugin/contract/log.h"
#include "plugin/contract/result.h"

#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace listener {

enum class State { disabled, starting, working, watching, waiting };
enum class Health {
    ok,
    degraded,  ///< the last attempt failed; it is tried again
    stalled,   ///< not verified for two intervals
    blocked,   ///< nothing moves until a person acts (attempts go on, slowly)
};
std::string_view name(State state);
std::string_view name(Health health);

/// What is known of one mailbox now. Thread-safe: its worker writes, metrics and commands read.
class MailboxStatus {
public:
    MailboxStatus(std::string alias, std::chrono::milliseconds interval, plugin::Steady now)
        : alias_(std::move(alias)), interval_(interval), begun_(now) {}

    /// One error that comes again and again, whether or not the mailbox is verified in between.
    struct Repeated {
        plugin::Error error;               ///< as it came last
        std::chrono::milliseconds over{};  ///< from the first time to the last
    };
    struct View {
        std::string alias;
        State state{};
        Health health{};
        std::optional<std::chrono::milliseconds> verifiedAge{};  ///< none: never since the start
        std::optional<plugin::Error> lastError{};                ///< of the attempt at hand; none when it is well
        std::chrono::milliseconds interval{};                    ///< a whole look is to be expected so often
        std::optional<Repeated> repeated{};                      ///< until two intervals without it, the last one well
    };
    View view(plugin::Steady now) const;
    const std::string& alias() const { return alias_; }

    void enter(State state);
    void failed(const plugin::Error& error, plugin::Steady now);
    /// From now on a whole look is to be expected so often.
    void expectEvery(std::chrono::milliseconds interval);
    /// Signed in, and every watched folder answered with all it listed accounted for.
    void verified(plugin::Steady now);

private:
    struct Streak {
        plugin::Error error;
        plugin::Steady first, last;
    };
    bool isLasting(plugin::Steady now) const { return streak_ && (error_ || now - streak_->last <= 2 * interval_); }

    mutable std::mutex mutex_{};
    std::string alias_;
    std::chrono::milliseconds interval_;
    plugin::Steady begun_;
    State state_ = State::starting;
    std::optional<plugin::Steady> verified_{};
    std::optional<plugin::Error> error_{};
    std::optional<Streak> streak_{};  // of one code
};

}  // namespace listener
