#include "plugin/host/slow_answers.h"
#include "plugin/contract/bug.h"

#include <catch2/catch.hpp>

#include <array>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using plugin::admin::ApiAnswer;
using plugin::host::SlowAnswers;

namespace {

/// Makes an answer when it is let.
class Slow {
public:
    ApiAnswer make() {
        std::unique_lock lock(mutex_);
        ++made_;
        change_.notify_all();
        change_.wait(lock, [this] { return open_; });
        return {200, "slow"};
    }
    void awaitBegin() {
        std::unique_lock lock(mutex_);
        change_.wait(lock, [this] { return made_ > 0; });
    }
    void open() {
        const std::lock_guard lock(mutex_);
        open_ = true;
        change_.notify_all();
    }
    int made() {
        const std::lock_guard lock(mutex_);
        return made_;
    }

private:
    std::mutex mutex_{};
    std::condition_variable change_{};
    int made_ = 0;
    bool open_ = false;
};

/// What was reported; read once no more is made.
struct Unheard {
    std::vector<std::string> bugs{};
    SlowAnswers::Report report() {
        return [this](const std::exception_ptr& bug) { bugs.push_back(plugin::causeOf(bug)); };
    }
};
const SlowAnswers::Report none = [](const std::exception_ptr&) {};

}  // namespace

SCENARIO("whoever asks for what is being made gets the same, and only so many wait", "[api]") {
    Slow slow;
    SlowAnswers answers({std::chrono::hours(1), 2}, none);
    const auto ask = [&] { return answers.ask("all", [&] { return slow.make(); }); };
    std::atomic<int> turnedAway = 0, answered = 0;
    const auto note = [&] {
        const auto answer = ask();
        if (!answer) {
            ++turnedAway;
            turnedAway.notify_all();
        } else if (answer->body == "slow") {
            ++answered;
        }
    };
    {
        std::jthread first(note);
        slow.awaitBegin();
        std::jthread second(note), third(note);  // one of them waits with the first, the other one is told at once
        turnedAway.wait(0);
        slow.open();
    }
    CHECK(turnedAway == 1);
    CHECK(answered == 2);
    CHECK(slow.made() == 1);
    THEN("the next one is made anew") {
        CHECK(ask());
        CHECK(slow.made() == 2);
    }
}

SCENARIO("what is not made in time is not waited for, and nothing else is made beside it", "[api]") {
    Slow slow;
    bool other = false;
    {
        SlowAnswers answers({std::chrono::milliseconds(0), 2}, none);
        CHECK_FALSE(answers.ask("a", [&] { return slow.make(); }));
        slow.awaitBegin();
        CHECK_FALSE(answers.ask("a", [&] { return slow.make(); }));
        CHECK_FALSE(answers.ask("b", [&] {
            other = true;
            return ApiAnswer{};
        }));
        slow.open();
    }
    CHECK(slow.made() == 1);
    CHECK_FALSE(other);
}

SCENARIO("a bug in what is made goes to who asked", "[api]") {
    Unheard unheard;
    SlowAnswers answers({std::chrono::hours(1), 2}, unheard.report());
    CHECK_THROWS_AS(answers.ask("a", []() -> ApiAnswer { throw std::logic_error("a bug"); }), std::logic_error);
    CHECK(answers.ask("a", [] { return ApiAnswer{200, "well"}; })->body == "well");
    CHECK(unheard.bugs.empty());
}

SCENARIO("a bug in what nobody waits for any more is reported", "[api]") {
    Slow slow;
    Unheard unheard;
    {
        SlowAnswers answers({std::chrono::milliseconds(0), 2}, unheard.report());
        const auto make = [&]() -> ApiAnswer {
            slow.make();
            throw std::logic_error("a bug");
        };
        REQUIRE_FALSE(answers.ask("a", make));
        slow.open();
    }
    CHECK(unheard.bugs == std::vector<std::string>{"a bug"});
}
