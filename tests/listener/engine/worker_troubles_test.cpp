#include "tests/listener/engine/worker_world.h"

using namespace workertest;

SCENARIO("a substitute for a mail the server cannot render is set aside, and the mails around it arrive", "[worker]") {
    World world([](auto& settings) { settings.after = {AfterAction::Kind::move, "Done"}; });
    for (int i = 0; i < 3; ++i) world.server.arrive("INBOX", false);
    world.server.substitutes = {2};
    world.pass(10s);
    CHECK(world.delivered() == 2);
    CHECK(world.server.count("move 2 to Done") == 1);  // of the substitute nothing is moved
    CHECK(world.metrics.errors == 1);
    std::map<std::string, MessageState> states;
    for (const auto& row : world.rows()) states[row.position] = row.state;
    CHECK(states == std::map<std::string, MessageState>{
                        {"1:1", MessageState::delivered}, {"1:2", MessageState::quarantined}, {"1:3", MessageState::delivered}});
    CHECK(world.health() == "ok");
    world.pass(5min);  // it is not met again
    CHECK(world.metrics.errors == 1);
    CHECK(world.rows().size() == 3);
}

SCENARIO("what is listed and not handed out is missing after ten minutes, and is delivered under its id when it can be read", "[worker]") {
    World world;
    for (int i = 0; i < 3; ++i) world.server.arrive("INBOX");
    world.server.hidden = {2};
    world.pass(9min);
    REQUIRE(world.delivered() == 2);
    REQUIRE(world.rows().size() == 2);
    REQUIRE(world.health() != "ok");
    world.pass(8min);
    std::string id;
    for (const auto& row : world.rows())
        if (row.state == MessageState::missing) id = row.id;
    REQUIRE(world.rows().size() == 3);
    REQUIRE_FALSE(id.empty());
    REQUIRE(world.health() == "ok");  // one message does not keep a mailbox from being verified for ever
    WHEN("it can be read within a day") {
        world.server.hidden.clear();
        world.pass(10min);
        THEN("it is delivered, once") {
            REQUIRE(world.delivered() == 3);
            REQUIRE(world.rows().size() == 3);
            for (const auto& row : world.rows()) REQUIRE(row.state == MessageState::delivered);
            world.pass(2h);
            REQUIRE(world.delivered() == 3);
            REQUIRE(world.server.count("fetch 2") == 1);
        }
    }
    WHEN("it is not") {
        world.pass(30h);
        const auto asked = world.server.count("fetch 2");
        world.server.hidden.clear();
        world.pass(2h);
        THEN("it is sought no more") {
            REQUIRE(world.server.count("fetch 2") == asked);
            REQUIRE(world.delivered() == 2);
        }
    }
}

SCENARIO("what is larger than max_size is set aside without being fetched, and the mails around it arrive", "[worker]") {
    World world([](auto& settings) { settings.maxSize = 1000; });
    world.server.arrive("INBOX");
    world.server.folders["INBOX"].mails.push_back("Subject: large\r\n\r\n" + std::string(2000, 'x'));
    world.server.arrive("INBOX");
    world.pass(1min);
    REQUIRE(world.delivered() == 2);
    REQUIRE(world.server.count("fetch 2") == 0);
    const auto rows = world.rows();
    REQUIRE(rows.size() == 3);
    const auto large = std::find_if(rows.begin(), rows.end(), [](const auto& row) { return row.state == MessageState::quarantined; });
    REQUIRE(large != rows.end());
    REQUIRE(large->size == 2018);
    REQUIRE(world.health() == "ok");
}

SCENARIO("a message below the cursor that nobody knows of is noticed within a day", "[worker]") {
    World world;
    world.server.unlisted = {1};  // a server that shows it too late
    for (int i = 0; i < 3; ++i) world.server.arrive("INBOX");
    world.pass(90min);
    REQUIRE(world.delivered() == 2);
    REQUIRE(world.worker->unaccounted().at("INBOX") == 0);
    world.server.unlisted.clear();
    world.pass(25h);
    REQUIRE(world.worker->unaccounted().at("INBOX") == 1);
}

