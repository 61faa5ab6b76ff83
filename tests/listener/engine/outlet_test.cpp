#include "tests/listener/engine/outlet_world.h"

#include <algorithm>

using namespace outletworld;

SCENARIO("what a sink takes within the patience of a round needs no outbox", "[outlet]") {
    World world;
    const auto answers = world.offer({world.message(1), world.message(2), world.message(3)});
    REQUIRE(answers.size() == 3);
    for (const auto& one : answers) REQUIRE(one.answer == Answer::delivered);
    REQUIRE(world.offer({world.message(1)}).front().answer == Answer::known);
}

SCENARIO("no more calls are made at a time than are allowed", "[outlet]") {
    World world({.concurrency = 3});
    std::vector<Message> messages;
    for (unsigned i = 1; i <= 40; ++i) messages.push_back(world.message(i));
    const auto answers = world.offer(messages);
    REQUIRE(world.sink->taken.size() == 40);
    REQUIRE(world.sink->most == 3);
    REQUIRE(answers.back().answer == Answer::delivered);
}

SCENARIO("a sink that takes batches is given them together, within the memory of a call", "[outlet]") {
    World world({.concurrency = 1}, 200);
    std::vector<Message> messages;
    for (unsigned i = 1; i <= 21; ++i) messages.push_back(world.message(i, 1'000'000));
    REQUIRE(world.offer(messages).back().answer == Answer::delivered);
    REQUIRE(world.sink->calls.size() == 4);  // one by itself, since nothing else waited yet; then eight at a time
}

SCENARIO("a slow sink holds up no round: what it has in hand is waited for by the outbox, the rest is its at once", "[outlet]") {
    World world({.concurrency = 2});
    world.run();
    world.sink->takes = 20s;
    const std::vector<Message> messages{world.message(1), world.message(2), world.message(3)};
    const auto began = world.clock.steady();
    const auto answers = world.offer(messages, 5s);
    REQUIRE(world.clock.steady() - began <= 6s);
    REQUIRE(answers[0].answer == Answer::underWay);
    REQUIRE(answers[1].answer == Answer::underWay);
    REQUIRE(answers[2].answer == Answer::notTried);
    WHEN("the outbox has them all") {
        world.owe(messages, answers);
        world.pass(2min);
        THEN("each was given to the sink once") {
            REQUIRE(world.sink->taken.size() == 3);
            REQUIRE(world.sink->calls.size() == 3);
            REQUIRE(world.stateOf(messages[0]) == MessageState::delivered);
            REQUIRE(world.stateOf(messages[2]) == MessageState::delivered);
            REQUIRE(world.due() == 3);
            REQUIRE(world.withWork.contains("box"));
            REQUIRE(world.disk.files("/data/outbox").empty());
            REQUIRE(world.outlet->view().waiting == 0);
        }
    }
}

SCENARIO("after five failures in a row a sink rests, is tried with one message at a time, and gets everything when it is well", "[outlet]") {
    World world;
    world.run();
    world.sink->refuses = busy;
    std::vector<Message> messages;
    for (unsigned i = 1; i <= 30; ++i) messages.push_back(world.message(i));
    const auto answers = world.offer(messages);
    const auto tried =
        static_cast<std::size_t>(std::count_if(answers.begin(), answers.end(), [](const auto& one) { return one.answer == Answer::refused; }));
    REQUIRE(tried >= 5);
    REQUIRE(tried <= 8);  // what was under way when it was told to rest
    REQUIRE(world.outlet->view().state == SinkHealth::State::resting);
    world.owe(messages, answers);
    const auto before = world.sink->calls.size();
    world.pass(48h);
    REQUIRE(world.outlet->view().waiting == 30);
    const auto probes = world.sink->calls.size() - before;
    REQUIRE(probes > 100);
    REQUIRE(probes < 48 * 6);  // a quarter of an hour apart, a fifth more or less
    REQUIRE(world.offer({world.message(31)}).front().answer == Answer::notTried);
    world.sink->refuses.reset();
    world.pass(20min);
    REQUIRE(world.sink->taken.size() == 30);
    REQUIRE(world.outlet->view().state == SinkHealth::State::working);
    REQUIRE(world.due() == 30);
    REQUIRE(world.disk.files("/data/outbox").empty());
}

