#pragma once

#include "plugin/contract/clock.h"
#include "plugin/contract/loop.h"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace simulation {

/// All chance of a history: one seed, one sequence (SplitMix64). Not for secrets.
class Dice final : public plugin::Random {
public:
    explicit Dice(std::uint64_t seed) : state_(seed) {}
    std::uint64_t next() {
        std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
        z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
        return z ^ (z >> 31);
    }
    std::uint64_t below(std::uint64_t bound) { return bound == 0 ? 0 : next() % bound; }
    bool oneIn(std::uint64_t n) { return below(n) == 0; }
    void fill(std::span<std::uint8_t> bytes) override {
        for (auto& byte : bytes) byte = static_cast<std::uint8_t>(next());
    }

private:
    std::uint64_t state_;
};

/// Time that passes only when nothing else is left to do. Shared by the processes of one history; the wall clock can jump.
class WorldClock final : public plugin::Clock {
public:
    plugin::Steady steady() const override { return plugin::Steady{} + std::chrono::hours{1} + passed_; }
    plugin::Wall wall() const override { return plugin::Wall{std::chrono::seconds{1'793'000'000}} + passed_ + jumped_; }
    void passUntil(plugin::Steady moment) {
        if (moment > steady()) passed_ += std::chrono::duration_cast<std::chrono::system_clock::duration>(moment - steady());
    }
    void jump(std::chrono::seconds by) { jumped_ += by; }

private:
    std::chrono::system_clock::duration passed_{}, jumped_{};
};

/// The Loop of one simulated process under virtual time. Ready coroutines, posted functions and finished jobs come in an order the dice
/// choose wherever a real machine may choose; timers as their time comes. The world's own events (a server's answer, an arriving mail) are
/// timers too, set through at(). One thread.
class SimLoop final : public plugin::Loop {
public:
    SimLoop(WorldClock& clock, Dice& dice) : clock_(clock), dice_(dice) {}
    ~SimLoop() override;

    plugin::Clock& clock() override { return clock_; }
    void ready(std::coroutine_handle<> waiter) override { ready_.push_back(waiter); }
    void post(std::function<void()> function) override { posted_.push_back(std::move(function)); }
    TimerId at(plugin::Deadline when, std::function<void()> function) override;
    void cancel(TimerId timer) override;
    void work(std::function<void()> job) override;
    std::unique_ptr<plugin::Descriptor> watch(int fd) override;
    void failed(std::exception_ptr bug) noexcept override { bug_ = bug; }

    /// Does the next thing. False: nothing is left before `until`, and it is `until` now.
    bool step(plugin::Steady until);
    /// What left a spawned task or a posted function, if anything.
    std::exception_ptr bug() const { return bug_; }

private:
    WorldClock& clock_;
    Dice& dice_;
    std::deque<std::coroutine_handle<>> ready_{};
    std::deque<std::function<void()>> posted_{};
    std::map<std::pair<plugin::Deadline, TimerId>, std::function<void()>> timers_{};
    std::map<TimerId, plugin::Deadline> times_{};
    TimerId lastTimer_ = 0;
    std::exception_ptr bug_{};
};

}  // namespace simulation
