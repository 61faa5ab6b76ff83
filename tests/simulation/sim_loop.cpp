#include "tests/simulation/sim_loop.h"

#include <stdexcept>

namespace simulation {

SimLoop::~SimLoop() {
    timers_.clear();
    posted_.clear();
    abandonTasks();
}

plugin::Loop::TimerId SimLoop::at(plugin::Deadline when, std::function<void()> function) {
    const auto id = ++lastTimer_;
    timers_.emplace(std::pair{when, id}, std::move(function));
    times_.emplace(id, when);
    return id;
}

void SimLoop::cancel(TimerId timer) {
    const auto found = times_.find(timer);
    if (found == times_.end()) return;
    timers_.erase({found->second, timer});
    times_.erase(found);
}

/// A job of the pool takes its time, and several may end in any order.
void SimLoop::work(std::function<void()> job) {
    const auto takes = std::chrono::microseconds(dice_.oneIn(50) ? 20'000 + dice_.below(200'000) : 20 + dice_.below(2'000));
    at(clock_.steady() + takes, std::move(job));
}

std::unique_ptr<plugin::Descriptor> SimLoop::watch(int) { throw std::logic_error("a simulated process has no sockets"); }

bool SimLoop::step(plugin::Steady until) {
    try {
        if (!ready_.empty() && (posted_.empty() || dice_.oneIn(2))) {
            const auto next = ready_.front();
            ready_.pop_front();
            next.resume();
            return true;
        }
        if (!posted_.empty()) {
            const auto function = std::move(posted_.front());
            posted_.pop_front();
            function();
            return true;
        }
        if (timers_.empty() || timers_.begin()->first.first > until) {
            clock_.passUntil(until);
            return false;
        }
        auto first = timers_.extract(timers_.begin());
        times_.erase(first.key().second);
        clock_.passUntil(first.key().first);
        first.mapped()();
    } catch (...) {  // kept for the history, which fails for it
        bug_ = std::current_exception();
    }
    return true;
}

}  // namespace simulation
