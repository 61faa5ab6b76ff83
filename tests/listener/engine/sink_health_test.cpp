#include "listener/engine/sink_health.h"

#include "tests/simulation/sim_loop.h"

#include <catch2/catch.hpp>

using namespace listener;
using namespace std::chrono_literals;
using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using State = SinkHealth::State;

namespace {
const Error refused{Reaction::retryLater, Code::sinkRefused, "503"};
Error later(std::chrono::milliseconds time) {
    auto error = refused;
    error.retryAfter = time;
    return error;
}
}  // namespace

SCENARIO("pauses double from two seconds to the longest allowed, a fifth more or less", "[health]") {
    simulation::Dice dice{3};
    for (unsigned failures = 0; failures < 40; ++failures) {
        const auto middle = failures < 9 ? std::min<std::chrono::milliseconds>(2s * (1 << failures), 15min) : std::chrono::milliseconds(15min);
        const auto pause = retryPause(failures, 15min, dice);
        REQUIRE(pause >= middle * 4 / 5);
        REQUIRE(pause <= middle * 6 / 5);
    }
}

SCENARIO("a sink rests after five failures in a row, not after four and a success", "[health]") {
    simulation::Dice dice{3};
    SinkHealth health(15min, dice);
    const plugin::Steady now{};
    for (int i = 0; i < 4; ++i) REQUIRE_FALSE(health.failed(refused, now, std::to_string(i)));
    REQUIRE_FALSE(health.succeeded(now));
    for (int i = 0; i < 4; ++i) REQUIRE_FALSE(health.failed(refused, now, std::to_string(i)));
    for (int i = 0; i < 100; ++i) REQUIRE_FALSE(health.failed(refused, now, "0"));  // the same message again and again
    REQUIRE(health.failed(refused, now, "4"));
    REQUIRE(health.state() == State::resting);
    REQUIRE(health.succeeded(now));
    REQUIRE(health.state() == State::working);
}

SCENARIO("calls that were under way when the rest began neither lengthen it by steps nor shorten it", "[health]") {
    simulation::Dice dice{3};
    SinkHealth health(15min, dice);
    const plugin::Steady now{};
    REQUIRE(health.failed(later(20s), now, "0"));
    const auto probe = health.probeAt();
    REQUIRE(probe == now + 20s);
    for (int i = 0; i < 10; ++i) REQUIRE_FALSE(health.failed(refused, now + 1s, std::to_string(i)));
    REQUIRE(health.probeAt() == probe);
    REQUIRE_FALSE(health.succeeded(now + 2s));  // it asked for peace
    REQUIRE(health.state() == State::resting);
    REQUIRE(health.succeeded(probe));
}

SCENARIO("a sink that is gone stays so until it is resumed, and nobody is kept waiting for more than a day", "[health]") {
    simulation::Dice dice{3};
    SinkHealth health(15min, dice);
    const plugin::Steady now{};
    REQUIRE(health.failed(later(100h), now, "0"));
    REQUIRE(health.probeAt() == now + 24h);
    REQUIRE(health.failed({Reaction::askOperator, Code::sinkGone, "410"}, now, "0"));
    REQUIRE(health.state() == State::disabled);
    REQUIRE_FALSE(health.succeeded(now));
    health.resume();
    REQUIRE(health.state() == State::working);
}
