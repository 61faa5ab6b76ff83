#include "listener/ews/watching.h"
#include "tests/listener/ews/fixture.h"

#include <algorithm>

using namespace ewstest;
using namespace std::chrono_literals;
using plugin::Code;
using plugin::Reaction;
using Names = Fixture::Names;

namespace {

/// Opened, and told by the server that it listens: the first answer is news of everything.
struct Watched : Fixture {
    explicit Watched(Names names = {"INBOX"}) {
        begin();
        REQUIRE(mailbox().pushes());
        REQUIRE(*watch(names) == names);
        begun = loop.clock().steady();
    }
    void deliverIn(std::chrono::seconds time, std::string folder = {}) {
        loop.at(loop.clock().steady() + time, [this, folder] { server.deliver(folder.empty() ? server.inbox() : folder, mail("1")); });
    }
    auto passed() { return std::chrono::round<std::chrono::seconds>(loop.clock().steady() - begun); }
    std::size_t count(const std::string& operation) const {
        const auto all = server.operations();
        return static_cast<std::size_t>(std::count(all.begin(), all.end(), operation));
    }
    plugin::Steady begun{};
};

}  // namespace

SCENARIO("a mail is told of when it comes, over an answer that stays open", "[ews]") {
    Watched watched;
    watched.server.wrongNamespace = GENERATE(true, false);
    watched.server.tellsTwice = GENERATE(true, false);
    for (int i = 1; i <= 3; ++i) {
        watched.deliverIn(100s);
        REQUIRE(*watched.watch() == Names{"INBOX"});
        CHECK(watched.passed() / 101s == i);
        CHECK(watched.passed() % 100s < 10s);
        REQUIRE(watched.select("INBOX"));
        CHECK(watched.list()->ordinals.size() == static_cast<std::size_t>(i));
    }
    CHECK((watched.count("Subscribe") == 1 && watched.count("GetStreamingEvents") == 1));
    watched.watchFor = 60s;
    CHECK(watched.watch()->empty());  // and not of the same twice
}

SCENARIO("an open answer may take longer to say its first word than an idle connection is kept", "[ews]") {
    Fixture fixture;
    fixture.begin();
    fixture.server.heartbeat = 70s;
    bool begins = false;
    fixture.server.instead = [&begins](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
        if (request.operation != "GetStreamingEvents" || std::exchange(begins, true)) return std::nullopt;
        const std::string before = "<t:SubscriptionId>";
        const auto at = request.body.find(before) + before.size();
        return servers::EwsAnswer{.body = "\n", .streams = request.body.substr(at, request.body.find('<', at) - at)};
    };
    const auto begun = fixture.loop.clock().steady();
    REQUIRE(*fixture.watch() == Names{"INBOX"});  // what comes from now on is told
    CHECK(fixture.loop.clock().steady() - begun >= 70s);
    CHECK(fixture.loop.clock().steady() - begun < 75s);
    CHECK(fixture.server.operations().back() == "GetStreamingEvents");
}

SCENARIO("the folders that are told of are those where something came", "[ews]") {
    Fixture fixture;
    auto& store = fixture.server.store();
    const auto invoices = store.addFolder(store.distinguished("inbox"), "Invoices");
    fixture.begin();
    const Names both{"INBOX", "INBOX/Invoices"};
    REQUIRE(*fixture.watch(both) == both);
    fixture.server.deliver(invoices, mail("1"));
    CHECK(*fixture.watch(both) == Names{"INBOX/Invoices"});
    GIVEN("the same in another order") {
        const auto asked = fixture.server.requests().size();
        fixture.watchFor = 60s;
        CHECK(fixture.watch({"INBOX/Invoices", "INBOX"})->empty());
        CHECK(fixture.server.requests().size() == asked);
    }
    GIVEN("other folders from now on") {
        CHECK(*fixture.watch({"INBOX"}) == Names{"INBOX"});
        fixture.server.deliver(invoices, mail("2"));
        fixture.watchFor = 60s;
        CHECK(fixture.watch({"INBOX"})->empty());
        CHECK(fixture.server.subscriptions() == 1);
    }
    GIVEN("one that is not there") {
        const Names missing{"INBOX", "Nowhere"};
        REQUIRE(*fixture.watch(missing) == missing);
        CHECK(*fixture.watch(missing) == Names{"Nowhere"});  // after a sweep: select() tells
        CHECK(fixture.watch({"Nowhere"}).error().code == Code::mailboxFolderMissing);
    }
}

