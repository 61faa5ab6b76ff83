#pragma once

#include "plugin/contract/clock.h"
#include "plugin/contract/task.h"

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <unordered_set>
#include <vector>

namespace plugin {

/// Why a wait ended.
enum class Wake { done, timedOut, stopped };

class Descriptor;

/// One thread that runs coroutines, timers and posted functions, one at a time; in tests/simulation the same under virtual time.
/// Members say which threads may call them; "loop thread" also means before the loop runs.
class Loop {
public:
    using TimerId = std::uint64_t;

    Loop() = default;
    Loop(const Loop&) = delete;
    Loop& operator=(const Loop&) = delete;
    virtual ~Loop() = default;

    virtual Clock& clock() = 0;                                             ///< any thread
    virtual void ready(std::coroutine_handle<> waiter) = 0;                 ///< loop thread: resume soon, in order
    virtual void post(std::function<void()> function) = 0;                  ///< any thread: run it on the loop
    virtual TimerId at(Deadline when, std::function<void()> function) = 0;  ///< loop thread
    virtual void cancel(TimerId timer) = 0;                                 ///< loop thread; a timer that has fired is no error
    virtual void work(std::function<void()> job) = 0;                       ///< any thread: run it on the worker pool; it may block
    virtual std::unique_ptr<Descriptor> watch(int fd) = 0;                  ///< loop thread; the caller keeps and closes fd, after the Descriptor
    virtual void failed(std::exception_ptr bug) noexcept = 0;               ///< loop thread: an exception left a spawned task

    /// Loop thread. Starts a task nobody awaits; the loop keeps its frame until it ends.
    inline void spawn(Task<void> task);
    /// Loop thread. Spawned tasks that have not ended.
    std::size_t running() const noexcept { return roots_.size(); }

protected:
    /// For destructors of loops: ends the life of all spawned tasks where they are. Nothing may run afterwards.
    void abandonTasks() noexcept {
        while (!roots_.empty()) {
            auto handle = std::coroutine_handle<>::from_address(*roots_.begin());
            roots_.erase(roots_.begin());
            handle.destroy();
        }
    }

private:
    struct Root {
        struct promise_type : PromiseBase {
            Root get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
            void return_void() const noexcept {}
            struct End {
                bool await_ready() const noexcept { return false; }
                void await_suspend(std::coroutine_handle<promise_type> done) const noexcept {
                    auto* loop = done.promise().loop;
                    auto bug = done.promise().bug;
                    loop->roots_.erase(done.address());
                    done.destroy();
                    if (bug) loop->failed(bug);
                }
                void await_resume() const noexcept {}
            };
            End final_suspend() const noexcept { return {}; }
        };
        std::coroutine_handle<promise_type> handle;
    };
    static Root root(Task<void> task) { co_await task; }

    std::unordered_set<void*> roots_{};
};

inline void Loop::spawn(Task<void> task) {
    auto handle = root(std::move(task)).handle;
    handle.promise().loop = this;
    roots_.insert(handle.address());
    ready(handle);
}

inline void makeReady(Loop& loop, std::coroutine_handle<> waiter) noexcept { loop.ready(waiter); }

/// One suspended coroutine, to be resumed exactly once, with the reason. Held by everything that might wake it.
class Waiting : public std::enable_shared_from_this<Waiting> {
public:
    Waiting(Loop& loop, std::coroutine_handle<> handle) : loop_(loop), handle_(handle) {}

