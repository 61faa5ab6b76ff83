#pragma once

#include <chrono>
#include <thread>

namespace servers {

using Milliseconds = std::chrono::milliseconds;

/// Between two questions to another process.
inline void pauseForPolling() { std::this_thread::sleep_for(Milliseconds{10}); }

/// Asks again and again until `condition` holds; false after `atMost`. For waiting on another process, which cannot tell us.
template <class Condition>
bool eventually(Condition condition, Milliseconds atMost) {
    const auto end = std::chrono::steady_clock::now() + atMost;
    while (!condition()) {
        if (std::chrono::steady_clock::now() >= end) return false;
        pauseForPolling();
    }
    return true;
}

}  // namespace servers
