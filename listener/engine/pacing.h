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