    /// Any thread. Only the first reason counts.
    void wakeFromAnywhere(Wake why) {
        loop_.post([self = shared_from_this(), why] { self->wake(why); });
    }
    /// Loop thread.
    void wake(Wake why) {
        if (over_) return;
        over_ = true;
        why_ = why;
        if (timer_) loop_.cancel(*timer_);
        if (suspended_) loop_.ready(handle_);
    }
    void wakeAt(Deadline deadline) {
        if (over_ || deadline == Deadline::max()) return;
        timer_ = loop_.at(deadline, [weak = weak_from_this()] {
            if (auto self = weak.lock()) self->timer_.reset(), self->wake(Wake::timedOut);
        });
    }
    /// True if the coroutine is to stay suspended.
    bool suspend() { return suspended_ = !over_; }
    /// The coroutine goes away without having been resumed.
    void forget() {
        if (!over_ && timer_) loop_.cancel(*timer_);
        over_ = true;
    }
    Wake why() const { return why_; }
    bool over() const { return over_; }

private:
    Loop& loop_;
    std::coroutine_handle<> handle_;
    std::optional<Loop::TimerId> timer_{};
    Wake why_ = Wake::done;
    bool over_ = false;
    bool suspended_ = false;
};

/// The awaiter all waits share: `arm` hands the Waiting to whatever shall wake it. Answers why it woke.
template <class Arm>
class WaitAwaiter {
public:
    WaitAwaiter(Arm arm, Deadline deadline, std::stop_token stop) : arm_(std::move(arm)), deadline_(deadline), stop_(std::move(stop)) {}
    WaitAwaiter(const WaitAwaiter&) = delete;
    WaitAwaiter& operator=(const WaitAwaiter&) = delete;
    ~WaitAwaiter() {
        if (waiting_) waiting_->forget();
    }

    bool await_ready() const noexcept { return false; }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> waiter) {
        waiting_ = std::make_shared<Waiting>(*waiter.promise().loop, waiter);
        if (stop_.stop_requested()) {
            waiting_->wake(Wake::stopped);
            return waiting_->suspend();
        }
        arm_(waiting_);
        if (!waiting_->over()) {
            waiting_->wakeAt(deadline_);
            if (stop_.stop_possible()) onStop_.emplace(stop_, WakeStopped{waiting_});
        }
        return waiting_->suspend();
    }
    Wake await_resume() const { return waiting_->why(); }

private:
    struct WakeStopped {
        std::shared_ptr<Waiting> waiting;
        void operator()() const { waiting->wakeFromAnywhere(Wake::stopped); }
    };
    Arm arm_;
    Deadline deadline_;
    std::stop_token stop_;
    std::shared_ptr<Waiting> waiting_{};
    std::optional<std::stop_callback<WakeStopped>> onStop_{};
};

/// A flag of one loop that coroutines wait for. Setting it wakes all who wait; it stays set until reset.
class Event {
public:
    void set() {
        set_ = true;
        for (auto& waiting : std::exchange(waiting_, {}))
            if (auto alive = waiting.lock()) alive->wake(Wake::done);
    }
    void reset() noexcept { set_ = false; }
    bool isSet() const noexcept { return set_; }

    /// Wake::done at once when set.
    auto wait(Deadline deadline, std::stop_token stop) {
        return WaitAwaiter{[this](const std::shared_ptr<Waiting>& waiting) {
                               if (set_) return waiting->wake(Wake::done);
                               std::erase_if(waiting_, [](const auto& old) { return old.expired(); });
                               waiting_.push_back(waiting);
                           },
                           deadline, std::move(stop)};
    }

private:
    bool set_ = false;
    std::vector<std::weak_ptr<Waiting>> waiting_{};
};

/// Edge-triggered readiness of a file descriptor: try first; on EAGAIN reset the event, then wait for it.
class Descriptor {
public:
    virtual ~Descriptor() = default;
    Event readable{};  ///< also set by a hang-up or an error: the next read tells
    Event writable{};
};

/// Waits for nothing but time: Wake::timedOut at the deadline.
inline auto sleepUntil(Deadline deadline, std::stop_token stop) {
    return WaitAwaiter{[](const std::shared_ptr<Waiting>&) {}, deadline, std::move(stop)};
}

/// The loop this coroutine runs on: `Loop& loop = co_await thisLoop();`
struct ThisLoop {
    Loop* loop = nullptr;
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    bool await_suspend(std::coroutine_handle<Promise> waiter) noexcept {
        loop = waiter.promise().loop;
        return false;
    }
    Loop& await_resume() const noexcept { return *loop; }
};
inline ThisLoop thisLoop() noexcept { return {}; }

