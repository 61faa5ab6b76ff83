#include "tests/listener/engine/worker_world.h"

using namespace workertest;

SCENARIO("a mailbox whose server pushes is looked into at news, and as a whole now and then", "[worker]") {
    World world;
    world.pass(10s);
    CHECK(world.state() == "watching");
    CHECK(world.server.count("select INBOX") == 1);

    world.server.arrive("INBOX");
    world.pass(10s);
    CHECK(world.delivered() == 1);
    CHECK(world.server.count("select INBOX") == 2);

    world.server.arrive("INBOX", false);  // the server forgets to tell
    world.pass(4min);
    CHECK(world.delivered() == 1);
    world.pass(1min);
    CHECK(world.delivered() == 2);
    CHECK(world.server.count("select INBOX") == 3);
    CHECK(world.server.count("open") == 1);
    CHECK(world.health() == "ok");
}

SCENARIO("a server that tells of arrivals there are none of sets no pace", "[worker]") {
    World world;
    world.server.lies = true;
    world.pass(1min);
    CHECK(world.server.count("select INBOX") > 5);
    CHECK(world.server.count("select INBOX") < 20);
    CHECK(world.health() == "ok");

    world.server.lies = false;
    world.pass(10s);
    world.server.arrive("INBOX");
    world.pass(6s);
    CHECK(world.delivered() == 1);
    world.server.arrive("INBOX");  // it has told the truth: no more waiting
    world.pass(1s);
    CHECK(world.delivered() == 2);
}

SCENARIO("where the server does not push, the mailbox is looked into every interval", "[worker]") {
    World world;
    world.server.pushes = false;
    world.pass(10min + 1s);
    CHECK(world.state() == "waiting");
    CHECK(world.server.count("select INBOX") == 11);
    CHECK(world.server.count("open") == 1);
}

SCENARIO("where a protocol has no push, looks follow each other by seconds while mail comes, and by minutes while none does", "[worker]") {
    World world;
    world.server.pushes = false;
    world.server.hasNoPush = true;
    const auto looks = [&world] { return world.server.count("select INBOX"); };
    world.pass(10min + 1s);
    CHECK(looks() == 11);  // as configured, while nothing is known
    CHECK(world.health() == "ok");
    GIVEN("mail that comes after a while") {
        world.server.arrive("INBOX");
        world.pass(1min);
        REQUIRE(world.delivered() == 1);
        THEN("what follows it is there within seconds") {
            for (std::size_t i = 2; i <= 60; ++i) {
                world.server.arrive("INBOX");
                world.pass(6s);
                CHECK(world.delivered() == i);
            }
            CHECK(world.health() == "ok");
        }
        THEN("a lull lengthens the looks again, to what is configured") {
            world.pass(4min);
            const auto before = looks();
            world.pass(10min);
            CHECK(looks() - before == 10);
        }
        THEN("a server that wants us slower is not asked more often than configured, for a while") {
            world.server.endOfLook = Error{Reaction::retryLater, Code::mailboxThrottled, "too many requests"};
            world.pass(1min);
            world.server.arrive("INBOX");
            world.pass(1min);
            REQUIRE(world.delivered() == 2);
            const auto before = looks();
            world.pass(5min);
            CHECK(looks() - before == 5);
            world.pass(10min);
            world.server.arrive("INBOX");
            world.pass(1min);
            world.server.arrive("INBOX");
            world.pass(16s);  // a quarter of the time since at most
            CHECK(world.delivered() == 4);
        }
    }
    GIVEN("none for hours") {
        world.pass(3h);
        const auto before = looks();
        world.pass(1h);
        THEN("a look every five minutes is enough, and the mailbox is well") {
            CHECK(looks() - before == 12);
            CHECK(world.health() == "ok");
        }
        THEN("the next mail is there within that time, and those behind it within seconds") {
            world.server.arrive("INBOX");
            world.pass(5min);
            REQUIRE(world.delivered() == 1);
            world.server.arrive("INBOX");
            world.pass(80s);  // a quarter of the time since at most
            CHECK(world.delivered() == 2);
            world.server.arrive("INBOX");
            world.pass(21s);
            CHECK(world.delivered() == 3);
        }
    }
}

SCENARIO("where a protocol has no push and the interval is written, looks are never further apart", "[worker]") {
    World world([](auto& settings) { settings.quiet = settings.interval; });
    world.server.pushes = false;
    world.server.hasNoPush = true;
    world.pass(5h);
    const auto before = world.server.count("select INBOX");
    world.pass(1h);
    CHECK(world.server.count("select INBOX") - before == 60);
}

