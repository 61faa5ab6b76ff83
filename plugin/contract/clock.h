#pragma once

#include <chrono>
#include <cstdint>
#include <span>

namespace plugin {

/// Deadlines, ages and lifetimes. Never goes back.
using Steady = std::chrono::steady_clock::time_point;
/// Dates that people or other machines see. May jump either way at any time.
using Wall = std::chrono::system_clock::time_point;
/// The moment after which an operation answers "timed out" rather than its value.
using Deadline = Steady;

/// Thread-safe. The only source of time below main.
class Clock {
public:
    virtual ~Clock() = default;
    virtual Steady steady() const = 0;
    virtual Wall wall() const = 0;
};

/// Thread-safe. The only source of chance below main; good enough for keys.
class Random {
public:
    virtual ~Random() = default;
    virtual void fill(std::span<std::uint8_t> bytes) = 0;

    /// Uniform enough for jitter: in [0, 1).
    double fraction() {
        std::uint8_t bytes[4];
        fill(bytes);
        const std::uint32_t number = bytes[0] | std::uint32_t{bytes[1]} << 8 | std::uint32_t{bytes[2]} << 16 | std::uint32_t{bytes[3]} << 24;
        return number / 4294967296.0;
    }
};

}  // namespace plugin
