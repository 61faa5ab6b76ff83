#pragma once

#include "plugin/contract/loop.h"
#include "plugin/host/signals.h"

#include <chrono>
#include <exception>
#include <memory>
#include <utility>

namespace plugin::host {

namespace detail {
template <class T>
Task<void> handOnAndWake(Task<T> task, std::shared_ptr<Shared<T>> into, Signals& signals) {
    try {
        into->set(co_await task);
    } catch (...) {  // handed on to the thread that waits
        into->fail(std::current_exception());
    }
    signals.wake();
}
}  // namespace detail

/// Runs a task on a loop while this thread, which is the one that takes signals, waits for it: `arrived` is called with each that comes meanwhile.
/// `signals` outlives the task. Throws what the task throws.
template <class T, class Function>
T waitWithSignals(Loop& loop, Task<T> task, Signals& signals, Function arrived) {
    auto answer = std::make_shared<Shared<T>>();
    startOn(loop, detail::handOnAndWake(std::move(task), answer, signals));
    while (!answer->isSet()) arrived(signals.wait(std::chrono::hours(1)));
    return std::move(answer->get());
}

}  // namespace plugin::host
