#include "tests/listener/ledger/index_world.h"

using namespace ledger_test;

SCENARIO("items that are long gone are forgotten with the rows of their messages", "[index][retention]") {
    simulation::SimVfs vfs;
    Indexed world(vfs);
    const auto folder = world.open();
    Ids ids;
    for (int i = 0; i < 1200; ++i) ids.push_back("id" + std::to_string(i));
    world.apply(folder.number, wholeListing(ids, "s1"));
    Ordinals delivered;
    for (std::uint64_t ordinal = 1; ordinal <= 1200; ++ordinal) delivered.push_back(ordinal);
    const auto record = recordOf(world, folder, {Start::Kind::all}, 1200, delivered);
    world.apply(folder.number, page({}, "s2", {ids.begin(), ids.end() - 3}));
    const auto standing = std::make_shared<const Ordinals>(Ordinals{1198, 1199, 1200});
    WHEN("they have not been gone for so long") {
        world.ledger.run(world.ledger->retain(record, standing, world.ledger.loop.clock().wall() - std::chrono::hours(1)));
        THEN("their numbers are known") { CHECK(world.ledger.run(world.index->find(folder.number, {1, 1197})).size() == 2); }
    }
    WHEN("they have") {
        world.ledger.run(world.ledger->retain(record, standing, world.ledger.loop.clock().wall() + std::chrono::hours(1)));
        THEN("what stands in the folder is all that is known") {
            CHECK(world.ledger.run(world.index->find(folder.number, delivered)).size() == 3);
            CHECK(world.present(folder.number).size() == 3);
        }
    }
}

namespace {

std::int64_t itemsOf(World& ledger) {
    auto count = std::make_shared<std::int64_t>(0);
    must(ledger.loop.run(ledger.database().read([count](plugin::Transaction& transaction) -> plugin::Result<void> {
        auto& row = transaction.prepare("SELECT count(*) FROM listener_item");
        row.step();
        *count = row.integer(0);
        return {};
    })));
    return *count;
}

}  // namespace

SCENARIO("the items of a protocol that a mailbox is read by no more are forgotten, too", "[index][retention]") {
    simulation::SimVfs vfs;
    Indexed world(vfs);
    const auto folder = world.open();
    Ids ids;
    Ordinals delivered;
    for (std::uint64_t ordinal = 1; ordinal <= 700; ++ordinal) ids.push_back("id" + std::to_string(ordinal)), delivered.push_back(ordinal);
    world.apply(folder.number, wholeListing(ids, "s1"));
    const auto former = recordOf(world, folder, {Start::Kind::all}, 700, delivered);
    const auto other = world.open("another folder");  // listed, and its record not yet begun
    world.apply(other.number, wholeListing({"x"}, "s1"));
    const auto rebuilt = world.ledger.run(world.ledger->rebuild({.record = inbox(), .replaces = former}));
    REQUIRE(rebuilt);
    const auto retain = [&](std::chrono::hours age) {
        world.ledger.run(world.ledger->retain(rebuilt->record.id, std::make_shared<const Ordinals>(), world.ledger.loop.clock().wall() - age));
    };
    WHEN("it was read by it lately") {
        retain(std::chrono::hours(1));
        THEN("they are known, should it be read by it again") {
            CHECK(itemsOf(world.ledger) == 701);
            CHECK(world.open().validity == folder.validity);
            CHECK(world.open("another folder").whole);
        }
    }
    WHEN("it was not for long") {
        retain(std::chrono::hours(-1));
        THEN("none is left, and it would be listed from its beginning") {
            CHECK(itemsOf(world.ledger) == 0);
            CHECK(world.open().validity > folder.validity);
            CHECK(world.open().sync.empty());
        }
    }
}
