#include "tests/listener/alerting/alert_world.h"

using namespace alert_test;

SCENARIO("what is true is told once, and once that it is over", "[alerts]") {
    World world;
    Life life(world, {hook("ops")}, {blocked("orders")});
    life.pass(1h);
    REQUIRE(world.hook.told() == Told{"raised orders"});
    REQUIRE(world.metrics.values.at("postern_alert_conditions mailbox-blocked") == 1);
    REQUIRE(world.metrics.values.at("postern_alert_conditions mailbox-stalled") == 0);
    life.be({}, 1h);
    REQUIRE(world.hook.told() == Told{"raised orders", "cleared orders"});
    REQUIRE(world.hook.calls.size() == 2);
    REQUIRE(world.metrics.values.at("postern_alert_conditions mailbox-blocked") == 0);
    REQUIRE(world.metrics.values.at("postern_alerts_total ops told") == 2);
    REQUIRE(world.logged("PO-6012") == 0);
}

SCENARIO("a channel that is down for an hour is told all the same, in order", "[alerts]") {
    World world;
    Life life(world, {hook("ops")});
    life.network.setDown(true);
    life.be({blocked("orders")}, 10min);
    life.be({}, 50min);
    REQUIRE(world.hook.calls.empty());
    REQUIRE(world.logged("PO-6012") == 1);
    const auto failed = world.metrics.values.at("postern_alerts_total ops failed");
    REQUIRE(failed >= 10);
    REQUIRE(failed <= 25);
    life.network.setDown(false);
    life.pass(AlertChannel::longestPause);
    REQUIRE(world.hook.told() == Told{"raised orders", "cleared orders"});
    REQUIRE(world.hook.calls.size() == 2);
    REQUIRE(world.logged("the alert is sent again") == 1);
    WHEN("it fails once more") {
        world.hook.status = 500;
        life.be({blocked("orders")}, 10min);
        THEN("that is a streak of its own") { REQUIRE(world.logged("PO-6012") == 2); }
    }
}

SCENARIO("channels do not wait for each other, and each is told what it wants", "[alerts]") {
    World world;
    auto stalls = hook("stalls");
    stalls.kinds = {"mailbox-stalled"};
    Life life(world, {hook("ops"), stalls, otherHook("boss")});
    world.hook.status = 503;
    life.be({blocked("orders")});
    REQUIRE(world.other.told() == Told{"raised orders"});
    life.be({});
    REQUIRE(world.other.told() == Told{"raised orders", "cleared orders"});
    REQUIRE(world.hook.told().empty());
    world.hook.status = 200;
    life.pass(5min);
    REQUIRE(world.hook.told() == Told{"raised orders", "cleared orders"});
    REQUIRE_FALSE(world.metrics.values.contains("postern_alerts_total stalls told"));
    life.be({{"mailbox-stalled", "sales", Code::channelTimeout, "silent"}});
    REQUIRE(world.metrics.values.at("postern_alerts_total stalls told") == 1);
}

SCENARIO("a condition that flaps is no storm", "[alerts]") {
    World world;
    Life life(world, {hook("ops")});
    for (int i = 0; i < 1800; ++i) life.be(i % 2 == 0 ? std::vector{blocked("orders")} : std::vector<Condition>{}, 1s);
    REQUIRE(world.hook.told() == Told{"raised orders", "cleared orders", "raised orders"});
    life.be({}, 2min);
    REQUIRE(world.hook.told().back() == "cleared orders");
}