SCENARIO("a mail nobody tells of is found when the folder is looked into", "[ews]") {
    Watched watched;
    watched.server.tellsNothing = true;
    watched.deliverIn(10s);
    watched.watchFor = 5min;
    CHECK(watched.watch()->empty());
    REQUIRE(watched.select("INBOX"));
    CHECK(watched.list()->ordinals == std::vector<std::uint64_t>{1});
}

SCENARIO("waiting ends when it shall, and the answer stays open", "[ews]") {
    Watched watched;
    GIVEN("its time") {
        watched.watchFor = 10min;
        CHECK(watched.watch()->empty());
        CHECK(watched.passed() == 10min);
    }
    GIVEN("a caller who wants it back") {
        CHECK(watched.watch({"INBOX"}, 5min, 100s)->empty());
        CHECK(watched.passed() == 100s);
    }
    GIVEN("the end of the service") {
        watched.loop.at(watched.loop.clock().steady() + 5s, [&watched] { watched.stop.request_stop(); });
        const auto news = watched.watch();
        REQUIRE_FALSE(news);
        CHECK(news.error().code == Code::channelStopped);
        watched.stop = {};
    }
    watched.server.deliver(watched.server.inbox(), mail("1"));
    CHECK(*watched.watch() == Names{"INBOX"});
    CHECK(watched.count("GetStreamingEvents") == 1);
}

SCENARIO("an answer that has come to its end is asked for again, by the same subscription", "[ews]") {
    Watched watched;
    REQUIRE(*watched.watch() == Names{"INBOX"});  // nobody told what came in between
    CHECK(watched.passed() == 29min);
    CHECK((watched.count("Subscribe") == 1 && watched.count("GetStreamingEvents") == 2));
    CHECK(watched.mailbox().pushes());
}

SCENARIO("a line without heartbeats is dead, and replaced", "[ews]") {
    Watched watched;
    watched.server.heartbeat = 0s;
    REQUIRE(*watched.watch() == Names{"INBOX"});
    CHECK(watched.passed() >= 100s);
    CHECK(watched.passed() < 110s);
    CHECK(watched.count("Subscribe") == 2);
    CHECK(watched.server.subscriptions() == 1);  // the server need not remember the other
    GIVEN("one that is silent each time") {
        CHECK(*watched.watch() == Names{"INBOX"});
        CHECK(*watched.watch() == Names{"INBOX"});
        CHECK_FALSE(watched.mailbox().pushes());
        CHECK(watched.log.text.find("the server does not tell of arrivals after all") != std::string::npos);
    }
    GIVEN("one that speaks again") {
        watched.server.heartbeat = 45s;
        for (int i = 0; i < 5; ++i) {
            watched.watchFor = 5min;
            CHECK(watched.watch()->empty());
            watched.server.killSubscriptions();
            CHECK(*watched.watch() == Names{"INBOX"});
        }
        CHECK(watched.mailbox().pushes());
    }
}

SCENARIO("a dead subscription is replaced", "[ews]") {
    Watched watched;
    GIVEN("one that dies while it is listened to") {
        watched.loop.at(watched.loop.clock().steady() + 50s, [&watched] { watched.server.killSubscriptions(); });
        REQUIRE(*watched.watch() == Names{"INBOX"});
        CHECK(watched.count("Subscribe") == 2);
    }
    GIVEN("one that is dead when the next answer is asked for") {
        bool told = false;
        watched.server.instead = [&told](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
            if (request.operation != "GetStreamingEvents" || std::exchange(told, true)) return std::nullopt;
            return servers::EwsServer::refusal("GetStreamingEvents", "ErrorSubscriptionNotFound");
        };
        Names news;
        REQUIRE_NOTHROW(news = *watched.watch());
        CHECK(news == Names{"INBOX"});
    }
    CHECK(watched.mailbox().pushes());
}

SCENARIO("each code of a subscription that means nothing any more leads to another one", "[ews]") {
    const auto* code = GENERATE("ErrorSubscriptionNotFound", "ErrorInvalidSubscription", "ErrorReadEventsFailed", "ErrorInvalidWatermark",
                                "ErrorMissedNotificationEvents", "ErrorSubscriptionAccessDenied", "ErrorProxyRequestNotAllowed");
    Fixture fixture;
    fixture.begin();
    bool told = false;
    const bool asFault = GENERATE(true, false);
    fixture.server.instead = [&](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
        if (request.operation != "GetStreamingEvents" || std::exchange(told, true)) return std::nullopt;
        return asFault ? servers::EwsServer::fault(code) : servers::EwsServer::refusal("GetStreamingEvents", code);
    };
    REQUIRE(*fixture.watch() == Names{"INBOX"});
    CHECK(fixture.server.operations() == Names{"GetFolder", "SyncFolderItems", "Subscribe", "GetStreamingEvents", "Subscribe", "GetStreamingEvents"});
    CHECK(fixture.mailbox().pushes());
}

