// An outlet whose disk, store or clock fails it.
#include "tests/listener/engine/outlet_world.h"

#include <algorithm>

using namespace outletworld;
using simulation::SimDisk;
using simulation::SimVfs;

SCENARIO("of a file of which one message is damaged the others are delivered, and that one is fetched again", "[outlet]") {
    World world;
    world.run();
    world.sink->refuses = busy;
    world.oweUntried(1, 5);
    world.pass(1h);
    const auto [name, bytes] = *world.disk.files("/data/outbox").begin();
    auto damaged = bytes;
    damaged.at(damaged.find("3xxx") + 2) = 'y';
    world.disk.put("/data/outbox", name, damaged);
    world.sink->refuses.reset();
    world.pass(2h);
    REQUIRE(world.sink->taken.size() == 4);
    REQUIRE_FALSE(world.sink->taken.contains(world.message(3).id));
    REQUIRE(world.stateOf(world.message(3)) == MessageState::pending);
    REQUIRE(world.withWork.contains("box"));
    const auto rework = world.wait(world.outbox().rework(world.folder(), {}));
    REQUIRE(rework->unfetched.size() == 1);
    REQUIRE(rework->unfetched.front().id == world.message(3).id);
    WHEN("its bytes have come again") {
        const auto again = world.message(3);
        const std::vector<OutboxFiles::Request> requests{{&again}};
        const auto kept = world.files.keep(requests);
        OutboxLedger::Fetch fetch{.row = rework->unfetched.front().row, .kept = kept->front()};
        fetch.size = again.content.size();
        fetch.sha256 = again.content.sha256();
        REQUIRE(world.wait(world.outbox().fetched({fetch})));
        world.outlet->lookAgain();
        world.pass(20min);
        THEN("the sink gets them, and nothing is left") {
            REQUIRE(world.sink->taken.size() == 5);
            REQUIRE(world.stateOf(again) == MessageState::delivered);
            REQUIRE(world.disk.files("/data/outbox").empty());
        }
    }
}

SCENARIO("a disk that cannot be read for a while costs patience and no message", "[outlet]") {
    World world;
    world.run();
    world.sink->refuses = busy;
    world.oweUntried(1, 20);
    world.pass(1h);
    world.sink->refuses.reset();
    std::size_t reads = 0;
    world.disk.setHook([&](const SimDisk::Step&) -> std::optional<Error> {
        ++reads;
        return SimDisk::ioError();
    });
    world.pass(1h);
    REQUIRE(world.sink->taken.empty());
    REQUIRE(reads > 0);
    REQUIRE(reads < 20 * 3 * 62);  // each again after a minute, and not in between
    REQUIRE_FALSE(world.withWork.contains("box"));
    world.disk.setHook({});
    world.pass(20min);
    REQUIRE(world.sink->taken.size() == 20);
    REQUIRE(world.disk.files("/data/outbox").empty());
}

SCENARIO("while the store is full a sink is not given the same messages over and over", "[outlet]") {
    World world;
    world.run();
    world.sink->refuses = busy;
    world.oweUntried(1, 3);
    world.pass(1h);
    const auto before = world.sink->calls.size();
    world.vfs.judge([](SimVfs::Effect, std::uint64_t, const std::string&) { return SimVfs::Fate::full; });
    world.sink->refuses.reset();
    world.pass(1h);
    REQUIRE(world.sink->taken.size() == 3);
    REQUIRE(world.sink->calls.size() - before <= 3 * 3600 / 5);  // what came of it could not be written down: once in five seconds at most
    REQUIRE(world.stateOf(world.message(1)) == MessageState::pending);
    world.vfs.judge({});
    world.pass(20min);
    REQUIRE(world.sink->taken.size() == 3);
    for (unsigned number = 1; number <= 3; ++number) REQUIRE(world.stateOf(world.message(number)) == MessageState::delivered);
    REQUIRE(world.outlet->view().waiting == 0);
    REQUIRE(world.disk.files("/data/outbox").empty());
}

SCENARIO("a wall clock that jumps gives nobody up before their time, and holds nothing back", "[outlet]") {
    const auto by = GENERATE(std::chrono::hours(24 * 400), std::chrono::hours(-24 * 400));
    INFO("by " << by.count() << " h");
    World world({.giveUp = 2h});
    world.run();
    world.sink->refuses = busy;
    world.oweUntried(1, 10);
    world.pass(30min);
    world.clock.jump(by);
    world.pass(1h);
    REQUIRE(world.outlet->view().waiting == 10);
    REQUIRE(world.stateOf(world.message(1)) == MessageState::pending);
    WHEN("the sink is well again") {
        world.sink->refuses.reset();
        world.pass(19min);
        THEN("it gets all of them") {
            REQUIRE(world.sink->taken.size() == 10);
            REQUIRE(world.outlet->view().waiting == 0);
        }
    }
    if (by > 0h) {
        WHEN("it refuses on") {
            world.pass(3h);
            THEN("they are given up in the end") { REQUIRE(world.stateOf(world.message(1)) == MessageState::dead); }
        }
    }
}

