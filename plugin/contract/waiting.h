#pragma once

#include "plugin/contract/loop.h"

#include <exception>
#include <future>
#include <memory>
#include <utility>

namespace plugin {

namespace detail {
template <class T>
Task<void> handOn(Task<T> task, std::shared_ptr<std::promise<T>> into) {
    try {
        into->set_value(co_await task);
    } catch (...) {  // a bug travels to whoever waits
        into->set_exception(std::current_exception());
    }
}
}  // namespace detail

/// Runs a task on a loop and waits for it in another thread: the main one, or one of the admin port. The task has a deadline of its own. Throws what
/// it throws.
template <class T>
T waitFor(Loop& loop, Task<T> task) {
    auto promise = std::make_shared<std::promise<T>>();
    auto answer = promise->get_future();
    startOn(loop, detail::handOn(std::move(task), promise));
    return answer.get();
}

}  // namespace plugin
