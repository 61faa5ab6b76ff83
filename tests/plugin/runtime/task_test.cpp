#include "plugin/runtime/runtime.h"

#include <catch2/catch.hpp>

#include <atomic>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace plugin;
using namespace std::chrono_literals;

namespace {

struct Counted {  // every life is counted: a frame that is destroyed twice or never shows
    static inline int alive = 0;
    std::string text;
    explicit Counted(std::string value) : text(std::move(value)) { ++alive; }
    Counted(const Counted& other) : text(other.text) { ++alive; }
    Counted(Counted&& other) noexcept : text(std::move(other.text)) { ++alive; }
    Counted& operator=(const Counted&) = default;
    ~Counted() { --alive; }
};

struct Machine {
    std::unique_ptr<Clock> clock = makeSystemClock();
    std::exception_ptr bug{};
    std::unique_ptr<WorkerPool> workers = makeWorkerPool(2, [](std::exception_ptr) {});
    std::unique_ptr<EpollLoop> loop = makeEpollLoop(*clock, *workers, [this](std::exception_ptr escaped) { bug = escaped; });

    ~Machine() {
        workers.reset();
        loop.reset();
    }
    /// Runs until the task has ended.
    void run(Task<void> task) {
        loop->spawn(thenQuit(std::move(task), *loop));
        loop->run();
    }
    static Task<void> thenQuit(Task<void> task, EpollLoop& loop) {
        try {
            co_await task;
        } catch (...) {
            loop.quit();
            throw;
        }
        loop.quit();
    }
};

Task<int> one() { co_return 1; }
Task<int> deep(int levels) {
    if (levels == 0) co_return 0;
    auto below = deep(levels - 1);
    co_return 1 + co_await below;
}
Task<int> deepAndLate(int levels) {
    if (levels == 0) {
        auto& loop = co_await thisLoop();
        auto pause = sleepUntil(loop.clock().steady(), {});
        co_await pause;
        co_return 0;
    }
    auto below = deepAndLate(levels - 1);
    co_return 1 + co_await below;
}
Task<Counted> echo(Counted value) { co_return value; }
Task<int> throwing() {
    throw std::logic_error("a bug");
    co_return 0;
}

/// Always ready again, as a reader of an endless stream that yields.
struct Yield {
    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> waiter) const {
        waiter.promise().loop->ready(waiter);
    }
    void await_resume() const noexcept {}
};
Task<void> yieldUntil(const bool* over, long most) {
    for (long turn = 0; turn < most && !*over; ++turn) co_await Yield{};
}

}  // namespace

SCENARIO("a long loop of tasks that end at once does not grow the stack", "[task]") {
    Machine machine;
    long sum = 0;
    machine.run([](long& total) -> Task<void> {
        for (int i = 0; i < 3'000'000; ++i) {
            auto task = one();
            total += co_await task;
        }
    }(sum));
    REQUIRE(sum == 3'000'000);
}

SCENARIO("tasks a thousand deep end, at once or later", "[task]") {
    Machine machine;
    int early = 0, late = 0;
    machine.run([](int& first, int& second) -> Task<void> {
        first = co_await deep(1000);
        second = co_await deepAndLate(1000);
    }(early, late));
    REQUIRE(early == 1000);
    REQUIRE(late == 1000);
}

SCENARIO("every value a coroutine is given or gives lives and dies once", "[task]") {
    Counted::alive = 0;
    std::string seen;
    {
        Machine machine;
        machine.run([](std::string& out) -> Task<void> {
            Counted named("a text too long for the small buffer of a string");
            auto back = co_await echo(std::move(named));
            out = back.text;
            Event never;
            auto wait = never.wait(Deadline::min(), {});
            REQUIRE(co_await wait == Wake::timedOut);
        }(seen));
    }
    REQUIRE(seen == "a text too long for the small buffer of a string");
    REQUIRE(Counted::alive == 0);
}

SCENARIO("tasks that still wait when their loop goes away are cleaned up", "[task]") {
    Counted::alive = 0;
    Event never;
    {
        Machine machine;
        machine.loop->spawn([](Event& event) -> Task<void> {
            Counted held("held while waiting");
            co_await event.wait(Deadline::max(), {});
        }(never));
        machine.run([]() -> Task<void> { co_return; }());
        REQUIRE(Counted::alive == 1);
        REQUIRE(machine.loop->running() == 1);
    }
    REQUIRE(Counted::alive == 0);
}

