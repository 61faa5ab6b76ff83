#include "listener/engine/sink_health.h"

#include <algorithm>

namespace listener {

using namespace std::chrono_literals;

namespace {
constexpr std::chrono::milliseconds firstPause = 2s;
constexpr std::chrono::milliseconds longestAskedFor = 24h;  // whoever asks for more is asked again all the same
}  // namespace

std::chrono::milliseconds retryPause(std::uint32_t failures, std::chrono::milliseconds longest, plugin::Random& random) {
    auto pause = firstPause;
    for (std::uint32_t i = 0; i < failures && pause < longest; ++i) pause *= 2;
    pause = std::min(pause, longest);
    return std::chrono::milliseconds(static_cast<std::int64_t>(static_cast<double>(pause.count()) * (0.8 + 0.4 * random.fraction())));
}

bool SinkHealth::succeeded(plugin::Steady now) {
    if (state_ == State::resting && asked_ && now < probeAt_) return false;
    refused_.clear();
    rests_ = 0;
    if (state_ != State::resting) return false;
    state_ = State::working;
    asked_ = false;
    lastError_.reset();
    return true;
}

bool SinkHealth::failed(const plugin::Error& error, plugin::Steady now, const std::string& id) {
    lastError_ = error;
    if (refused_.size() < refusedInARow) refused_.insert(id);
    if (error.code == plugin::Code::sinkGone) {
        const bool fresh = state_ != State::disabled;
        state_ = State::disabled;
        return fresh;
    }
    if (state_ == State::disabled) return false;
    if (state_ == State::working && refused_.size() < refusedInARow && !error.retryAfter) return false;
    const bool fresh = state_ == State::working;
    const bool straggler = !fresh && now < probeAt_;  // it was under way when the rest began
    state_ = State::resting;
    auto pause = std::chrono::milliseconds::zero();
    if (!straggler) pause = retryPause(rests_++, longest_, random_);
    if (error.retryAfter) pause = std::max(pause, std::min(*error.retryAfter, longestAskedFor));
    if (!straggler) asked_ = false;
    asked_ = asked_ || error.retryAfter;
    probeAt_ = std::max(straggler ? probeAt_ : now, now + pause);
    return fresh;
}

void SinkHealth::resume() {
    state_ = State::working;
    refused_.clear();
    rests_ = 0;
    asked_ = false;
}

}  // namespace listener