SCENARIO("a thousand mailboxes that fail together are told at a bounded pace, none is forgotten", "[alerts]") {
    World world;
    Life life(world, {hook("ops")});
    std::vector<Condition> all;
    for (int i = 0; i < 1000; ++i) all.push_back(blocked("box" + std::to_string(i)));
    life.be(all, 59s);
    REQUIRE(world.hook.calls.size() == AlertChannel::perMinute);
    life.pass(10min);
    REQUIRE(world.hook.calls.size() <= 11 * AlertChannel::perMinute);
    life.be({}, 1h);
    auto told = world.hook.told();
    REQUIRE(told.size() == 2000);
    REQUIRE(std::count_if(told.begin(), told.end(), [](const auto& each) { return each.starts_with("raised "); }) == 1000);
    std::sort(told.begin(), told.end());
    REQUIRE(std::adjacent_find(told.begin(), told.end()) == told.end());
}

SCENARIO("a condition that comes again while its end could not be told has not ended for that channel", "[alerts]") {
    World world;
    Life life(world, {hook("ops"), otherHook("boss")});
    life.be({blocked("orders")});
    world.hook.status = 503;
    for (int i = 0; i < 5; ++i) {
        life.be({}, 3min);
        life.be({blocked("orders")}, 3min);
    }
    life.be({}, 3min);
    world.hook.status = 200;
    life.pass(10min);
    REQUIRE(world.hook.told() == Told{"raised orders", "cleared orders"});
    REQUIRE(world.other.told().size() == 12);
}

SCENARIO("what is over and never got out for a day interests nobody", "[alerts]") {
    World world;
    Life life(world, {hook("ops")});
    world.hook.status = 503;
    life.be({blocked("orders"), blocked("sales")}, 1min);
    life.be({blocked("sales")}, 1h);
    const auto hours = GENERATE(22h, 24h);
    life.be({blocked("sales")}, hours);
    world.hook.status = 200;
    life.pass(10min);
    const auto told = world.hook.told();
    if (hours == 22h) {
        REQUIRE(told == Told{"raised orders", "raised sales", "cleared orders"});
    } else {
        REQUIRE(told == Told{"raised sales"});
        REQUIRE(world.metrics.values.at("postern_alerts_total ops dropped") == 2);
    }
}

SCENARIO("another configuration is obeyed at once", "[alerts]") {
    World world;
    Life life(world, {hook("ops")}, {blocked("orders")});
    world.hook.status = 503;
    life.pass(30min);
    REQUIRE(world.hook.told().empty());
    WHEN("the address is corrected") {
        life.alerts().configure({otherHook("ops")});
        life.pass(1s);
        THEN("what is owed is tried there, without waiting") { REQUIRE(world.other.told() == Told{"raised orders"}); }
    }
    WHEN("a channel is added") {
        life.alerts().configure({hook("ops"), otherHook("boss")});
        life.pass(2s);
        THEN("it is told what is true") { REQUIRE(world.other.told() == Told{"raised orders"}); }
    }
    WHEN("a channel is removed") {
        life.alerts().configure({});
        world.hook.status = 200;
        life.be({}, 1h);
        THEN("it is told nothing more, also when it comes back") {
            life.alerts().configure({hook("ops")});
            life.pass(1h);
            REQUIRE(world.hook.told().empty());
        }
    }
    WHEN("a channel wants less than before") {
        auto less = otherHook("ops");
        less.kinds = {"mailbox-stalled"};
        life.alerts().configure({less});
        life.be({}, 5s);
        life.be({blocked("sales")}, 5s);
        THEN("it is still told what it was owed, and that it is over") { REQUIRE(world.other.told() == Told{"raised orders", "cleared orders"}); }
    }
}

SCENARIO("closing lets what is under way end, and no longer than it may", "[alerts]") {
    World world;
    Life life(world, {hook("ops")}, {blocked("orders")});
    world.hook.status = 0;
    life.pass(2s);
    REQUIRE(world.hook.calls.size() == 1);
    const auto before = world.clock.steady();
    life.close(3s);
    REQUIRE(world.clock.steady() - before >= 3s);
    REQUIRE(world.clock.steady() - before < 4s);
    REQUIRE(world.hook.calls.size() == 1);
    REQUIRE(world.logged("PO-6012") == 0);
}