SCENARIO("a call that a round has begun is broken off by a stop that came before the outbox was at work", "[outlet]") {
    World world;
    std::stop_source giveUp;
    world.outlet->breakWith(giveUp.get_token());
    world.sink->takes = 50s;
    const auto began = world.clock.steady();
    const auto answers = world.offer({world.message(1)}, 5s);
    REQUIRE(answers.front().answer == Answer::underWay);
    giveUp.request_stop();
    world.wait([](std::shared_ptr<Outlet> outlet) -> Task<int> {
        co_await outlet->letEnd();
        co_return 0;
    }(world.outlet));
    REQUIRE(world.clock.steady() - began < 10s);
    REQUIRE(world.sink->taken.empty());
}

SCENARIO("a message that is refused again and again is told of, though the sink takes the others", "[outlet]") {
    World world;
    world.run();
    world.sink->refusesIds = {world.message(1).id};
    world.oweUntried(1, 4);
    world.pass(20s);
    REQUIRE(world.sink->taken.size() == 3);
    REQUIRE(world.outlet->view().stuck == 0);  // it may pass yet
    world.pass(2min);
    REQUIRE(world.outlet->view().stuck == 1);
    REQUIRE(world.outlet->view().state == SinkHealth::State::working);
    REQUIRE(world.told("again and again") == 1);
    world.pass(2h);
    REQUIRE(world.told("again and again") == 1);
    world.sink->refusesIds.clear();
    world.pass(20min);
    REQUIRE(world.sink->taken.size() == 4);
    REQUIRE(world.outlet->view().stuck == 0);
}

SCENARIO("what only a person can mend is told at the first refusal", "[outlet]") {
    World world;
    world.run();
    world.sink->refuses = Error{Reaction::askOperator, Code::sinkSignIn, "401"};
    world.oweUntried(1, 2);
    world.pass(5s);
    REQUIRE(world.told("does not take a message") == 2);
}

SCENARIO("what a round has written down while a page of the outbox was read is not tried once more", "[outlet]") {
    World world;
    std::vector<Message> all;
    for (unsigned number = 1; number <= 16; ++number) all.push_back(world.message(number));
    const auto last = all.back();
    auto hold = std::make_unique<Outlet::Hold>(world.outlet, std::vector<std::string>{last.id});
    world.owe(all, std::vector<Outlet::Offered>(all.size(), {.next = world.clock.wall()}));
    world.run();
    const auto opened = world.disk.count(simulation::SimDisk::Operation::open);
    while (world.disk.count(simulation::SimDisk::Operation::open) == opened) world.step();  // the first of the page is being read
    REQUIRE(world.wait(world.outbox().conclude({{.id = last.id, .sink = "hook", .kind = OutboxOutcome::Kind::delivered}})));
    REQUIRE(world.sink->taken.empty());  // the page is still under way
    hold.reset();
    world.pass(2min);
    CHECK(world.sink->taken.size() == 15);
    CHECK_FALSE(world.sink->taken.contains(last.id));
}

SCENARIO("what came of a call is written down before the outbox tries the message again", "[outlet]") {
    World world;
    world.sink->takes = 20s;
    const std::vector<Message> all{world.message(1)};
    world.run();
    const auto offered = world.offer(all);
    REQUIRE(offered.front().answer == Answer::underWay);
    world.owe(all, offered);
    world.outlet->lookAgain();
    world.pass(2min);
    CHECK(world.sink->calls.size() == 1);
    CHECK(world.stateOf(all.front()) == MessageState::delivered);
}

SCENARIO("what came of a call while its message was being kept is not tried once more", "[outlet]") {
    World world;
    world.sink->takes = 20s;
    const std::vector<Message> all{world.message(1)};
    world.run();
    const auto offered = world.offer(all);
    REQUIRE(offered.front().answer == Answer::underWay);
    world.pass(1min);  // it has been taken meanwhile
    REQUIRE(world.sink->taken.size() == 1);
    world.keep(all, std::vector<Outlet::Offered>(1, {.next = world.clock.wall()}));
    world.oweUntried(2, 2);  // the outbox looks what there is
    world.pass(2min);
    CHECK(world.sink->calls.size() == 2);
    world.outlet->owe(1, {offered.front().job});
    world.pass(2min);
    CHECK(world.sink->calls.size() == 2);
    CHECK(world.stateOf(all.front()) == MessageState::delivered);
}

SCENARIO("the next outlet of a sink leaves alone what a round still has in hand for the one before", "[outlet]") {
    World world;
    auto hold = std::make_unique<Outlet::Hold>(world.outlet, std::vector<std::string>{world.message(1).id});
    world.oweUntried(1, 2);
    world.replace();
    world.run();
    world.pass(2min);
    CHECK(world.sink->taken.size() == 1);
    hold.reset();
    world.pass(2min);
    CHECK(world.sink->taken.size() == 2);
}
