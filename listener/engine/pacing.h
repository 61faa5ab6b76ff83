#pragma once

#include "plugin/contract/clock.h"
#include "plugin/contract/result.h"

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <string>

namespace listener {

/// How long to wait after a failure. Belongs to one mailbox.
/// Doubling from 2 s to 5 min, so that a server that accepts and drops sees at most 20 sign-ins in the first hour; matters of the
/// operator wait 1, 5, then 15 min, and EWS that is switched off an hour. Begins anew only after `provenLife` without a failure.
class Backoff {
public:
    static constexpr std::chrono::milliseconds first{2'000};
    static constexpr std::chrono::milliseconds cap{300'000};
    static constexpr std::chrono::minutes provenLife{5};

    explicit Backoff(plugin::Random& random) : random_(random) {}

    std::chrono::milliseconds failed(const plugin::Error& error, plugin::Steady now);
    void succeeded(plugin::Steady now);

private:
    plugin::Random& random_;
    int failures_ = 0;
    int operatorMatters_ = 0;
    std::optional<plugin::Steady> wellSince_{};
};

/// How long until the next look, where a protocol has no way to tell of arrivals: seconds while mail comes, minutes while none does. Belongs to one
/// mailbox.
///   after an arrival   a quarter of the time since it, at least a twelfth of `interval` (and a second), at most `interval`
///   later              a thirtieth of that time, where this is longer than `interval`, and at most `longest` (MailboxSettings::quiet)
/// Nothing is known at the beginning: `interval`.
class Pace {
public:
    /// Microsoft Graph takes 10,000 requests in ten minutes for a mailbox and an application, and a look into a folder costs about three: no more
    /// than half of them go for looks, however many folders there are.
    static constexpr std::chrono::milliseconds perFolder{400};
    /// The server wanted us slower: nothing shorter than `interval` for so long.
    static constexpr std::chrono::minutes calm{10};

    Pace(std::chrono::milliseconds interval, std::chrono::milliseconds longest, plugin::Steady now);

    void arrived(plugin::Steady now) { since_ = now; }
    void throttled(plugin::Steady now) { calmUntil_ = now + calm; }
    /// folders: each look asks about so many
    std::chrono::milliseconds next(plugin::Steady now, std::size_t folders) const;

private:
    std::chrono::milliseconds interval_, longest_;
    plugin::Steady since_;  ///< the last arrival
    plugin::Steady calmUntil_{};
};

/// Spaces sign-ins at one host: a few at once, the rest 20 ms apart, so that a thousand mailboxes after an outage are no storm.
/// Thread-safe.
class SignInPacer {
public:
    static constexpr int burst = 20;
    static constexpr std::chrono::milliseconds spacing{20};

    /// Takes the next place at this host: the moment when the sign-in may begin (now or later).
    plugin::Steady reserve(const std::string& host, plugin::Steady now);

private:
    std::mutex mutex_{};
    std::map<std::string, plugin::Steady> next_{};  // the moment the host's allowance is used up to; one entry a configured host
};

}  // namespace listener
