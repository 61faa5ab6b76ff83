#include "tests/listener/ledger/index_world.h"

#include <set>

using namespace ledger_test;

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
