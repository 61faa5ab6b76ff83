#include "listener/request_limit.h"

#include "plugin/runtime/runtime.h"
#include "tests/simulation/inline_loop.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

using namespace listener;
using namespace std::chrono_literals;
using plugin::Code;
using plugin::Nothing;
using plugin::Result;
using plugin::Task;
using Place = RequestLimit::Place;

namespace {

using Entering = std::shared_ptr<plugin::Shared<Result<Place>>>;

struct World {
    Entering enter(std::size_t places = 1) {
        auto entering = plugin::start(loop, limit->enter(places, stop.get_token()));
        settle();
        return entering;
    }
    /// What can be done without time going by.
    void settle() { loop.runUntilIdle(); }
    simulation::InlineLoop loop{};
    std::stop_source stop{};
    std::shared_ptr<RequestLimit> limit = std::make_shared<RequestLimit>(loop.clock());
};

/// What is in, counted by those who come and go.
struct Count {
    std::atomic<std::size_t> in{0}, most{0}, mostSmall{0}, turns{0};
};

void raise(std::atomic<std::size_t>& most, std::size_t now) {
    for (auto before = most.load(); before < now && !most.compare_exchange_weak(before, now);) {
    }
}

/// In, some steps of work, and out again. All outlive the task.
Task<void> comeAndGo(RequestLimit& limit, Count& count, int times) {
    for (int i = 0; i < times; ++i) {
        const std::size_t worth = i % 7 == 0 ? 4 : 1;
        auto entering = limit.enter(worth, {});
        auto place = co_await entering;
        if (!place) co_return;
        const auto now = count.in += worth;
        raise(count.most, now);
        if (worth == 1) raise(count.mostSmall, now);
        auto& loop = co_await plugin::thisLoop();
        auto moment = plugin::sleepUntil(loop.clock().steady() + 50us, {});
        co_await moment;
        count.in -= worth;
        ++count.turns;
    }
}

/// A loop on a thread of its own, as the service has several.
struct Threaded {
    Threaded(plugin::Clock& clock, plugin::WorkerPool& workers)
        : loop(plugin::makeEpollLoop(clock, workers, [](std::exception_ptr) { std::terminate(); })), thread([this] { loop->run(); }) {}
    ~Threaded() {
        loop->quit();
        thread.join();
    }
    std::unique_ptr<plugin::EpollLoop> loop;
    std::thread thread;
};

/// All outlive the task.
Task<void> quitAfter(const std::vector<std::shared_ptr<plugin::Shared<Nothing>>>& ends, plugin::EpollLoop& loop) {
    for (const auto& end : ends) {
        auto waiting = end->wait(plugin::Deadline::max(), {});
        co_await waiting;
    }
    loop.quit();
}

}  // namespace

SCENARIO("four requests at a time go to one mailbox, the others wait for their turn", "[limit]") {
    World world;
    std::vector<Entering> all;
    for (int i = 0; i < 7; ++i) all.push_back(world.enter());
    const auto entered = [&all] { return std::count_if(all.begin(), all.end(), [](const auto& each) { return each->isSet(); }); };
    REQUIRE(entered() == 4);
    GIVEN("one that is done") {
        all[2]->get()->leave();
        world.settle();
        CHECK(entered() == 5);
        CHECK(all[4]->isSet());  // first come, first served
    }
    GIVEN("one that goes, whatever the reason") {
        { const auto gone = std::move(*all[0]->get()); }
        world.settle();
        CHECK(entered() == 5);
    }
    GIVEN("those who wait are stopped") {
        world.stop.request_stop();
        world.settle();
        CHECK(entered() == 7);
        for (std::size_t i = 4; i < 7; ++i) CHECK(all[i]->get().error().code == Code::channelStopped);
        for (std::size_t i = 0; i < 4; ++i) all[i]->get()->leave();
        world.stop = {};
        CHECK(world.enter(4)->isSet());  // nothing of them is left
    }
    GIVEN("one that is stopped as its turn comes") {
        all[0]->get()->leave();
        world.stop.request_stop();
        world.settle();
        for (auto& each : all)
            if (each->get()) each->get()->leave();
        world.stop = {};
        CHECK(world.enter(4)->isSet());
    }
    GIVEN("one that is worth four") {
        const auto large = world.enter(4);
        const auto small = world.enter();
        for (auto& each : all) {
            CHECK_FALSE(large->isSet());
            each->get()->leave();
            world.settle();
        }
        CHECK(large->isSet());
        CHECK_FALSE(small->isSet());
        large->get()->leave();
        world.settle();
        CHECK(small->isSet());
    }
}

