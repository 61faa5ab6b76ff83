#include "auth/token/renewal.h"

#include <catch2/catch.hpp>

using namespace auth;
using namespace std::chrono_literals;

namespace {
const plugin::Steady start{1000s};
constexpr double almostOne = 0.999999;
}  // namespace

SCENARIO("a token is renewed ahead of its end, with jitter", "[token]") {
    GIVEN("an hour") {
        const auto early = lifetimeOf(start, 3600s, {}, 0, 0), late = lifetimeOf(start, 3600s, {}, almostOne, almostOne);
        THEN("renewal lies around 0.75 to 0.8 of it, give or take a tenth, and before the last five minutes") {
            CHECK(early.renewAt == start + 2430s);
            CHECK(late.renewAt <= start + 2970s);
            CHECK(late.renewAt > start + 2900s);
            CHECK(early.usableUntil == start + 3300s);
            CHECK(early.end == start + 3600s);
        }
    }
    GIVEN("any life") {
        const auto life = GENERATE(1s, 3s, 60s, 599s, 600s, 601s, 1200s, 86'400s, 10 * 365 * 86'400s);
        const auto chance = GENERATE(0.0, 0.5, almostOne);
        const auto times = lifetimeOf(start, life, {}, chance, 1 - chance);
        THEN("the order is renewal, last use by choice, end; and of short lives half is used") {
            CHECK(start < times.renewAt);
            CHECK(times.renewAt < times.usableUntil);
            CHECK(times.usableUntil < times.end);
            CHECK(times.end == start + life);
            if (life <= 600s) CHECK(times.usableUntil == start + std::chrono::milliseconds(life) / 2);
        }
    }
    GIVEN("a life the server does not tell") { CHECK(lifetimeOf(start, {}, {}, 0, 0).end == start + assumedLife); }
    GIVEN("a server that wishes an earlier renewal") {
        CHECK(lifetimeOf(start, 86'400s, 43'200s, 0, 0.5).renewAt == start + 43'200s);
        CHECK(lifetimeOf(start, 3600s, 100'000s, 0, 0).renewAt == lifetimeOf(start, 3600s, {}, 0, 0).renewAt);
    }
    GIVEN("a life of nothing") {
        const auto times = lifetimeOf(start, 0s, {}, 0.5, 0.5);
        CHECK(times.usableUntil == start);
    }
}

SCENARIO("waits between failing requests grow to their limits", "[token]") {
    CHECK(passingWait(1, 0) == 1s);
    CHECK(passingWait(1, almostOne) == 1s);
    CHECK(passingWait(4, 0.5) == 4s);
    CHECK(passingWait(9, 0.5) == 128s);
    for (const unsigned failures : {10U, 11U, 40U, 4'000'000'000U}) CHECK(passingWait(failures, 0.5) == 150s);
    CHECK(refusalWait(1) == 1min);
    CHECK(refusalWait(2) == 5min);
    CHECK(refusalWait(3) == 15min);
    CHECK(refusalWait(4) == 60min);
    CHECK(refusalWait(1000) == 60min);
}
