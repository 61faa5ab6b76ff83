#pragma once

#include "plugin/contract/clock.h"
#include "plugin/contract/log.h"
#include "plugin/contract/loop.h"
#include "plugin/runtime/runtime.h"

#include <atomic>
#include <chrono>
#include <memory>
#include <thread>
#include <vector>

namespace plugin::host {

/// A loop that owes a sign of life for longer is taken for dead, by /healthz and by the service manager.
inline constexpr std::chrono::seconds aliveWithin{30};

/// The loops, each with its thread, and the worker pool they share. What escapes a task or a job is logged and counted (PO-9003).
class Loops {
public:
    Loops(unsigned loops, unsigned workers, Clock& clock, Log& log, Metrics& metrics);
    Loops(const Loops&) = delete;
    Loops& operator=(const Loops&) = delete;
    ~Loops();  ///< stop(), then abandons the tasks that are left, where they wait

    std::vector<Loop*> all();
    /// Ends the threads and the pool; blocks until what runs has come to an end. The loops stay, so that what refers to them can go first.
    void stop();

    /// Asks each loop for a sign of life, unless it still owes the last one. Call it every few seconds.
    void beat();
    /// Whether no loop has owed a sign of life for longer than this.
    bool alive(std::chrono::milliseconds longest) const;

private:
    struct Running {
        std::unique_ptr<EpollLoop> loop;
        std::atomic<bool> owes{false};
        std::atomic<Steady::rep> asked{0};
        std::thread thread{};
    };
    Clock& clock_;
    std::vector<std::unique_ptr<Running>> loops_{};  // stop() ends the pool before they go: its jobs post to them
    std::unique_ptr<WorkerPool> workers_;
};

}  // namespace plugin::host
