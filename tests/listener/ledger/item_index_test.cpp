#include "listener/item_index.h"

#include "tests/listener/ledger/ledger_world.h"

#include <algorithm>
#include <map>
#include <set>

using namespace ledger_test;
using listener::IndexChanges;
using listener::IndexedFolder;
using listener::ItemIndex;
using Ids = std::vector<std::string>;

namespace {

constexpr const char* inboxKey = "AAMkAGI2=inbox";

/// An index over a ledger, as a session sees it.
struct Indexed {
    explicit Indexed(simulation::SimVfs& vfs, std::string by = "graph") : ledger(vfs), protocol(std::move(by)) {}
    World ledger;
    std::string protocol;
    std::unique_ptr<ItemIndex> index = listener::makeItemIndex(ledger.database(), ledger.loop.clock(), "sales", protocol);

    IndexedFolder open(std::string key = inboxKey) { return ledger.run(index->open(std::move(key))); }
    IndexedFolder apply(std::int64_t folder, IndexChanges changes) { return ledger.run(index->apply(folder, std::move(changes))); }
    std::map<std::uint64_t, std::string> present(std::int64_t folder) {
        std::map<std::uint64_t, std::string> all;
        for (const auto& item : ledger.run(index->above(folder, 0, 0))) all.emplace(item.ordinal, item.id);
        return all;
    }
};

IndexChanges page(const Ids& present, std::string sync, Ids gone = {}) {
    IndexChanges changes{.gone = std::move(gone), .sync = std::move(sync)};
    for (const auto& id : present) changes.present.push_back({id, at(1'700'000'000)});
    return changes;
}
IndexChanges firstPage(const Ids& present, std::string sync) {
    auto changes = page(present, std::move(sync));
    changes.first = true;
    return changes;
}
IndexChanges lastPage(const Ids& present, std::string sync, Ids gone = {}) {
    auto changes = page(present, std::move(sync), std::move(gone));
    changes.last = true;
    return changes;
}
IndexChanges wholeListing(const Ids& present, std::string sync) {
    auto changes = firstPage(present, std::move(sync));
    changes.last = true;
    return changes;
}

/// What a round makes of such a folder: a record, and of the delivered ones a row.
std::int64_t recordOf(Indexed& world, const IndexedFolder& folder, Start start, std::uint64_t cursor, const Ordinals& delivered) {
    listener::FolderRecord record{.mailbox = "sales", .protocol = world.protocol, .name = "INBOX", .validity = folder.validity, .start = start};
    const auto id = world.ledger.run(world.ledger->beginFolder(record)).id;
    std::vector<Settled> rows;
    for (const auto ordinal : delivered) {
        rows.push_back(settled(ordinal));
        rows.back().message.position.text = world.present(folder.number).at(ordinal);
    }
    const auto batch = world.ledger.run(world.ledger->intend(id, delivered));
    world.ledger.run(world.ledger->settle(id, batch, std::move(rows), cursor));
    return id;
}

}  // namespace

SCENARIO("messages with opaque ids are numbered in the order they were met", "[index]") {
    simulation::SimVfs vfs;
    Indexed world(vfs);
    const auto folder = world.open();
    REQUIRE(folder.sync.empty());
    REQUIRE_FALSE(folder.whole);
    GIVEN("a folder listed in two pages") {
        world.apply(folder.number, firstPage({"a", "b"}, "s1"));
        const auto listed = world.apply(folder.number, lastPage({"c"}, "s2"));
        THEN("it is known whole, with what to ask next") {
            CHECK(listed.whole);
            CHECK(listed.sync == "s2");
            CHECK(listed.exists == 3);
            CHECK(listed.next == 4);
            CHECK(world.present(folder.number) == std::map<std::uint64_t, std::string>{{1, "a"}, {2, "b"}, {3, "c"}});
        }
        THEN("it is read like one of numbers") {
            const auto above = world.ledger.run(world.index->above(folder.number, 1, 1));
            REQUIRE(above.size() == 1);
            CHECK(above.front().ordinal == 2);
            CHECK(above.front().received == at(1'700'000'000));
            const auto found = world.ledger.run(world.index->find(folder.number, {2, 3, 99}));
            REQUIRE(found.size() == 2);
            CHECK(found.back().id == "c");
        }
        WHEN("one goes, another comes, and the first one comes back") {
            world.apply(folder.number, lastPage({"d"}, "s3", {"b", "of another folder"}));
            CHECK(world.present(folder.number) == std::map<std::uint64_t, std::string>{{1, "a"}, {3, "c"}, {4, "d"}});
            CHECK(world.ledger.run(world.index->find(folder.number, {2})).size() == 1);
            const auto back = world.apply(folder.number, lastPage({"b"}, "s4"));
            THEN("it has its number again") {
                CHECK(back.exists == 4);
                CHECK(back.next == 5);
                CHECK(world.present(folder.number).at(2) == "b");
            }
        }
    }
    GIVEN("ids that differ in the case of a letter, or by an octet of zero") {
        const std::string zero("a\0b", 3);
        world.apply(folder.number, wholeListing({"AAMk", "AAmk", zero, "a"}, "s"));
        THEN("each is a message of its own") { CHECK(world.present(folder.number).size() == 4); }
    }
    GIVEN("folders whose keys differ in the case of a letter") {
        const auto one = world.open("aB"), other = world.open("ab");
        world.apply(one.number, wholeListing({"a"}, "s"));
        THEN("each has its own messages, whatever their ids") {
            CHECK(one.validity != other.validity);
            CHECK(world.open("aB").exists == 1);
            CHECK(world.open("ab").exists == 0);
            world.apply(other.number, wholeListing({"a"}, "s"));
            CHECK(world.present(other.number).at(1) == "a");
        }
    }
}

SCENARIO("a folder that is listed anew shows at its end what is gone", "[index]") {
    simulation::SimVfs vfs;
    auto world = std::make_unique<Indexed>(vfs);
    const auto number = world->open().number;
    world->apply(number, wholeListing({"a", "b", "c", "d"}, "s1"));
    WHEN("the listing takes several pages, and a process ends in between") {
        const auto begun = world->apply(number, firstPage({"d"}, "p1"));
        CHECK_FALSE(begun.whole);
        CHECK(begun.exists == 4);
        world.reset();
        world = std::make_unique<Indexed>(vfs);
        CHECK(world->open().sync == "p1");
        world->apply(number, page({"e"}, "p2"));
        CHECK(world->present(number).size() == 5);
        const auto listed = world->apply(number, lastPage({"b"}, "s2"));
        THEN("what no page has shown is gone, and the others have the numbers they had") {
            CHECK(listed.whole);
            CHECK(listed.exists == 3);
            CHECK(world->present(number) == std::map<std::uint64_t, std::string>{{2, "b"}, {4, "d"}, {5, "e"}});
        }
        THEN("each page may come twice") {
            world->apply(number, lastPage({"b"}, "s2"));
            CHECK(world->present(number).size() == 3);
        }
    }
    WHEN("every page of it comes twice") {
        for (int times = 0; times < 2; ++times) world->apply(number, firstPage({"a", "x"}, "p1"));
        for (int times = 0; times < 2; ++times) world->apply(number, page({"b"}, "p2"));
        IndexedFolder listed;
        for (int times = 0; times < 2; ++times) listed = world->apply(number, lastPage({"c"}, "s2", {"x"}));
        THEN("the second time changes nothing") {
            CHECK(listed.exists == 3);
            CHECK(listed.next == 6);
            CHECK(world->present(number) == std::map<std::uint64_t, std::string>{{1, "a"}, {2, "b"}, {3, "c"}});
        }
    }
    WHEN("it is begun anew before it has come to its end") {
        world->apply(number, firstPage({"a", "b"}, "p1"));
        world->apply(number, firstPage({"b"}, "q1"));
        world->apply(number, lastPage({"c"}, "s2"));
        THEN("what only the abandoned one has shown is gone") {
            CHECK(world->present(number) == std::map<std::uint64_t, std::string>{{2, "b"}, {3, "c"}});
        }
    }
}

SCENARIO("at the end of the listing of a large folder nobody waits long to write", "[index]") {
    simulation::SimVfs vfs;
    auto world = std::make_unique<Indexed>(vfs);
    const auto number = world->open().number;
    constexpr std::uint64_t count = 50'000;
    Ids ids;
    for (std::uint64_t ordinal = 1; ordinal <= count; ++ordinal) ids.push_back("id" + std::to_string(ordinal));
    world->apply(number, wholeListing(ids, "s1"));
    world->apply(number, firstPage({"id7", "id50000"}, "p1"));
    const auto isComplete = [&world, number](const IndexedFolder& listed) {
        CHECK(listed.whole);
        CHECK(listed.sync == "s2");
        CHECK(listed.exists == 4);
        CHECK(listed.next == count + 2);
        CHECK(world->present(number) == std::map<std::uint64_t, std::string>{{7, "id7"}, {30'000, "id30000"}, {50'000, "id50000"}, {50'001, "new"}});
    };
    std::size_t commits = 0;
    GIVEN("that it comes to its end") {
        vfs.judge([&commits](simulation::SimVfs::Effect effect, std::uint64_t, const std::string&) {
            commits += effect == simulation::SimVfs::Effect::sync ? 1 : 0;
            return simulation::SimVfs::Fate::pass;
        });
        isComplete(world->apply(number, lastPage({"id30000", "new"}, "s2")));
        vfs.judge({});
        THEN("it took several transactions") { CHECK(commits >= 5); }
    }
    GIVEN("a process that ends in between") {
        vfs.judge([&commits](simulation::SimVfs::Effect effect, std::uint64_t, const std::string&) {
            commits += effect == simulation::SimVfs::Effect::sync ? 1 : 0;
            return commits == 3 ? simulation::SimVfs::Fate::dead : simulation::SimVfs::Fate::pass;
        });
        CHECK_THROWS(world->apply(number, lastPage({"id30000", "new"}, "s2")));
        world.reset();
        vfs.judge({});
        vfs.crash(nullptr);
        world = std::make_unique<Indexed>(vfs);
        CHECK_FALSE(world->open().whole);
        CHECK(world->open().sync == "p1");
        THEN("the page is asked for again") { isComplete(world->apply(number, lastPage({"id30000", "new"}, "s2"))); }
    }
}

SCENARIO("an index's validity was never used before", "[index]") {
    simulation::SimVfs vfs;
    Indexed world(vfs);
    const auto first = world.open();
    GIVEN("other folders of the same second") {
        std::set<std::uint64_t> all{first.validity};
        for (int i = 0; i < 5; ++i) all.insert(world.open("folder " + std::to_string(i)).validity);
        THEN("each has its own") { CHECK(all.size() == 6); }
    }
    GIVEN("a clock that has been put back") {
        world.ledger.loop.clock().pass(-std::chrono::hours(24));
        THEN("a new one is above all others") { CHECK(world.open("another").validity > first.validity); }
    }
    GIVEN("a folder known from before the index was lost") {
        recordOf(world, {.number = first.number, .validity = first.validity + 5000}, {}, 0, {});
        THEN("a new one is above that, too") { CHECK(world.open("another").validity > first.validity + 5000); }
    }
}

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

SCENARIO("a message that comes back is not lost, and not delivered twice", "[index]") {
    simulation::SimVfs vfs;
    Indexed world(vfs);
    const auto folder = world.open();
    world.apply(folder.number, wholeListing({"delivered", "unread", "old", "above"}, "s1"));
    auto old = page({"old"}, "s2");
    old.present.front().received = at(1'600'000'000);
    world.apply(folder.number, old);
    recordOf(world, folder, {Start::Kind::since, at(1'650'000'000)}, 3, {1});
    WHEN("they go, and come back") {
        world.apply(folder.number, page({}, "s3", {"delivered", "unread", "old", "above"}));
        old.sync = "s4";
        world.apply(folder.number, old);
        world.apply(folder.number, page({"delivered", "above", "unread"}, "s5"));
        const auto present = world.present(folder.number);
        THEN("one the ledger knows has its number, and one that was there before the start") {
            CHECK(present.at(1) == "delivered");
            CHECK(present.at(3) == "old");
        }
        THEN("one that nobody has read has a new number: the cursor may be about to pass the old one") {
            CHECK_FALSE(present.contains(2));
            CHECK_FALSE(present.contains(4));
            CHECK(present.at(5) == "above");
            CHECK(present.at(6) == "unread");
        }
    }
}

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

namespace {

/// A folder that is read to its end by processes of which one ends at the n-th effect. Answers whether there were n.
bool history(std::uint64_t n) {
    simulation::SimVfs vfs;
    const std::vector<IndexChanges> pages{firstPage({"a", "b", "c"}, "1"), lastPage({"d"}, "2"), page({"e"}, "3", {"a"}),
                                          firstPage({"b", "e"}, "4"),      page({"f"}, "5"),     lastPage({"a"}, "6")};
    const auto read = [&] {
        Indexed world(vfs);
        for (auto folder = world.open(); folder.sync != "6";) {
            const auto next = folder.sync.empty() ? std::size_t{0} : static_cast<std::size_t>(folder.sync.front() - '0');
            folder = world.apply(folder.number, pages[next]);
        }
    };
    vfs.judge([n](simulation::SimVfs::Effect, std::uint64_t number, const std::string&) {
        return number == n ? simulation::SimVfs::Fate::dead : simulation::SimVfs::Fate::pass;
    });
    try {
        read();
    } catch (const std::runtime_error&) {  // the process ends there
    }
    const bool reached = vfs.effects() >= n;
    vfs.judge({});
    vfs.crash(nullptr);
    read();
    Indexed world(vfs);
    const auto folder = world.open();
    CHECK(world.present(folder.number) == std::map<std::uint64_t, std::string>{{1, "a"}, {2, "b"}, {5, "e"}, {6, "f"}});
    CHECK(folder.exists == 4);
    CHECK(folder.whole);
    return reached;
}

}  // namespace

SCENARIO("whichever effect is the last one of a process, the next one reads on", "[index]") {
    std::uint64_t n = 1;
    while (history(n)) ++n;
    CHECK(n > 20);
}