SCENARIO("a server that does not tell is asked now and then", "[ews]") {
    Fixture fixture;
    fixture.begin();
    GIVEN("one that wants no more subscriptions") {
        fixture.server.instead = [](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
            if (request.operation != "Subscribe") return std::nullopt;
            return servers::EwsServer::refusal("Subscribe", "ErrorExceededSubscriptionCount");
        };
        REQUIRE(*fixture.watch() == Names{"INBOX"});
        CHECK(fixture.server.operations().size() == 3);
    }
    GIVEN("one that refuses three times") {
        fixture.server.instead = [](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
            if (request.operation != "Subscribe") return std::nullopt;
            return servers::EwsServer::fault("ErrorInternalServerError");
        };
        REQUIRE(*fixture.watch() == Names{"INBOX"});
        CHECK(fixture.server.operations().size() == 5);
    }
    GIVEN("something on the way that cuts long answers") {
        fixture.server.streamEndsAfter = 1;
        CHECK(*fixture.watch() == Names{"INBOX"});
        while (fixture.mailbox().pushes() && fixture.server.requests().size() < 40) CHECK(fixture.watch());
        CHECK(fixture.server.requests().size() < 20);
    }
    CHECK_FALSE(fixture.mailbox().pushes());
    CHECK(fixture.log.text.find("asked now and then") != std::string::npos);
    CHECK(fixture.select("INBOX"));  // all else goes on
    // and asked again later
    fixture.loop.clock().pass(9min);
    CHECK_FALSE(fixture.mailbox().pushes());
    fixture.loop.clock().pass(1min);
    fixture.server.instead = {};
    fixture.server.streamEndsAfter = std::nullopt;
    REQUIRE(fixture.mailbox().pushes());
    CHECK(*fixture.watch() == Names{"INBOX"});
    fixture.server.deliver(fixture.server.inbox(), mail("1"));
    CHECK(*fixture.watch() == Names{"INBOX"});
    CHECK(fixture.mailbox().pushes());
}

SCENARIO("a server that takes no more answers that stay open is asked now and then, and people are told once", "[ews]") {
    const auto* const code = GENERATE("ErrorExceededConnectionCount", "ErrorTooManyObjectsOpened");
    const std::string operation = GENERATE("Subscribe", "GetStreamingEvents");
    const bool asFault = GENERATE(true, false);
    INFO(code << " of " << operation << (asFault ? ", a fault" : ", a message"));
    Fixture fixture;
    fixture.begin();
    plugin::Steady refused{}, asked{};
    fixture.server.instead = [&](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
        if (request.operation != operation) return asked = fixture.loop.clock().steady(), std::nullopt;
        refused = fixture.loop.clock().steady();
        return asFault ? servers::EwsServer::fault(code) : servers::EwsServer::refusal(operation, code);
    };
    const auto told = [&fixture] {
        return std::count(fixture.log.told.begin(), fixture.log.told.end(),
                          "the server does not tell of arrivals after all: the mailbox is asked now and then");
    };
    const auto refusals = [&fixture, &operation] {
        const auto all = fixture.server.operations();
        return std::count(all.begin(), all.end(), operation);
    };
    for (int round = 1; round <= 3; ++round) {
        REQUIRE(fixture.mailbox().pushes());
        REQUIRE(*fixture.watch() == Names{"INBOX"});  // look for yourself
        CHECK(refusals() == round);
        CHECK_FALSE(fixture.mailbox().pushes());
        CHECK(told() == 1);
        REQUIRE(fixture.select("INBOX"));  // the session goes on, when the server has had its time
        CHECK(asked - refused >= 30s);
        CHECK_FALSE(fixture.limit->isCrowded());  // that is about answers that stay open
        fixture.loop.clock().pass(10min);
    }
    fixture.server.instead = {};
    REQUIRE(*fixture.watch() == Names{"INBOX"});
    fixture.server.deliver(fixture.server.inbox(), mail("1"));
    CHECK(*fixture.watch() == Names{"INBOX"});
    CHECK(fixture.mailbox().pushes());
    CHECK(fixture.server.subscriptions() == 1);
    GIVEN("that it was well in between") {
        fixture.watchFor = 60s;
        REQUIRE(fixture.watch());
        fixture.server.killSubscriptions();
        fixture.server.instead = [&](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
            if (request.operation != "Subscribe") return std::nullopt;
            return servers::EwsServer::fault(code);
        };
        REQUIRE(*fixture.watch() == Names{"INBOX"});
        CHECK(told() == 2);
    }
}