SCENARIO("an exception travels to whoever awaits, and from a spawned task to the loop", "[task]") {
    Machine machine;
    std::string caught;
    machine.run([](std::string& out) -> Task<void> {
        try {
            co_await throwing();
        } catch (const std::logic_error& bug) {
            out = bug.what();
        }
    }(caught));
    REQUIRE(caught == "a bug");
    machine.run([]() -> Task<void> { co_await throwing(); }());
    REQUIRE(machine.bug);
}

SCENARIO("a wait ends by its event, its deadline or its stop token, once", "[loop]") {
    Machine machine;
    std::vector<Wake> ends;
    machine.run([](std::vector<Wake>& out) -> Task<void> {
        auto& loop = co_await thisLoop();
        Event event;
        out.push_back(co_await event.wait(loop.clock().steady() + 1ms, {}));
        event.set();
        out.push_back(co_await event.wait(Deadline::max(), {}));
        event.reset();
        std::stop_source stop;
        std::thread stopper([&stop] { stop.request_stop(); });  // from another thread
        out.push_back(co_await event.wait(Deadline::max(), stop.get_token()));
        stopper.join();
        out.push_back(co_await event.wait(Deadline::max(), stop.get_token()));  // stopped before it began
        loop.post([&event] { event.set(); });
        out.push_back(co_await event.wait(Deadline::max(), {}));
    }(ends));
    REQUIRE(ends == std::vector{Wake::timedOut, Wake::done, Wake::stopped, Wake::stopped, Wake::done});
}

SCENARIO("an event wakes everyone who waits", "[loop]") {
    Machine machine;
    int woken = 0;
    machine.run([](int& count) -> Task<void> {
        auto& loop = co_await thisLoop();
        Event gate;
        std::vector<std::shared_ptr<Shared<Nothing>>> waiters;
        for (int i = 0; i < 50; ++i)
            waiters.push_back(start(loop, [](Event& event, int& n) -> Task<void> {
                co_await event.wait(Deadline::max(), {});
                ++n;
            }(gate, count)));
        gate.set();
        for (auto& waiter : waiters) co_await waiter->wait(Deadline::max(), {});
    }(woken));
    REQUIRE(woken == 50);
}

SCENARIO("blocking work runs on other threads and answers on the loop", "[loop]") {
    Machine machine;
    std::vector<int> answers;
    bool elsewhere = false, back = false;
    std::string caught;
    machine.run([](std::vector<int>& out, bool& other, bool& home, std::string& text) -> Task<void> {
        auto& loop = co_await thisLoop();
        const auto mine = std::this_thread::get_id();
        for (int i = 0; i < 1000; ++i) {
            auto job = offload(loop, [i, mine, &other] {
                other = std::this_thread::get_id() != mine;
                return i;
            });
            out.push_back(co_await job);
        }
        home = std::this_thread::get_id() == mine;
        try {
            auto bad = offload(loop, [] { throw std::logic_error("in a worker"); });
            co_await bad;
        } catch (const std::logic_error& bug) {
            text = bug.what();
        }
    }(answers, elsewhere, back, caught));
    REQUIRE(answers.size() == 1000);
    REQUIRE(answers.back() == 999);
    REQUIRE(elsewhere);
    REQUIRE(back);
    REQUIRE(caught == "in a worker");
}

SCENARIO("a task on another loop answers to this one", "[loop]") {
    Machine machine, other;
    std::thread thread([&other] { other.loop->run(); });
    int answer = 0;
    machine.run([](Loop& elsewhere, int& out) -> Task<void> {
        for (int i = 0; i < 200; ++i) {
            auto shared = startOn(elsewhere, deepAndLate(3));
            co_await shared->wait(Deadline::max(), {});
            out += shared->get();
        }
    }(*other.loop, answer));
    other.loop->quit();
    thread.join();
    REQUIRE(answer == 600);
}

SCENARIO("timers fire in the order of their times, cancelled ones never", "[loop]") {
    Machine machine;
    std::vector<int> fired;
    auto& loop = *machine.loop;
    const auto now = machine.clock->steady();
    loop.at(now + 3ms, [&] {
        fired.push_back(3);
        loop.quit();
    });
    loop.at(now + 1ms, [&] { fired.push_back(1); });
    loop.cancel(loop.at(now + 2ms, [&] { fired.push_back(2); }));
    loop.run();
    REQUIRE(fired == std::vector{1, 3});
}

SCENARIO("a task that is always ready keeps no timer from its turn", "[loop]") {
    Machine machine;
    bool fired = false;
    machine.loop->at(machine.clock->steady(), [&] { fired = true; });
    machine.run(yieldUntil(&fired, 1'000'000));
    REQUIRE(fired);
}
