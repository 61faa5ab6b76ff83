#include "tests/listener/ledger/index_world.h"

using namespace ledger_test;

SCENARIO("a look beside the service knows what is known, and keeps what it learns to itself", "[index]") {
    simulation::SimVfs vfs;
    Indexed world(vfs);
    const auto number = world.open().number;
    const auto shadow = listener::makeShadowIndex(world.ledger.database(), world.ledger.loop.clock(), "sales", "graph");
    const auto openShadow = [&](std::string key) { return world.ledger.run(shadow->open(std::move(key))); };
    const auto applyShadow = [&](std::int64_t folder, IndexChanges changes) { return world.ledger.run(shadow->apply(folder, std::move(changes))); };
    GIVEN("a folder that is known") {
        world.apply(number, wholeListing({"a", "b", "c"}, "s1"));
        world.apply(number, page({}, "s2", {"b"}));
        const auto known = openShadow(inboxKey);
        CHECK(known.validity == world.open().validity);
        CHECK(known.sync == "s2");
        CHECK(known.next == 4);
        CHECK(known.exists == 2);
        WHEN("it has changed meanwhile") {
            const auto now = applyShadow(known.number, lastPage({"d", "b"}, "s3", {"a"}));
            THEN("the look sees it") {
                CHECK(now.exists == 3);
                const auto items = world.ledger.run(shadow->above(known.number, 1, 2));
                REQUIRE(items.size() == 2);
                CHECK(items.front().id == "b");
                CHECK(items.back().ordinal == 3);
                CHECK(world.ledger.run(shadow->find(known.number, {1, 4, 9})).size() == 2);
            }
            THEN("the service does not") {
                CHECK(world.open().sync == "s2");
                CHECK(world.present(number) == std::map<std::uint64_t, std::string>{{1, "a"}, {3, "c"}});
            }
        }
        WHEN("it has to be listed anew") {
            applyShadow(known.number, firstPage({"c"}, "p1"));
            const auto now = applyShadow(known.number, lastPage({"x"}, "s9"));
            THEN("what was not shown is gone") {
                CHECK(now.whole);
                CHECK(now.exists == 2);
            }
        }
    }
    GIVEN("one that another process is about to list") {
        world.apply(number, firstPage({"a"}, "p1"));
        THEN("the look lists it by itself, and knows the numbers that were given") {
            const auto known = openShadow(inboxKey);
            CHECK(known.sync.empty());
            applyShadow(known.number, wholeListing({"z", "a"}, "s1"));
            CHECK(world.ledger.run(shadow->above(known.number, 0, 0)).front().id == "a");
        }
    }
    GIVEN("one of which a message went before anybody had read it, and one that was delivered") {
        world.apply(number, wholeListing({"delivered", "unread", "c"}, "s1"));
        recordOf(world, world.open(), {Start::Kind::all}, 3, {1, 3});
        world.apply(number, page({}, "s2", {"delivered", "unread"}));
        const auto known = openShadow(inboxKey);
        WHEN("both come back") {
            applyShadow(known.number, page({"unread", "delivered"}, "s3"));
            THEN("the look gives them the numbers that the service will give them") {
                std::map<std::uint64_t, std::string> seen;
                for (const auto& item : world.ledger.run(shadow->above(known.number, 0, 0))) seen.emplace(item.ordinal, item.id);
                world.apply(number, page({"unread", "delivered"}, "s3"));
                CHECK(seen == world.present(number));
                CHECK(seen.at(4) == "unread");
                CHECK(world.ledger.run(shadow->find(known.number, {2})).empty());
            }
        }
    }
    GIVEN("one that nobody knows") {
        const auto known = openShadow("unknown");
        THEN("nothing is known of it afterwards either") {
            CHECK(applyShadow(known.number, wholeListing({"a"}, "s1")).exists == 1);
            CHECK(known.validity > 0);
            CHECK(world.open("unknown").sync.empty());
        }
    }
}
