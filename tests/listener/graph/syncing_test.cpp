#include "listener/graph/syncing.h"

#include "tests/listener/graph/fixture.h"

using namespace graphtest;

namespace {

std::string minute(int number) {
    const auto two = [](int n) { return (n < 10 ? "0" : "") + std::to_string(n); };
    return "2026-11-22T" + two(number / 60) + ":" + two(number % 60) + ":00Z";
}
plugin::Wall at(int number) { return plugin::Wall{std::chrono::seconds{1'795'305'600 + 60 * number}}; }

Numbers upTo(std::uint64_t last) {
    Numbers numbers;
    for (std::uint64_t i = 1; i <= last; ++i) numbers.push_back(i);
    return numbers;
}

}  // namespace

SCENARIO("a folder is entered with all that is in it", "[graph]") {
    Fixture fixture;
    const auto size = GENERATE(std::size_t{1}, std::size_t{7}, std::size_t{10}, std::size_t{1000});
    fixture.graph.pages(size);
    fixture.graph.change([](GraphStore& store) { return store.emptyPages = GENERATE(0U, 2U); });
    for (int i = 0; i < 20; ++i) fixture.graph.deliver(mail("m"), minute(i));
    REQUIRE(fixture.open());
    const auto view = fixture.select();
    REQUIRE(view);
    CHECK(view->validity == 7'000);
    CHECK(view->exists == 20);
    CHECK(view->next == 21);
    const auto before = fixture.graph.requests().size();
    const auto listing = fixture.list();
    REQUIRE(listing);
    CHECK(listing->ordinals == upTo(20));
    CHECK(listing->upTo == 20);
    CHECK(!listing->more);
    CHECK(fixture.graph.requests().size() == before);  // select() has just asked
    CHECK(fixture.kept->folders.begin()->second.told.whole);
    REQUIRE(fixture.list());
    CHECK(fixture.graph.requests().size() > before);  // and now somebody else has to
}

SCENARIO("within a page the oldest come first", "[graph]") {
    Fixture fixture;
    std::vector<std::string> ids;
    for (int i = 0; i < 5; ++i) ids.push_back(fixture.graph.deliver(mail("m"), minute(10 - i)));
    fixture.enter();
    REQUIRE(fixture.fetch(upTo(5)));
    CHECK(fixture.ids() == Names(ids.rbegin(), ids.rend()));
}

SCENARIO("what is new, gone and moved shows in the next list", "[graph]") {
    Fixture fixture;
    fixture.graph.change([](GraphStore& store) { return store.replays = GENERATE(0U, 3U); });
    std::vector<std::string> ids;
    for (int i = 0; i < 4; ++i) ids.push_back(fixture.graph.deliver(mail("m"), minute(i)));
    fixture.enter();
    REQUIRE(fixture.list());
    fixture.graph.deliver(mail("new"), minute(30));
    fixture.graph.change([&ids](GraphStore& store) {
        store.remove(ids[0]);
        store.move(ids[1], "archive");
        store.markRead(ids[2], true);
        return 0;
    });
    const auto listing = fixture.list();
    REQUIRE(listing);
    CHECK(listing->ordinals == Numbers{3, 4, 5});
    CHECK(listing->upTo == 5);
    GIVEN("that the moved one comes back") {
        fixture.graph.change([&ids](GraphStore& store) { return store.move(ids[1], "inbox"), 0; });
        CHECK(fixture.list()->ordinals == Numbers{2, 3, 4, 5});
    }
    GIVEN("that one goes and comes back between two looks") {
        fixture.graph.change([&ids](GraphStore& store) { return store.move(ids[3], "archive"), store.move(ids[3], "inbox"), 0; });
        CHECK(fixture.list()->ordinals == Numbers{3, 4, 5});
    }
    CHECK(fixture.graph.count("/messages/delta?$select") == 1);
}

SCENARIO("a folder that changes while it is being listed loses nothing", "[graph]") {
    Fixture fixture;
    fixture.graph.pages(3);
    std::vector<std::string> ids;
    for (int i = 0; i < 9; ++i) ids.push_back(fixture.graph.deliver(mail("m"), minute(i)));
    std::size_t pages = 0;
    fixture.graph.onRequest([&](const std::string& line, GraphStore& store) {
        if (line.find("/messages/delta") == std::string::npos || ++pages > 3) return;
        store.deliver("inbox", mail("new"), minute(100), false);
        if (pages == 2) store.remove(ids[8]), store.move(ids[0], "archive");
    });
    fixture.enter();
    const auto listing = [&fixture] { return fixture.list()->ordinals.size(); };
    fixture.graph.onRequest({});
    REQUIRE(fixture.list());
    CHECK(listing() == 10);
    CHECK(fixture.graph.in("inbox").size() == 10);
}

SCENARIO("another session goes on where the last one ended", "[graph]") {
    Fixture fixture;
    fixture.graph.pages(2);
    for (int i = 0; i < 9; ++i) fixture.graph.deliver(mail("m"), minute(i));
    GIVEN("one that came to its end") {
        fixture.enter();
        fixture.renew();
        fixture.graph.deliver(mail("new"), minute(50));
        fixture.enter();
        CHECK(fixture.list()->ordinals == upTo(10));
    }
    GIVEN("one that broke within its listing") {
        REQUIRE(fixture.open());
        fixture.graph.fail({.what = "$skiptoken", .status = 503, .passes = 2});
        const auto selected = fixture.select();
        REQUIRE(!selected);
        CHECK(selected.error().code == Code::mailboxThrottled);
        CHECK(fixture.kept->folders.begin()->second.items.size() == 6);
        CHECK(!fixture.kept->folders.begin()->second.told.whole);
        fixture.renew();
        fixture.enter();
        CHECK(fixture.list()->ordinals == upTo(9));
        CHECK(fixture.kept->folders.begin()->second.told.whole);
    }
    CHECK(fixture.graph.count("/messages/delta?$select") == 1);
}

SCENARIO("a server that has forgotten what it told is asked for everything, and messages keep their numbers", "[graph]") {
    const auto status = GENERATE(410, 400, 404);
    const auto code = GENERATE(as<std::string>(), "syncStateNotFound", "SyncStateNotFound", "resyncRequired", "syncStateInvalid");
    Fixture fixture;
    fixture.graph.pages(2);
    std::vector<std::string> ids;
    for (int i = 0; i < 5; ++i) ids.push_back(fixture.graph.deliver(mail("m"), minute(i)));
    fixture.enter();
    REQUIRE(fixture.list());
    fixture.graph.change([&ids](GraphStore& store) { return store.remove(ids[1]), 0; });
    fixture.graph.deliver(mail("new"), minute(30));
    fixture.graph.expire(code, status);
    const auto listing = fixture.list();
    INFO((listing ? "" : describe(listing.error())));
    REQUIRE(listing);
    CHECK(listing->ordinals == Numbers{1, 3, 4, 5, 6});
    CHECK(fixture.graph.count("/messages/delta?$select") == 2);
    CHECK(fixture.kept->folders.begin()->second.told.validity == 7'000);
}

SCENARIO("a link that is refused is given up, whatever the server calls it", "[graph]") {
    const auto [status, code] = GENERATE(table<int, std::string>({{400, "BadRequest"},
                                                                  {400, "ErrorInvalidIdMalformed"},
                                                                  {403, "ErrorAccessDenied"},
                                                                  {404, "ErrorItemNotFound"},
                                                                  {404, "ErrorFolderNotFound"},
                                                                  {404, ""},
                                                                  {409, "Conflict"}}));
    Fixture fixture;
    fixture.graph.pages(2);
    for (int i = 0; i < 5; ++i) fixture.graph.deliver(mail("m"), minute(i));
    fixture.enter();
    REQUIRE(fixture.list());
    fixture.graph.deliver(mail("new"), minute(30));
    fixture.graph.expire(code, status);
    const auto listing = fixture.list();
    INFO((listing ? "" : describe(listing.error())));
    REQUIRE(listing);
    CHECK(listing->ordinals == upTo(6));
    CHECK(fixture.graph.count("/messages/delta?$select") == 2);
}

SCENARIO("what refuses every listing is told after the second", "[graph]") {
    Fixture fixture;
    fixture.graph.deliver(mail("m"));
    fixture.enter();
    REQUIRE(fixture.list());  // tells what select() has just heard
    GIVEN("a folder that is gone") {
        fixture.graph.fail({.what = "/messages/delta", .status = 404, .code = "ErrorItemNotFound", .times = 100});
        const auto listing = fixture.list();
        REQUIRE(!listing);
        CHECK(listing.error().code == Code::mailboxFolderMissing);
    }
    GIVEN("a right that was taken away") {
        fixture.graph.fail({.what = "/messages/delta", .status = 403, .code = "ErrorAccessDenied", .times = 100});
        const auto listing = fixture.list();
        REQUIRE(!listing);
        CHECK(listing.error().code == Code::mailboxAccess);
    }
    CHECK(fixture.graph.count("/messages/delta") == 3);
}

SCENARIO("a mailbox that has another name now keeps its messages", "[graph]") {
    Fixture fixture;
    for (int i = 0; i < 3; ++i) fixture.graph.deliver(mail("m"), minute(i));
    fixture.enter();
    fixture.renew();
    fixture.graph.rename("mail-in@contoso.com");
    fixture.settings.user = "mail-in@contoso.com";
    fixture.graph.deliver(mail("new"), minute(30));
    fixture.enter();
    CHECK(fixture.list()->ordinals == upTo(4));
}

SCENARIO("a server that forgets at once is not asked for ever", "[graph]") {
    Fixture fixture;
    fixture.graph.pages(1);
    for (int i = 0; i < 3; ++i) fixture.graph.deliver(mail("m"), minute(i));
    fixture.graph.fail({.what = "$skiptoken", .status = 410, .code = "", .times = 100});
    REQUIRE(fixture.open());
    const auto selected = fixture.select();
    REQUIRE(!selected);
    CHECK(selected.error().reaction == Reaction::retryLater);
    CHECK(selected.error().code == Code::mailboxProtocol);
    CHECK(fixture.graph.count("/messages/delta?$select") == 2);
}

SCENARIO("links to another host, port or scheme are not followed", "[graph]") {
    Fixture fixture;
    const auto root = GENERATE(as<std::string>(), "https://evil.example.com", "http://graph.example.com", "https://graph.example.com:8443",
                               "https://graph.example.com.evil.com", "https://user@graph.example.com", "https://graph.example.com@evil.com",
                               "//graph.example.com", "");
    fixture.graph.linksLeadTo(root.empty() ? "https://GRAPH.example.com:443" : root);
    fixture.graph.deliver(mail("m"));
    REQUIRE(fixture.open());
    const auto selected = fixture.select();
    if (root.empty()) {  // the same, written otherwise
        CHECK(selected);
        return;
    }
    REQUIRE(!selected);
    CHECK(selected.error().reaction == Reaction::askOperator);
    CHECK(selected.error().code == Code::mailboxForeignLink);
    CHECK(fixture.kept->applied == 0);
    for (const auto& target : fixture.access.dialer().targets) CHECK(target.host == "graph.example.com");
}

SCENARIO("what was kept from another root is asked for anew", "[graph]") {
    Fixture fixture;
    fixture.graph.deliver(mail("m"));
    fixture.enter();
    fixture.renew();
    fixture.kept->folders.begin()->second.told.sync = "https://graph.microsoft.us/v1.0/users/x/mailFolders/y/messages/delta?$deltatoken=z";
    fixture.enter();
    CHECK(fixture.list()->ordinals == Numbers{1});
}

SCENARIO("a page that is none is an error, not an empty folder", "[graph]") {
    Fixture fixture;
    const auto body =
        GENERATE(as<std::string>(), "{}", "[]", R"({"value":[]})", R"({"value":[{"isRead":true}],"@odata.deltaLink":"https://graph.example.com/d"})",
                 "", "<html>", R"({"value":[],"@odata)");
    fixture.graph.fail({.what = "/messages/delta", .status = 200, .body = body});
    REQUIRE(fixture.open());
    const auto selected = fixture.select();
    REQUIRE(!selected);
    CHECK(selected.error().code == Code::mailboxProtocol);
    CHECK(fixture.kept->applied == 0);
}

SCENARIO("a page that leads to itself does not hold us for ever", "[graph]") {
    Fixture fixture;
    fixture.graph.fail({.what = "/messages/delta",
                        .status = 200,
                        .times = 100,
                        .body = R"({"value":[],"@odata.nextLink":"https://graph.example.com/v1.0/messages/delta?x"})"});
    fixture.mayBeWrong = true;
    REQUIRE(fixture.open());
    const auto selected = fixture.select();
    REQUIRE(!selected);
    CHECK(selected.error().reaction == Reaction::retryLater);
    CHECK(fixture.graph.count("delta") == 2);
}

SCENARIO("a conflict is asked once more, throttling is told with its time", "[graph]") {
    Fixture fixture;
    fixture.graph.deliver(mail("m"));
    REQUIRE(fixture.open());
    GIVEN("a conflict") {
        fixture.graph.fail({.what = "/messages/delta", .status = 412, .code = "ErrorIrresolvableConflict"});
        CHECK(fixture.select());
    }
    GIVEN("throttling") {
        const auto status = GENERATE(429, 503, 504, 500);
        fixture.graph.fail({.what = "/messages/delta", .status = status, .code = "", .headers = {{"Retry-After", "33"}}});
        const auto selected = fixture.select();
        REQUIRE(!selected);
        CHECK(selected.error().code == Code::mailboxThrottled);
        CHECK(selected.error().retryAfter == std::chrono::seconds{33});
        CHECK(fixture.select());
    }
}

SCENARIO("a list is cut, and filtered by when messages were received", "[graph]") {
    Fixture fixture;
    for (int i = 0; i < 10; ++i) fixture.graph.deliver(mail("m"), minute(i));
    fixture.enter();
    GIVEN("a limit") {
        const auto listing = fixture.list({.above = 2, .limit = 3});
        CHECK(listing->ordinals == Numbers{3, 4, 5});
        CHECK(listing->more);
        CHECK(listing->upTo == 5);
        const auto rest = fixture.list({.above = 7, .limit = 3});
        CHECK(rest->ordinals == Numbers{8, 9, 10});
        CHECK(!rest->more);
        CHECK(rest->upTo == 10);
    }
    GIVEN("a moment") {
        const auto listing = fixture.list({.receivedSince = at(6), .filterBelow = 11});
        CHECK(listing->ordinals == Numbers{7, 8, 9, 10});
        CHECK(listing->filtered == 6);
        CHECK(listing->upTo == 10);
        CHECK(fixture.list({.receivedSince = at(6), .filterBelow = 3})->ordinals == Numbers{3, 4, 5, 6, 7, 8, 9, 10});
        const auto both = fixture.list({.limit = 2, .receivedSince = at(6), .filterBelow = 11});
        CHECK(both->ordinals == Numbers{7, 8});
        CHECK(both->upTo == 8);
    }
    GIVEN("nothing above") {
        const auto listing = fixture.list({.above = 10});
        CHECK(listing->ordinals.empty());
        CHECK(listing->upTo == 10);
    }
}

SCENARIO("an index that cannot be written ends the call with its error", "[graph]") {
    Fixture fixture;
    fixture.graph.deliver(mail("m"));
    REQUIRE(fixture.open());
    fixture.kept->refuses = plugin::Error{Reaction::retryLater, Code::storeDiskFull, "full"};
    const auto selected = fixture.select();
    REQUIRE(!selected);
    CHECK(selected.error().code == Code::storeDiskFull);
}