SCENARIO("one message that a sink refuses for ever does not stand in the way of the others", "[outlet]") {
    World world;
    world.run();
    world.sink->refuses = busy;
    world.oweUntried(1, 20);
    world.pass(1h);
    world.sink->refuses.reset();
    world.sink->refusesIds = {world.message(1).id, world.message(2).id};
    world.pass(3h);
    REQUIRE(world.sink->taken.size() == 18);
    REQUIRE(world.outlet->view().waiting == 2);
    REQUIRE(world.outlet->view().state == SinkHealth::State::working);
}

SCENARIO("a sink that says when to come again is left alone until then", "[outlet]") {
    World world({.concurrency = 4});
    world.run();
    auto later = busy;
    later.retryAfter = 600s;
    world.sink->refuses = later;
    world.oweUntried(1, 10);
    world.pass(1min);
    const auto calls = world.sink->calls;
    REQUIRE_FALSE(calls.empty());
    world.sink->refuses.reset();
    world.pass(8min);
    REQUIRE(world.sink->calls.size() == calls.size());
    world.pass(5min);
    REQUIRE(world.sink->taken.size() == 10);
}

SCENARIO("what is refused for longer than retry.give_up is dead, and its bytes stay", "[outlet]") {
    World world({.giveUp = 1h});
    world.run();
    world.sink->refuses = busy;
    world.oweUntried(1, 10);
    world.pass(90min);
    REQUIRE(world.outlet->view().waiting == 0);
    REQUIRE(world.stateOf(world.message(3)) == MessageState::dead);
    REQUIRE(world.due() == 0);
    REQUIRE(world.disk.files("/data/outbox").size() == 1);
    WHEN("an operator wants them after all") {
        world.sink->refuses.reset();
        REQUIRE(world.wait(world.outbox().replay({.state = MessageState::dead}, "hook"))->kept == 10);
        world.outlet->lookAgain();
        world.pass(20min);
        THEN("they are delivered, and what was to follow is due") {
            REQUIRE(world.sink->taken.size() == 10);
            REQUIRE(world.stateOf(world.message(3)) == MessageState::delivered);
            REQUIRE(world.due() == 10);
        }
    }
}

SCENARIO("a sink that is gone is not asked again until an operator acts", "[outlet]") {
    World world;
    world.run();
    world.sink->refuses = Error{Reaction::askOperator, Code::sinkGone, "410"};
    world.oweUntried(1, 5);
    world.pass(1min);
    REQUIRE(world.outlet->view().state == SinkHealth::State::disabled);
    REQUIRE(*world.wait(world.outbox().disabled("hook")) == "410");
    const auto calls = world.sink->calls.size();
    world.sink->refuses.reset();
    world.pass(24h);
    REQUIRE(world.sink->calls.size() == calls);
    REQUIRE(world.wait(world.outbox().resume("hook")));
    world.outlet->lookAgain();
    world.pass(1min);
    REQUIRE(world.sink->taken.size() == 5);
}

SCENARIO("bytes that cannot be read any more are asked for again, and the others are delivered", "[outlet]") {
    World world;
    world.run();
    world.sink->refuses = busy;
    world.oweUntried(1, 3);
    world.oweUntried(4, 6);
    world.pass(1h);
    const auto name = world.disk.files("/data/outbox").begin()->first;
    world.disk.put("/data/outbox", name, "something else");
    world.sink->refuses.reset();
    world.pass(2h);
    REQUIRE(world.sink->taken.size() == 3);
    REQUIRE(world.withWork.contains("box"));
    REQUIRE(world.outlet->view().waiting == 3);
}

SCENARIO("a thousand messages come back from the outbox in the order they went in, in little memory", "[outlet]") {
    World world({.concurrency = 1});
    world.sink->refuses = busy;
    for (unsigned batch = 0; batch < 10; ++batch) world.oweUntried(1 + batch * 100, 100 + batch * 100);
    world.run();
    world.pass(1h);
    REQUIRE(world.sink->taken.empty());
    world.sink->refuses.reset();
    world.pass(1h);
    REQUIRE(world.sink->taken.size() == 1000);
    REQUIRE(world.disk.files("/data/outbox").empty());
    REQUIRE(world.files.used() == 0);
}
