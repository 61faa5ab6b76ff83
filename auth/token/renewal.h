#pragma once

#include "plugin/contract/clock.h"

#include <chrono>
#include <optional>

namespace auth {

/// When a token is renewed and how long it serves. Pure; chance is in [0, 1).
struct Lifetime {
    plugin::Steady renewAt{};      ///< from here on a new one is asked for, while this one serves
    plugin::Steady usableUntil{};  ///< from here on callers wait for the new one
    plugin::Steady end{};          ///< after this it is of no use, even if no new one is to be had
};

inline constexpr std::chrono::seconds assumedLife{3600};  ///< when the server does not say (RFC 6749 5.1 leaves it open)
inline constexpr std::chrono::minutes lastStretch{5};     ///< a token this near its end may end on the way; of short lives: half

/// requested   when the request for it was begun: its life counts from there at the latest
/// Renewal at 0.75 to 0.8 of its life, or at `refreshIn` if that is sooner, give or take 10 %.
Lifetime lifetimeOf(plugin::Steady requested, std::optional<std::chrono::seconds> expiresIn, std::optional<std::chrono::seconds> refreshIn,
                    double chanceOfRenewal, double chanceOfJitter);

/// The wait after the nth failure in a row (n >= 1) that may pass by itself: 1 s doubling to 5 min, full jitter, never under 1 s.
std::chrono::milliseconds passingWait(unsigned failures, double chance);

/// The wait after the nth refusal in a row (n >= 1): 1, 5, 15, then 60 min. Somebody may mend it meanwhile.
std::chrono::milliseconds refusalWait(unsigned failures);

}  // namespace auth
