#pragma once

#include "plugin/contract/clock.h"

#include <cstdint>
#include <span>

namespace simulation {

/// Chance that is the same again for the same seed.
class SeededRandom final : public plugin::Random {
public:
    explicit SeededRandom(std::uint64_t seed) : state_(seed * 0x9e3779b97f4a7c15 + 1) {}
    void fill(std::span<std::uint8_t> bytes) override {
        for (auto& byte : bytes) {
            state_ ^= state_ << 13, state_ ^= state_ >> 7, state_ ^= state_ << 17;
            byte = static_cast<std::uint8_t>(state_ >> 32);
        }
    }

private:
    std::uint64_t state_;
};

}  // namespace simulation