SCENARIO("an after-action that the server refuses for good keeps no mail from being delivered", "[worker]") {
    World world([](auto& settings) {
        settings.folders = {"INBOX", "Orders"};
        settings.after = {AfterAction::Kind::move, "Done"};
    });
    for (int i = 0; i < 40; ++i) world.server.arrive("INBOX");
    world.server.arrive("Orders");
    world.server.clings["INBOX"] = {7};
    const auto all = [](std::uint64_t last) {
        std::set<std::uint64_t> uids;
        for (std::uint64_t uid = 1; uid <= last; ++uid) uids.insert(uid);
        return uids;
    };
    auto others = all(40);
    others.erase(7);
    GIVEN("one that another try may help") {
        world.pass(30s);
        THEN("all others are done, the other folder has its turn, and it is told") {
            CHECK(world.delivered() == 41);
            CHECK(world.server.moved["INBOX"] == others);
            CHECK(world.server.moved["Orders"] == std::set<std::uint64_t>{1});
            CHECK(world.health() != "ok");
            CHECK(world.worker->status().view({}).lastError->code == Code::mailboxCommandRefused);
            CHECK(world.server.count("open") == 1);
        }
        THEN("what comes later is delivered and moved too, whatever becomes of that one") {
            world.server.arrive("INBOX");
            world.server.arrive("Orders");
            world.pass(5min);
            CHECK(world.delivered() == 43);
            others.insert(41);
            CHECK(world.server.moved["INBOX"] == others);
            CHECK(world.server.moved["Orders"] == all(2));
            CHECK(world.server.count("open") == 1);
        }
        THEN("once the server lets go, it is done and all is well") {
            world.server.clings.clear();
            world.pass(2min);
            CHECK(world.server.moved["INBOX"] == all(40));
            CHECK(world.health() == "ok");
            CHECK(world.delivered() == 41);
        }
    }
    GIVEN("one that only the operator can help") {
        world.server.clinging.reaction = Reaction::askOperator;
        world.pass(30s);
        THEN("the others go on") {
            world.server.arrive("INBOX");
            world.server.arrive("Orders");
            world.pass(5min);
            CHECK(world.delivered() == 43);
            CHECK(world.server.moved["Orders"] == all(2));
            CHECK(world.health() == "blocked");
        }
    }
    GIVEN("a server that refuses each of them") {
        world.server.clings["INBOX"] = all(100);
        world.pass(10s);
        const auto asked = [&world] {
            return std::count_if(world.server.asked.begin(), world.server.asked.end(), [](const auto& what) { return what.starts_with("move "); });
        };
        THEN("it is not stormed") {
            CHECK(world.delivered() == 41);
            CHECK(asked() < 40);
        }
    }
    GIVEN("a server that wants us to go slower") {
        world.server.clinging = Error{Reaction::retryLater, Code::mailboxThrottled, "too many requests"};
        world.pass(1s);
        THEN("nothing more is asked of it in that session") {
            CHECK(world.server.count("move 40 to Done") == 1);
            CHECK(world.server.count("select Orders") == 0);
        }
    }
}

SCENARIO("a detour lasts until the configuration says another protocol, and does not come back", "[worker]") {
    World world([](auto& settings) {
        settings.protocol = "ews";
        settings.session.credential = "tenant";
        settings.others["graph"].credential = "person";
    });
    GIVEN("one that was taken instead of what is configured") {
        world.take({"graph", "ews", "EWS is blocked"});
        world.server.closed["graph"] = Error{Reaction::askOperator, Code::tokenSignInNeeded, "nobody has signed in"};
        world.pass(1s);
        THEN("what it is signed in with is that of the protocol it is read with") {
            CHECK(world.worker->credential() == "person");
            CHECK(world.log().find("postern login person") != std::string::npos);
            CHECK(world.log().find("tenant") == std::string::npos);
        }
        THEN("it is followed, and kept") {
            CHECK(world.readBy == std::vector<std::string>{"graph"});
            CHECK(world.detour());
        }
    }
    GIVEN("one that was taken instead of what was configured once") {
        world.take({"graph", "imap", "moved by an operator"});
        world.pass(1s);
        THEN("it is over, and forgotten") {
            CHECK(world.readBy == std::vector<std::string>{"ews"});
            CHECK_FALSE(world.detour());
        }
    }
}

SCENARIO("where EWS is blocked the mailbox is read by Graph, though the way there cannot be written down at first", "[worker]") {
    World world([](auto& settings) {
        settings.protocol = "ews";
        settings.fallsBack = true;
        settings.others["graph"];
    });
    world.server.closed["ews"] = Error{Reaction::askOperator, Code::mailboxEwsBlocked, "EWS is switched off"};
    world.server.arrive("INBOX");
    const bool fails = GENERATE(false, true);
    if (fails) world.failOnce();
    world.pass(10s);
    CHECK(world.delivered() == 1);
    CHECK(world.readBy.back() == "graph");
    CHECK(world.readBy.size() == (fails ? 3 : 2));
    CHECK(world.metrics.errors == (fails ? 1 : 0));
}
