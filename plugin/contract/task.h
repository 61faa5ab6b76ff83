#pragma once

#include <coroutine>
#include <exception>
#include <optional>
#include <stdexcept>
#include <type_traits>
#include <utility>

namespace plugin {

class Loop;
void makeReady(Loop& loop, std::coroutine_handle<> waiter) noexcept;  // loop.h

/// What every coroutine of ours carries. The loop is handed from the one who awaits to the one awaited.
struct PromiseBase {
    Loop* loop = nullptr;
    std::coroutine_handle<> waiter{};
    bool startedInline = false;
    std::exception_ptr bug{};

    std::suspend_always initial_suspend() const noexcept { return {}; }
    void unhandled_exception() noexcept { bug = std::current_exception(); }

    /// g++ 12 makes no tail call of a symmetric transfer, so a finished child never resumes its waiter on its own stack: a waiter
    /// that is still inside await_suspend goes straight on, any other goes into the loop's ready queue.
    struct Finish {
        bool await_ready() const noexcept { return false; }
        template <class Promise>
        void await_suspend(std::coroutine_handle<Promise> done) const noexcept {
            auto& me = done.promise();
            if (me.waiter && !me.startedInline) makeReady(*me.loop, me.waiter);
        }
        void await_resume() const noexcept {}
    };
    Finish final_suspend() const noexcept { return {}; }
};

/// A coroutine that begins when it is awaited (or given to Loop::spawn) and ends with a T. Move-only; owns its frame.
/// It runs on the loop of whoever awaits it. Parameters are taken by value or outlive the task.
/// A Task that has begun is destroyed only when it has finished, or when its loop will never run again.
/// Expected failures are Results; an exception is a bug and travels to the awaiter.
template <class T>
class [[nodiscard]] Task {
public:
    struct promise_type : PromiseBase {
        std::optional<T> value{};
        Task get_return_object() { return Task{std::coroutine_handle<promise_type>::from_promise(*this)}; }
        template <class U>
        void return_value(U&& result) {
            value.emplace(std::forward<U>(result));
        }
    };

    Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
    Task& operator=(Task&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~Task() {
        if (handle_) handle_.destroy();
    }

    struct Awaiter {
        std::coroutine_handle<promise_type> handle;
        bool await_ready() const noexcept { return false; }
        template <class Promise>
        bool await_suspend(std::coroutine_handle<Promise> waiter) {
            auto& child = handle.promise();
            child.loop = waiter.promise().loop;
            child.waiter = waiter;
            child.startedInline = true;
            handle.resume();
            child.startedInline = false;
            return !handle.done();
        }
        T await_resume() {
            auto& child = handle.promise();
            if (child.bug) std::rethrow_exception(child.bug);
            return std::move(*child.value);
        }
    };
    Awaiter operator co_await() const noexcept { return Awaiter{handle_}; }

private:
    explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
    std::coroutine_handle<promise_type> handle_;
};

template <>
class [[nodiscard]] Task<void> {
public:
    struct promise_type : PromiseBase {
        Task get_return_object() { return Task{std::coroutine_handle<promise_type>::from_promise(*this)}; }
        void return_void() const noexcept {}
    };

    Task(Task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
    Task& operator=(Task&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~Task() {
        if (handle_) handle_.destroy();
    }

    struct Awaiter {
        std::coroutine_handle<promise_type> handle;
        bool await_ready() const noexcept { return false; }
        template <class Promise>
        bool await_suspend(std::coroutine_handle<Promise> waiter) {
            auto& child = handle.promise();
            child.loop = waiter.promise().loop;
            child.waiter = waiter;
            child.startedInline = true;
            handle.resume();
            child.startedInline = false;
            return !handle.done();
        }
        void await_resume() const {
            if (handle.promise().bug) std::rethrow_exception(handle.promise().bug);
        }
    };
    Awaiter operator co_await() const noexcept { return Awaiter{handle_}; }

private:
    explicit Task(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
    std::coroutine_handle<promise_type> handle_;
};

}  // namespace plugin

#include "plugin/contract/loop.h"  // makeReady, for those who include this alone