/// Thread-safe. A value set once and awaited by any number of coroutines on any loops. Shared by std::shared_ptr.
template <class T>
class Shared {
public:
    void set(T value) {
        finish([&] { value_.emplace(std::move(value)); });
    }
    void fail(std::exception_ptr bug) {
        finish([&] { bug_ = std::move(bug); });
    }
    bool isSet() const {
        const std::lock_guard lock(mutex_);
        return value_ || bug_;
    }
    /// Wake::done when the value is there. A wait that ends otherwise leaves the value to come.
    auto wait(Deadline deadline, std::stop_token stop) {
        return WaitAwaiter{[this](const std::shared_ptr<Waiting>& waiting) {
                               {
                                   const std::lock_guard lock(mutex_);
                                   if (!value_ && !bug_) return waiting_.push_back(waiting);
                               }
                               waiting->wake(Wake::done);
                           },
                           deadline, std::move(stop)};
    }
    /// After Wake::done. Throws what the task threw.
    T& get() {
        const std::lock_guard lock(mutex_);
        if (bug_) std::rethrow_exception(bug_);
        return *value_;
    }

private:
    template <class Store>
    void finish(Store store) {
        std::vector<std::weak_ptr<Waiting>> waiting;
        {
            const std::lock_guard lock(mutex_);
            store();
            waiting.swap(waiting_);
        }
        for (auto& one : waiting)
            if (auto alive = one.lock()) alive->wakeFromAnywhere(Wake::done);
    }
    mutable std::mutex mutex_{};
    std::optional<T> value_{};
    std::exception_ptr bug_{};
    std::vector<std::weak_ptr<Waiting>> waiting_{};
};

struct Nothing {};

namespace detail {
template <class T>
using SharedOf = Shared<std::conditional_t<std::is_void_v<T>, Nothing, T>>;

template <class T>
Task<void> runInto(Task<T> task, std::shared_ptr<SharedOf<T>> into) {
    try {
        if constexpr (std::is_void_v<T>) {
            co_await task;
            into->set(Nothing{});
        } else {
            into->set(co_await task);
        }
    } catch (...) {  // handed on: whoever waits for `into` meets it
        into->fail(std::current_exception());
    }
}
}  // namespace detail

/// Loop thread. Starts a task beside this one; wait for the answer to join it. Whatever the task refers to must outlive it.
template <class T>
std::shared_ptr<detail::SharedOf<T>> start(Loop& loop, Task<T> task) {
    auto into = std::make_shared<detail::SharedOf<T>>();
    loop.spawn(detail::runInto(std::move(task), into));
    return into;
}

/// Any thread. The same on another loop.
template <class T>
std::shared_ptr<detail::SharedOf<T>> startOn(Loop& loop, Task<T> task) {
    auto into = std::make_shared<detail::SharedOf<T>>();
    auto boxed = std::make_shared<Task<void>>(detail::runInto(std::move(task), into));
    loop.post([&loop, boxed] { loop.spawn(std::move(*boxed)); });
    return into;
}

/// `co_await offload(loop, [..]{ … })`: runs a blocking function on the worker pool and answers what it returns. It cannot be given up:
/// a deadline belongs into the function. The function owns what it uses, or what it uses outlives it.
template <class Function>
Task<std::invoke_result_t<Function>> offload(Loop& loop, Function function) {
    using T = std::invoke_result_t<Function>;
    auto into = std::make_shared<detail::SharedOf<T>>();
    loop.work([into, work = std::make_shared<Function>(std::move(function))] {
        try {
            if constexpr (std::is_void_v<T>) {
                (*work)();
                into->set(Nothing{});
            } else {
                into->set((*work)());
            }
        } catch (...) {  // handed on to the coroutine that waits
            into->fail(std::current_exception());
        }
    });
    co_await into->wait(Deadline::max(), {});
    if constexpr (std::is_void_v<T>)
        into->get();
    else
        co_return std::move(into->get());
}

}  // namespace plugin