SCENARIO("a server that takes its word back is polled from then on", "[worker]") {
    World world;
    world.pass(10s);
    world.server.pushes = false;
    world.server.news.set();
    world.pass(3min);
    CHECK(world.state() == "waiting");
    CHECK(world.server.count("watch INBOX") == 1);
    CHECK(world.server.count("select INBOX") >= 3);
    CHECK(world.server.count("select INBOX") <= 5);
}

SCENARIO("a server that gives no push after all, and says to look, is polled from then on", "[worker]") {
    World world;
    world.pass(10s);
    world.server.pushes = false;
    world.server.heard.insert("INBOX");
    world.server.news.set();
    world.pass(20s);
    world.server.arrive("INBOX", false);
    for (int second = 0; second < 60; ++second) {
        world.pass(1s);
        CHECK(world.health() == "ok");
    }
    CHECK(world.delivered() == 1);
    for (int minute = 0; minute < 5; ++minute) {
        world.pass(1min);
        CHECK(world.health() == "ok");
    }
    CHECK(world.server.count("watch INBOX") == 1);
}

SCENARIO("only the folders with news are looked into, and the busiest is watched first", "[worker]") {
    World world([](auto& settings) { settings.folders = {"INBOX", "Orders", "Rest"}; });
    for (const auto* folder : {"Orders", "Rest"}) world.server.folders[folder];
    world.pass(10s);
    CHECK(world.server.asked.back() == "watch INBOX,Orders,Rest");
    world.server.arrive("Rest");
    world.server.arrive("Rest");
    world.server.arrive("Orders");
    world.pass(10s);
    CHECK(world.delivered() == 3);
    CHECK(world.server.count("select INBOX") == 1);
    CHECK(world.server.count("select Orders") == 2);
    CHECK(world.server.asked.back() == "watch Rest,Orders,INBOX");
}

SCENARIO("a folder that is missing keeps nobody from watching the others", "[worker]") {
    World world([](auto& settings) { settings.folders = {"Missing", "INBOX"}; });
    world.pass(10s);
    CHECK(world.server.asked.back() == "watch INBOX");
    CHECK(world.health() == "blocked");
    world.server.arrive("INBOX");
    world.pass(1s);
    CHECK(world.delivered() == 1);
    world.server.folders["Missing"];  // somebody makes it
    world.pass(1min);
    CHECK(world.health() == "ok");
    CHECK(world.server.count("open") == 1);
}

SCENARIO("a folder that goes away while it is watched is told of at once, and the others are watched on", "[worker]") {
    World world([](auto& settings) { settings.folders = {"INBOX", "Orders"}; });
    world.server.folders["Orders"];
    world.pass(3min);
    world.server.folders.erase("Orders");
    world.server.endOfSession = Error{Reaction::askOperator, Code::mailboxFolderMissing, "no Orders"};
    world.server.news.set();
    world.pass(1s);
    CHECK(world.health() == "blocked");
    CHECK(world.server.asked.back() == "watch INBOX");
    CHECK(world.server.count("open") == 1);
    CHECK(world.log().find("cannot be watched") == std::string::npos);
}

SCENARIO("a folder that can be read and not watched is looked into every interval, and people are told once", "[worker]") {
    World world;
    world.server.unwatched = Error{Reaction::askOperator, Code::mailboxFolderMissing, "no INBOX"};
    const auto looks = [&world] { return world.server.count("select INBOX"); };
    const auto told = [&world] {
        std::size_t count = 0;
        for (auto at = world.log().find("cannot be watched"); at != std::string::npos; at = world.log().find("cannot be watched", at + 1)) ++count;
        return count;
    };
    for (std::size_t minute = 1; minute <= 120 && looks() < 1000; ++minute) {
        world.server.arrive("INBOX", false);
        world.pass(61s);
        CHECK(world.delivered() == minute);
        CHECK(world.health() == "ok");
    }
    CHECK(looks() > 110);
    CHECK(looks() < 130);
    CHECK(told() == 1);
    CHECK(world.server.count("open") == 1);
    WHEN("an operator acts") {
        world.server.arrive("INBOX", false);
        world.worker->operatorActed();
        world.pass(1s);
        THEN("it is looked into at once") { CHECK(world.delivered() == 121); }
    }
    WHEN("it can be watched again") {
        world.server.unwatched.reset();
        world.pass(61s);
        world.server.arrive("INBOX");
        world.pass(1s);
        THEN("mail is told of; and the next time it cannot, so are people") {
            CHECK(world.delivered() == 121);
            world.pass(5min);
            world.server.unwatched = Error{Reaction::askOperator, Code::mailboxFolderMissing, "no INBOX"};
            world.server.arrive("INBOX");
            world.pass(3min);
            CHECK(world.delivered() == 122);
            CHECK(told() == 2);
        }
    }
    WHEN("it is told to finish") {
        CHECK(world.end());
        CHECK(world.server.asked.back() == "close");
    }
}

