#pragma once

#include "plugin/contract/loop.h"

#include <algorithm>
#include <deque>
#include <map>
#include <mutex>

namespace simulation {

/// Time that stands still until it is moved. Not thread-safe.
class ManualClock final : public plugin::Clock {
public:
    plugin::Steady steady() const override { return plugin::Steady{} + std::chrono::hours{1} + passed_; }
    plugin::Wall wall() const override { return wall_ + passed_; }
    void pass(std::chrono::nanoseconds time) { passed_ += std::chrono::duration_cast<std::chrono::system_clock::duration>(time); }

private:
    plugin::Wall wall_{std::chrono::seconds{1'790'000'000}};
    std::chrono::system_clock::duration passed_{};
};

/// A Loop for tests of one part: one thread, no sockets, no fuss. Coroutines come first, then posted functions, then jobs for the pool
/// (run inline), then timers, to which the clock jumps. So all who are ready have asked before the first job answers.
class InlineLoop final : public plugin::Loop {
public:
    ~InlineLoop() override {
        jobs_.clear();
        abandonTasks();
    }

    ManualClock& clock() override { return clock_; }
    void ready(std::coroutine_handle<> waiter) override { ready_.push_back(waiter); }
    void post(std::function<void()> function) override {
        const std::lock_guard lock(mutex_);
        posted_.push_back(std::move(function));
    }
    TimerId at(plugin::Deadline when, std::function<void()> function) override {
        timers_.emplace(std::pair{when, ++lastTimer_}, std::move(function));
        return lastTimer_;
    }
    void cancel(TimerId timer) override {
        std::erase_if(timers_, [timer](const auto& entry) { return entry.first.second == timer; });
    }
    void work(std::function<void()> job) override {
        const std::lock_guard lock(mutex_);
        jobs_.push_back(std::move(job));
    }
    std::unique_ptr<plugin::Descriptor> watch(int) override { throw std::logic_error("no sockets in an InlineLoop"); }
    void failed(std::exception_ptr bug) noexcept override { bug_ = bug; }

    /// Until nothing is left to do. Throws what left a spawned task.
    void runUntilIdle() {
        while (step()) {
        }
        if (bug_) std::rethrow_exception(std::exchange(bug_, {}));
    }

    /// Runs the task to its end and answers what it answers. Throws if it waits for something that never comes.
    template <class T>
    T run(plugin::Task<T> task) {
        auto answer = plugin::start(*this, std::move(task));
        runUntilIdle();
        if (!answer->isSet()) throw std::logic_error("the task waits for something that never comes");
        if constexpr (std::is_void_v<T>)
            answer->get();
        else
            return std::move(answer->get());
    }

private:
    bool step() {
        if (!ready_.empty()) {
            const auto next = ready_.front();
            ready_.pop_front();
            next.resume();
            return true;
        }
        if (auto function = first(posted_)) return function(), true;
        if (auto job = first(jobs_)) return job(), true;
        if (timers_.empty()) return false;
        auto timer = timers_.extract(timers_.begin());
        if (timer.key().first > clock_.steady()) clock_.pass(timer.key().first - clock_.steady());
        timer.mapped()();
        return true;
    }

    std::function<void()> first(std::deque<std::function<void()>>& queue) {
        const std::lock_guard lock(mutex_);
        if (queue.empty()) return {};
        auto function = std::move(queue.front());
        queue.pop_front();
        return function;
    }

    ManualClock clock_{};
    std::mutex mutex_{};
    std::deque<std::coroutine_handle<>> ready_{};
    std::deque<std::function<void()>> posted_{}, jobs_{};
    std::map<std::pair<plugin::Deadline, TimerId>, std::function<void()>> timers_{};
    TimerId lastTimer_ = 0;
    std::exception_ptr bug_{};
};

}  // namespace simulation