SCENARIO("a folder that is there, and not found when the server shall tell of it, is looked into at once, and soon now and then", "[ews]") {
    const std::string operation = GENERATE("Subscribe", "GetStreamingEvents");
    const bool asFault = GENERATE(true, false);
    INFO(operation << (asFault ? ", a fault" : ", a message"));
    Fixture fixture;
    fixture.begin();
    fixture.server.instead = [&](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
        if (request.operation != operation) return std::nullopt;
        const auto* const code = "ErrorFolderNotFound";
        return asFault ? servers::EwsServer::fault(code) : servers::EwsServer::refusal(operation, code);
    };
    const auto begun = fixture.loop.clock().steady();
    for (const auto after : {0s, 5s, 35s}) {
        REQUIRE(fixture.mailbox().pushes());
        const auto news = fixture.watch();
        REQUIRE(news);
        CHECK(*news == Names{"INBOX"});
        CHECK(std::chrono::round<std::chrono::seconds>(fixture.loop.clock().steady() - begun) == after);
        REQUIRE(fixture.select("INBOX"));
    }
    CHECK_FALSE(fixture.mailbox().pushes());
    CHECK(fixture.log.text.find("asked now and then") != std::string::npos);
    fixture.server.instead = {};
    fixture.loop.clock().pass(10min);
    REQUIRE(fixture.mailbox().pushes());
    REQUIRE(*fixture.watch() == Names{"INBOX"});
    fixture.server.deliver(fixture.server.inbox(), mail("1"));
    CHECK(*fixture.watch() == Names{"INBOX"});
    CHECK(fixture.server.subscriptions() == 1);
}

SCENARIO("a folder that has gone when the server is asked to tell of it again keeps nobody from being told of the others", "[ews]") {
    Fixture fixture;
    auto& store = fixture.server.store();
    const auto invoices = store.addFolder(store.distinguished("inbox"), "Invoices");
    fixture.begin();
    const Names both{"INBOX", "INBOX/Invoices"};
    REQUIRE(*fixture.watch(both) == both);
    store.removeFolder(invoices);
    fixture.server.killSubscriptions();
    const auto begun = fixture.loop.clock().steady();
    const auto news = fixture.watch(both);  // anew, by what was known of folders
    REQUIRE(news);
    CHECK(*news == both);
    REQUIRE(fixture.select("INBOX"));
    CHECK(fixture.select("INBOX/Invoices").error().code == Code::mailboxFolderMissing);
    REQUIRE(*fixture.watch(both) == both);
    fixture.server.deliver(fixture.server.inbox(), mail("1"));
    CHECK(*fixture.watch(both) == Names{"INBOX"});
    CHECK(fixture.loop.clock().steady() - begun < 2min);
    CHECK(fixture.mailbox().pushes());
}

SCENARIO("a server that takes no more answers that stay open, and asks for a day, is not waited for in silence", "[ews]") {
    const std::string operation = GENERATE("Subscribe", "GetStreamingEvents");
    const bool asFault = GENERATE(true, false);
    INFO(operation << (asFault ? ", a fault" : ", a message"));
    Fixture fixture;
    fixture.begin();
    fixture.server.instead = [&](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
        if (request.operation != operation) return std::nullopt;
        const auto* const code = "ErrorExceededConnectionCount";
        return asFault ? servers::EwsServer::fault(code, 86'400'000) : servers::EwsServer::refusal(operation, code, 86'400'000);
    };
    REQUIRE(*fixture.watch() == Names{"INBOX"});
    const auto begun = fixture.loop.clock().steady();
    const auto selected = fixture.select("INBOX");
    REQUIRE_FALSE(selected);
    CHECK(selected.error().code == Code::mailboxThrottled);
    CHECK(selected.error().retryAfter > std::chrono::minutes{1});
    CHECK(fixture.loop.clock().steady() == begun);
}