SCENARIO("a mailbox whose server has said that it is too much is asked one thing at a time for a while", "[limit]") {
    World world;
    const auto first = world.enter(), second = world.enter();
    world.limit->crowded();
    const auto third = world.enter();
    CHECK_FALSE(third->isSet());
    first->get()->leave();
    world.settle();
    CHECK_FALSE(third->isSet());
    second->get()->leave();
    world.settle();
    CHECK(third->isSet());
    const auto fourth = world.enter(4);
    CHECK_FALSE(fourth->isSet());
    third->get()->leave();
    world.settle();
    CHECK(fourth->isSet());  // what is worth four goes alone
    fourth->get()->leave();
    world.loop.clock().pass(RequestLimit::oneAtATime);
    CHECK_FALSE(world.limit->isCrowded());
    const auto again = world.enter(), beside = world.enter();
    CHECK((again->isSet() && beside->isSet()));
}

SCENARIO("nobody enters while the server has asked for time, neither who waits already nor who comes later", "[limit]") {
    World world;
    std::vector<Entering> inside;
    for (int i = 0; i < 4; ++i) inside.push_back(world.enter());
    const auto waits = world.enter();
    const auto begun = world.loop.clock().steady();
    world.limit->rest(30s);
    world.limit->rest(10s);  // changes nothing
    inside[0]->get()->leave();
    inside[1]->get()->leave();
    CHECK(world.limit->rests());
    CHECK_FALSE(waits->isSet());
    GIVEN("time") {
        const auto later = world.enter();  // which passes meanwhile
        CHECK((waits->isSet() && later->isSet()));
        CHECK(world.loop.clock().steady() - begun == 30s);
        CHECK_FALSE(world.limit->rests());
    }
    GIVEN("an end of the wait") {
        std::stop_source stop;
        const auto later = plugin::start(world.loop, world.limit->enter(1, stop.get_token()));
        world.loop.at(begun + 5s, [&stop] { stop.request_stop(); });
        world.settle();
        CHECK(later->get().error().code == Code::channelStopped);
        CHECK(waits->isSet());
    }
}

SCENARIO("where the server asks for more time than anybody waits for, who wants in is told so at once", "[limit]") {
    World world;
    std::vector<Entering> inside;
    for (int i = 0; i < 4; ++i) inside.push_back(world.enter());
    const auto waits = world.enter();
    const auto begun = world.loop.clock().steady();
    world.limit->rest(24h);
    world.settle();
    REQUIRE(waits->isSet());
    const auto later = world.enter();
    REQUIRE(later->isSet());
    for (const auto& each : {waits, later}) {
        REQUIRE_FALSE(each->get());
        CHECK(each->get().error().code == Code::mailboxThrottled);
        CHECK(each->get().error().reaction == plugin::Reaction::retryLater);
        REQUIRE(each->get().error().retryAfter);
        CHECK(*each->get().error().retryAfter > 1min);
        CHECK(*each->get().error().retryAfter <= 10min);  // whatever it asks for
    }
    CHECK(world.loop.clock().steady() == begun);
    for (auto& each : inside) each->get()->leave();
    world.loop.clock().pass(*later->get().error().retryAfter);
    const auto last = world.enter(4);
    REQUIRE(last->isSet());
    CHECK(last->get());
}

SCENARIO("a limit is that of a server, an application and a mailbox", "[limit]") {
    simulation::ManualClock clock;
    RequestLimits limits(clock);
    const auto one = limits.of("https://graph.microsoft.com", "app", "Box@contoso.example");
    CHECK(limits.of("https://graph.microsoft.com", "app", "box@CONTOSO.example") == one);
    CHECK(limits.of("https://outlook.office365.com/EWS/Exchange.asmx", "app", "box@contoso.example") != one);
    CHECK(limits.of("https://graph.microsoft.com", "other", "box@contoso.example") != one);
    CHECK(limits.of("https://graph.microsoft.com", "app", "other@contoso.example") != one);
}

SCENARIO("sessions on several loops share a limit", "[limit]") {
    const auto clock = plugin::makeSystemClock();
    const auto workers = plugin::makeWorkerPool(1, [](std::exception_ptr) { std::terminate(); });
    const auto here = plugin::makeEpollLoop(*clock, *workers, [](std::exception_ptr) { std::terminate(); });
    const auto limit = std::make_shared<RequestLimit>(*clock);
    Count count;
    std::vector<std::shared_ptr<plugin::Shared<Nothing>>> ends;
    {
        std::vector<std::unique_ptr<Threaded>> loops;
        for (int i = 0; i < 3; ++i) loops.push_back(std::make_unique<Threaded>(*clock, *workers));
        for (int i = 0; i < 12; ++i) ends.push_back(plugin::startOn(*loops[static_cast<std::size_t>(i) % 3]->loop, comeAndGo(*limit, count, 100)));
        here->spawn(quitAfter(ends, *here));
        here->run();
    }
    CHECK(count.turns == 1200);
    CHECK(count.in == 0);
    CHECK(count.most == 4);
    CHECK(count.mostSmall == 4);  // four at a time, and not one that is worth as much
}
