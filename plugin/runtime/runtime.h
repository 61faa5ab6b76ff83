#pragma once

#include "plugin/contract/clock.h"
#include "plugin/contract/loop.h"

#include <exception>
#include <functional>
#include <memory>

namespace plugin {

/// The machine's clocks.
std::unique_ptr<Clock> makeSystemClock();
/// OpenSSL's generator. Throws std::runtime_error if the machine has no entropy, which stops the program.
std::unique_ptr<Random> makeSystemRandom();

/// Threads that run blocking jobs, in the order they were given. Thread-safe.
class WorkerPool {
public:
    virtual ~WorkerPool() = default;  ///< runs what is queued, then joins
    virtual void run(std::function<void()> job) = 0;
};
/// Jobs catch their own exceptions (offload does); one that escapes goes to `failed`.
std::unique_ptr<WorkerPool> makeWorkerPool(unsigned threads, std::function<void(std::exception_ptr)> failed);

/// The Loop on epoll. run() works in the thread that calls it until quit().
/// Destroy it after run() has returned and after the worker pool is idle: tasks that are left are abandoned where they wait.
class EpollLoop : public Loop {
public:
    virtual void run() = 0;
    virtual void quit() = 0;  ///< any thread; what is ready now still runs
};
/// `clock` and `workers` outlive the loop. `failed` is told of exceptions that leave spawned tasks and posted functions; it must not throw.
/// Throws std::system_error when the kernel gives no epoll or event descriptor.
std::unique_ptr<EpollLoop> makeEpollLoop(Clock& clock, WorkerPool& workers, std::function<void(std::exception_ptr)> failed);

}  // namespace plugin