SCENARIO("a session that ends while its server has had too much does not even take its leave", "[ews]") {
    Watched watched;
    watched.limit->rest(30s);
    watched.close();
    CHECK(watched.count("Unsubscribe") == 0);
}

SCENARIO("a mailbox that moves to another server is listened to there, without what led to the one before", "[ews]") {
    const std::string code = GENERATE("ErrorMailboxMoveInProgress", "ErrorMailboxFailover");
    const bool asFault = GENERATE(true, false);
    INFO(code << (asFault ? ", a fault" : ", a message"));
    Watched watched;
    const auto moved = watched.loop.clock().steady() + 70s;
    watched.loop.at(moved - 20s, [&] { watched.server.move(code); });
    watched.server.instead = [&](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
        const auto now = watched.loop.clock().steady();
        if (now < moved - 20s || now >= moved) return std::nullopt;
        return asFault ? servers::EwsServer::fault(code) : servers::EwsServer::refusal(request.operation, code);
    };
    REQUIRE(*watched.watch() == Names{"INBOX"});
    CHECK(watched.passed() < 3min);
    CHECK(watched.mailbox().pushes());
    CHECK(watched.count("Subscribe") == 3);
    CHECK(watched.count("Unsubscribe") == 0);  // nobody is there any more who knows it
    CHECK(watched.server.subscriptions() == 1);
    watched.deliverIn(100s);
    CHECK(*watched.watch() == Names{"INBOX"});
    watched.close();
    CHECK(watched.server.subscriptions() == 0);
}

SCENARIO("a server that is begun anew while it is listened to is listened to again", "[ews]") {
    Watched watched;
    watched.loop.at(watched.loop.clock().steady() + 50s, [&watched] {
        watched.server.killSubscriptions();
        watched.access.dialer().refuses = plugin::Error{Reaction::reconnect, Code::channelRefused, "nobody listens"};
    });
    watched.loop.at(watched.loop.clock().steady() + 70s, [&watched] { watched.access.dialer().refuses.reset(); });
    REQUIRE(*watched.watch() == Names{"INBOX"});
    CHECK(watched.mailbox().pushes());
    CHECK(watched.server.subscriptions() == 1);
}

SCENARIO("what waiting again does not mend is told", "[ews]") {
    Fixture fixture;
    fixture.begin();
    GIVEN("a busy server") {
        fixture.server.instead = [](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
            if (request.operation == "SyncFolderItems") return std::nullopt;
            return servers::EwsServer::fault("ErrorServerBusy", 5000);
        };
        const auto news = fixture.watch();
        REQUIRE_FALSE(news);
        CHECK((news.error().code == Code::mailboxThrottled && news.error().retryAfter == 5s));
        CHECK(fixture.select("INBOX"));
    }
    GIVEN("a token that has ended") {
        fixture.server.tokens = {"token-2"};
        const auto news = fixture.watch();
        REQUIRE_FALSE(news);
        CHECK(news.error().reaction == Reaction::reauthenticate);
        CHECK(fixture.access.tokens().refusedOnes.size() == 1);
    }
    GIVEN("EWS that was switched off meanwhile") {
        fixture.server.instead = [](const servers::EwsRequest&) {
            return servers::EwsServer::plain(403, {{"X-EWS-Policy-Reason", "EWS is disabled for this user or tenant"}});
        };
        CHECK(fixture.watch().error().code == Code::mailboxEwsBlocked);
    }
}

SCENARIO("notifications are cut as the network likes", "[ews]") {
    Fixture fixture;
    fixture.access.dialer().link = {.chunk = GENERATE(std::size_t{1}, std::size_t{7}, std::size_t{1000}), .pauses = true};
    fixture.begin();
    REQUIRE(*fixture.watch() == Names{"INBOX"});
    fixture.server.deliver(fixture.server.inbox(), mail("1"));
    REQUIRE(*fixture.watch() == Names{"INBOX"});
    CHECK(fixture.mailbox().pushes());
}

SCENARIO("without .push nobody is told, and a session that ends takes its leave", "[ews]") {
    Fixture fixture;
    GIVEN("no push") {
        fixture.settings.push = false;
        fixture.begin();
        CHECK_FALSE(fixture.mailbox().pushes());
        fixture.close();
    }
    GIVEN("a subscription") {
        fixture.begin();
        REQUIRE(fixture.watch());
        CHECK(fixture.server.subscriptions() == 1);
        fixture.close();
        CHECK(fixture.server.subscriptions() == 0);
    }
}