SCENARIO("wildcards never include the folder that mail is moved to, which may be named by its use", "[worker]") {
    World world([](auto& settings) {
        settings.folders = {"*"};
        settings.after = {AfterAction::Kind::move, "\\Archive"};
    });
    world.server.folders["Old mail"];
    world.server.byUse["\\Archive"] = "Old mail";
    world.server.arrive("INBOX", false);
    world.pass(10s);
    CHECK(world.server.count("select Old mail") == 0);
    CHECK(world.server.count("move 1 to Old mail") == 1);
    CHECK(world.server.asked.back() == "watch INBOX");

    world.server.folders["Later"];  // a folder that appears is found at the next whole look
    world.server.arrive("Later", false);
    world.pass(5min);
    CHECK(world.delivered() == 2);
}

SCENARIO("a use that no folder has asks the operator", "[worker]") {
    World world([](auto& settings) { settings.after = {AfterAction::Kind::move, "\\Archive"}; });
    world.pass(10s);
    CHECK(world.health() == "blocked");
    CHECK(world.worker->status().view({}).lastError->code == Code::mailboxFolderMissing);
}

SCENARIO("an operator's act is looked at once, in the same session", "[worker]") {
    World world;
    world.pass(10s);
    world.server.arrive("INBOX", false);
    world.worker->operatorActed();
    world.pass(1s);
    CHECK(world.delivered() == 1);
    CHECK(world.server.count("open") == 1);
    CHECK(world.state() == "watching");
}

SCENARIO("a session that ends with its token's life is no failure", "[worker]") {
    World world;
    world.pass(50min);
    world.server.endOfSession = Error{Reaction::reconnect, Code::mailboxSessionExpired, "the token's life has ended"};
    world.server.news.set();
    world.pass(1s);
    CHECK(world.server.count("open") == 2);
    CHECK(world.metrics.errors == 0);
    CHECK(world.health() == "ok");

    // Unless it comes at once: then something else is wrong, and nobody storms the server.
    for (int i = 0; i < 100; ++i) {
        world.server.endOfSession = Error{Reaction::reconnect, Code::mailboxSessionExpired, "the token's life has ended"};
        world.server.news.set();
        world.pass(36s);
    }
    CHECK(world.server.count("open") <= 22);
    CHECK(world.metrics.errors > 0);
}

SCENARIO("a session is told what it will be asked for first, where that is known", "[worker]") {
    GIVEN("a mailbox that is to be delivered from its beginning") {
        World world;
        world.server.arrive("INBOX");
        world.server.arrive("INBOX");
        world.pass(2min);
        CHECK(world.server.asked.front() == "expect INBOX 0");
        world.server.endOfSession = Error{Reaction::reconnect, Code::mailboxSessionExpired, "its time is over"};
        world.server.news.set();
        world.pass(10s);
        CHECK(world.server.count("open") == 2);
        CHECK(world.server.count("expect INBOX 2") == 1);
    }
    GIVEN("one that begins now") {
        World world([](auto& settings) { settings.start.kind = Start::Kind::now; });
        world.pass(10s);
        CHECK(world.server.asked.front() == "open");
    }
}

SCENARIO("a mailbox that is told to finish while it watches says good-bye", "[worker]") {
    World world;
    world.pass(10s);
    REQUIRE(world.state() == "watching");
    CHECK(world.end());
    CHECK(world.server.asked.back() == "close");
}

SCENARIO("a line that goes dead without a word makes the mailbox stalled", "[worker]") {
    World world;
    world.pass(10s);
    world.server.endOfSession = Error{Reaction::reconnect, Code::channelTimeout, "no answer in time"};
    world.server.news.set();
    world.pass(1s);
    CHECK(world.health() == "degraded");
    CHECK(world.metrics.errors == 1);
    world.pass(10s);  // 2 s of back-off and its jitter
    CHECK(world.health() == "ok");
    CHECK(world.server.count("open") == 2);
}
