#include "tests/listener/alerting/alert_world.h"

using namespace alert_test;
using simulation::SimVfs;

SCENARIO("a restart before the telling forgets nothing", "[alerts]") {
    World world;
    world.hook.status = 503;
    { Life(world, {hook("ops")}, {blocked("orders")}).pass(1min); }
    REQUIRE(world.hook.told().empty());
    world.hook.status = 200;
    WHEN("the condition is still true") {
        Life life(world, {hook("ops")}, {blocked("orders")});
        life.pass(1min);
        THEN("it is told, once") {
            REQUIRE(world.hook.told() == Told{"raised orders"});
            life.be({}, 1min);
            REQUIRE(world.hook.told() == Told{"raised orders", "cleared orders"});
        }
    }
    WHEN("it is over") {
        Life life(world, {hook("ops")});
        life.pass(1min);
        THEN("both are told, in order") { REQUIRE(world.hook.told() == Told{"raised orders", "cleared orders"}); }
    }
}

SCENARIO("a restart after the telling repeats nothing", "[alerts]") {
    World world;
    { Life(world, {hook("ops")}, {blocked("orders")}).pass(1min); }
    REQUIRE(world.hook.told() == Told{"raised orders"});
    WHEN("nothing is known yet of the mailbox, and then it fails again") {
        Life life(world, {hook("ops")}, {unknown("orders")});
        life.pass(5min);
        life.be({blocked("orders")}, 5min);
        THEN("nothing is told") { REQUIRE(world.hook.calls.size() == 1); }
        life.be({}, 1min);
        REQUIRE(world.hook.told() == Told{"raised orders", "cleared orders"});
    }
    WHEN("the mailbox is no longer configured") {
        Life life(world, {hook("ops")});
        life.pass(1min);
        THEN("it is over") { REQUIRE(world.hook.told() == Told{"raised orders", "cleared orders"}); }
    }
    WHEN("a channel is new") {
        Life life(world, {hook("ops"), otherHook("boss")}, {blocked("orders")});
        life.pass(1min);
        THEN("it alone is told") {
            REQUIRE(world.other.told() == Told{"raised orders"});
            REQUIRE(world.hook.calls.size() == 1);
        }
    }
}

SCENARIO("a restart between the end of a condition and its telling forgets nothing", "[alerts]") {
    World world;
    {
        Life life(world, {hook("ops")}, {blocked("orders")});
        life.pass(10s);
        world.hook.status = 503;
        life.be({}, 10s);
    }
    REQUIRE(world.hook.told() == Told{"raised orders"});
    world.hook.status = 200;
    Life life(world, {hook("ops")}, {unknown("orders")});
    life.pass(10s);
    REQUIRE(world.hook.told() == Told{"raised orders", "cleared orders"});
    WHEN("it comes back at once") {
        life.be({blocked("orders")}, 10s);
        life.be({}, 30s);
        THEN("it is seen to flap, over the restart") {
            REQUIRE(world.hook.told() == Told{"raised orders", "cleared orders", "raised orders"});
            life.pass(40s);
            REQUIRE(world.hook.told().back() == "cleared orders");
        }
    }
}

SCENARIO("a death at any effect on the disk neither repeats nor forgets", "[alerts]") {
    const bool power = GENERATE(false, true);  // the machine's, not only the process's
    for (std::uint64_t number = 1;; ++number) {
        World world;
        bool died = false;
        { Life(world, {}).pass(2s); }  // the tables are there
        const auto fatal = world.files.effects() + number;
        world.files.judge([&](SimVfs::Effect, std::uint64_t at, const std::string&) {
            if (at != fatal) return SimVfs::Fate::pass;
            died = world.dead = true;
            return SimVfs::Fate::dead;
        });
        {
            Life life(world, {hook("ops"), otherHook("boss")}, {blocked("orders")});
            life.pass(10s);
            life.be({}, 10s);
        }
        if (power) world.files.crash(&world.dice);
        world.files.judge([](SimVfs::Effect, std::uint64_t, const std::string&) { return SimVfs::Fate::pass; });
        Life life(world, {hook("ops"), otherHook("boss")}, {unknown("orders")});
        life.pass(1min);
        life.be({}, 2min);
        for (const auto* receiver : {&world.hook, &world.other}) {
            CAPTURE(number, power);
            const auto told = receiver->told();
            // A death before anything was durable: then nobody was told either.
            REQUIRE((told == Told{"raised orders", "cleared orders"} || (told.empty() && died)));
            REQUIRE(receiver->calls.size() <= told.size() + 1);
        }
        if (!died) {
            REQUIRE(number > 10);
            break;
        }
    }
}

SCENARIO("nothing is told that is not durable, and nothing is lost while the disk is full", "[alerts]") {
    World world;
    world.hook.status = 503;
    Life life(world, {hook("ops")}, {blocked("orders")});
    life.pass(5s);
    world.files.judge([](SimVfs::Effect effect, std::uint64_t, const std::string&) {
        return effect == SimVfs::Effect::write ? SimVfs::Fate::full : SimVfs::Fate::pass;
    });
    life.be({blocked("orders"), blocked("sales")}, 1min);
    world.hook.status = 200;
    life.be({blocked("orders")}, 5min);
    REQUIRE(world.hook.told() == Told{"raised orders"});
    REQUIRE(world.hook.calls.back().answered == 200);
    REQUIRE(world.logged("PO-7") == 1);
    world.files.judge([](SimVfs::Effect, std::uint64_t, const std::string&) { return SimVfs::Fate::pass; });
    life.pass(10s);
    REQUIRE(world.hook.told() == Told{"raised orders", "raised sales", "cleared sales"});
}

SCENARIO("the tables are found in a database of the version before, and their numbers leave room", "[alerts]") {
    const auto all = listenerMigrations();
    REQUIRE(std::is_sorted(all.begin(), all.end(), [](const auto& one, const auto& other) { return one.number < other.number; }));
    REQUIRE(std::adjacent_find(all.begin(), all.end(), [](const auto& one, const auto& other) { return one.number == other.number; }) == all.end());
    World world;
    plugin::SqliteOptions options;
    options.path = "postern.db";
    options.vfs = world.files.name();
    options.exclusive = true;
    {
        auto database = plugin::makeSqliteDatabase(options);
        auto before = ledgerMigrations();
        std::erase_if(before, [](const auto& one) { return one.number > 3; });  // 0.2.0, which had no alerts
        REQUIRE((*database)->migrate(ledgerOwner, before));
    }
    Life life(world, {hook("ops")}, {blocked("orders")});
    life.pass(5s);
    REQUIRE(world.hook.told() == Told{"raised orders"});
}
