#pragma once

#include "plugin/contract/clock.h"
#include "plugin/contract/result.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <set>
#include <string>

namespace listener {

/// How long to wait before the next attempt: 2 s, doubled with each failure, at most `longest`, a fifth more or less by chance.
std::chrono::milliseconds retryPause(std::uint32_t failures, std::chrono::milliseconds longest, plugin::Random& random);

/// Whether a sink is worth being asked.
///
///   working ──(5 messages in a row, or "come again later")──► resting ──(a probe succeeds)──► working
///   any ──(410)──► disabled ──(an operator acts)──► working
class SinkHealth {
public:
    enum class State { working, resting, disabled };
    static constexpr std::size_t refusedInARow = 5;

    SinkHealth(std::chrono::milliseconds longestPause, plugin::Random& random) : longest_(longestPause), random_(random) {}

    State state() const { return state_; }
    /// While resting: when one attempt may be made.
    plugin::Steady probeAt() const { return probeAt_; }
    const std::optional<plugin::Error>& lastError() const { return lastError_; }

    /// True: it is well again. One that asked to be left alone is not asked before its time, though a call that was under way ends well.
    bool succeeded(plugin::Steady now);
    /// `id`: of the message it refused. One that is refused over and over counts once: it says nothing of the others. True: the sink rests, or is
    /// disabled, from now on.
    bool failed(const plugin::Error& error, plugin::Steady now, const std::string& id);
    void disable() { state_ = State::disabled; }
    void resume();

private:
    const std::chrono::milliseconds longest_;
    plugin::Random& random_;
    State state_ = State::working;
    std::set<std::string> refused_{};  ///< ids, since the last success
    unsigned rests_ = 0;               ///< in a row
    plugin::Steady probeAt_{};
    bool asked_ = false;  ///< the sink itself said when to come again
    std::optional<plugin::Error> lastError_{};
};

}  // namespace listener
