#include "tests/listener/ledger/index_world.h"

using namespace ledger_test;

SCENARIO("an operator who restarts a mailbox has its folders listed and delivered anew", "[index]") {
    simulation::SimVfs vfs;
    Indexed world(vfs);
    const auto old = world.open();
    world.apply(old.number, wholeListing({"a", "b"}, "s1"));
    recordOf(world, old, {Start::Kind::all}, 2, {1, 2});
    world.ledger.run(world.ledger->restart("sales", {Start::Kind::all}));
    WHEN("the folder is opened again") {
        const auto fresh = world.open();
        THEN("it is another one, of which nothing is known") {
            CHECK(fresh.validity > old.validity);
            CHECK(fresh.sync.empty());
            CHECK(fresh.next == 1);
            CHECK_FALSE(world.ledger.run(world.ledger->folder("sales", "graph", "INBOX")));
        }
        THEN("all that it shows is to be delivered, and takes over what was known under its ids") {
            world.apply(fresh.number, wholeListing({"a", "b"}, "s1"));
            const auto record = recordOf(world, fresh, {Start::Kind::all}, 0, {});
            CHECK(world.ledger.run(world.ledger->finalAbove(record, 0)).empty());
            const auto batch = world.ledger.run(world.ledger->intend(record, {1, 2}));
            world.ledger.run(world.ledger->settle(record, batch, {settled(1), settled(2)}, 2));
            CHECK(world.ledger.rows().size() == 2);
        }
    }
    WHEN("a session goes on with the index it had") {
        const auto answer = world.ledger.loop.run(world.index->apply(old.number, page({"c"}, "s2")));
        THEN("it is told to begin anew") {
            REQUIRE_FALSE(answer);
            CHECK(answer.error().reaction == plugin::Reaction::reconnect);
            CHECK(answer.error().code == plugin::Code::storeChanged);
        }
    }
    WHEN("the ledger forgets what is of no use any more") {
        const auto fresh = world.open();
        world.apply(fresh.number, wholeListing({"a"}, "s1"));
        const auto record = recordOf(world, fresh, {Start::Kind::all}, 0, {});
        world.ledger.run(world.ledger->retain(record, std::make_shared<const Ordinals>(Ordinals{1}), at(0)));
        THEN("the former index is empty, the one in force is not") {
            CHECK(world.ledger.run(world.index->find(old.number, {1, 2})).empty());
            CHECK(world.present(fresh.number).size() == 1);
        }
    }
}

SCENARIO("the ledger names places of such a folder by their ids", "[index]") {
    simulation::SimVfs vfs;
    Indexed world(vfs);
    const auto folder = world.open(), other = world.open("orders");
    world.apply(folder.number, wholeListing({"a", "b"}, "s1"));
    world.apply(other.number, wholeListing({"x", "a"}, "s1"));
    const auto record = recordOf(world, folder, {Start::Kind::all}, 2, {1});
    const auto orders =
        world.ledger.run(world.ledger->beginFolder({.mailbox = "sales", .protocol = "graph", .name = "Orders", .validity = other.validity})).id;
    GIVEN("places of it") {
        const auto positions = world.ledger.run(world.ledger->positions(record, {1, 2}));
        THEN("they are what deliveries are named after") { CHECK(positions == std::vector<listener::Position>{{"a", 1}, {"b", 2}}); }
    }
    GIVEN("a message that was moved to another folder") {
        const auto row = world.ledger.rows().front().number;
        world.ledger.run(world.ledger->repoint(orders, {{row, 2}}));
        THEN("its row says where it stands now") {
            CHECK(world.ledger.rows().front().folder == "Orders");
            CHECK(world.ledger.rows().front().position == "a");
        }
    }
    GIVEN("a folder of numbers") {
        const auto imap = world.ledger.run(world.ledger->beginFolder(inbox())).id;
        THEN("its places are numbers") { CHECK(world.ledger.run(world.ledger->positions(imap, {5})) == std::vector<listener::Position>{{"7:5", 5}}); }
    }
}

namespace {

Settled rendered(std::uint64_t ordinal, const std::string& position, AfterAction after = {}) {
    auto one = settled(ordinal, std::move(after));
    one.message.position.text = position;
    one.message.rendered = true;
    return one;
}

/// Another message of the second of the first one, with the same head.
listener::Newcomer twinOfFirst(std::uint64_t ordinal, const std::string& position) {
    listener::Newcomer twin{.ordinal = ordinal, .id = idOf(1, 9), .matchKey = settled(1).message.matchKey, .position = position};
    twin.rendered = true;
    return twin;
}

}  // namespace

SCENARIO("two messages of one second with the same head are told apart where the server's ids allow it", "[index]") {
    const std::string protocol = GENERATE("graph", "ews");
    simulation::SimVfs vfs;
    Indexed world(vfs, protocol);
    const auto folder = world.open(), other = world.open("orders");
    world.apply(folder.number, wholeListing({"a", "b", "c"}, "s1"));
    world.apply(other.number, wholeListing({"x", "a", "y"}, "s1"));
    const auto record = recordOf(world, folder, {Start::Kind::all}, 0, {});
    const auto orders =
        world.ledger.run(world.ledger->beginFolder({.mailbox = "sales", .protocol = protocol, .name = "Orders", .validity = other.validity})).id;
    const auto batch = world.ledger.run(world.ledger->intend(record, {1, 2}));
    std::vector<Settled> all;
    all.push_back(rendered(1, "a", moved));
    all.push_back(rendered(2, "b", moved));
    all.back().state = MessageState::pending;
    all.back().verdicts.clear();
    all.back().kept = listener::Kept{"outbox/1.seg", 0};
    all.back().outstanding.push_back({.sink = "hook", .next = at(1'790'000'000)});
    all.back().afterQuarantine = moved;
    world.ledger.run(world.ledger->settle(record, batch, std::move(all), 2));
    const auto rowOf = [&](const std::string& id) { return world.ledger.rows({.find = id}).front(); };
    GIVEN("a twin in another folder, under another id") {
        const auto answers = world.ledger.run(world.ledger->recognise(orders, {twinOfFirst(1, "x")}));
        THEN("by Graph it is another message, by EWS it may be the one that was moved") {
            CHECK(answers.front().like.size() == (protocol == "graph" ? 0 : 1));
        }
    }
    GIVEN("the same message in another folder") {
        const auto answers = world.ledger.run(world.ledger->recognise(orders, {twinOfFirst(2, "a")}));
        THEN("it is known") {
            REQUIRE(answers.front().like.size() == 1);
            CHECK(answers.front().like.front().id == idOf(1));
        }
        THEN("its after-action comes along") {
            world.ledger.run(world.ledger->repoint(orders, {{rowOf(idOf(1)).number, 2}}));
            const auto due = world.ledger.run(world.ledger->dueActions(orders, 10));
            REQUIRE(due.size() == 1);
            CHECK(due.front().ordinal == 2);
        }
    }
    GIVEN("twins that are taken for messages that were moved") {
        const auto delivered = rowOf(idOf(1)).number, owed = rowOf(idOf(2)).number;
        world.ledger.run(world.ledger->repoint(orders, {{delivered, 1}, {owed, 3}}));
        THEN("nothing is done to them, now or later: they may be others, which nobody has read") {
            CHECK(world.ledger.run(world.ledger->dueActions(orders, 10)).empty());
            CHECK(rowOf(idOf(1)).after.empty());
            const auto kept = world.ledger.loop.run(world.ledger.database().read([](plugin::Transaction& transaction) -> plugin::Result<void> {
                auto& row = transaction.prepare("SELECT after_action, aside_action FROM listener_stored");
                row.step();
                CHECK(row.text(0) == "leave");
                CHECK(row.text(1) == "leave");
                return {};
            }));
            REQUIRE(kept);
        }
    }
}
