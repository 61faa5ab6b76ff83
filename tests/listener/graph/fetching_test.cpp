#include "tests/listener/graph/fixture.h"

using namespace graphtest;

namespace {

/// The beginning of it: the rest of an id is the same in all.
std::string addressOf(const std::string& id) { return "/messages/AAkALg%2F" + id.substr(7, 7); }

}  // namespace

SCENARIO("messages come as they are, in order, with what is known of them", "[graph]") {
    Fixture fixture;
    fixture.graph.contentLength(GENERATE(true, false));
    std::vector<std::string> ids, bytes;
    for (int i = 0; i < 30; ++i) {
        bytes.push_back(mail("m" + std::to_string(i), static_cast<std::size_t>(i * 1000)));
        ids.push_back(fixture.graph.deliver(bytes.back(), "2026-11-22T08:15:" + std::to_string(10 + i) + "Z", i % 3 == 0));
    }
    fixture.enter();
    if (GENERATE(true, false)) fixture.renew(), fixture.enter();  // the state of messages comes another way then
    const auto listing = fixture.list();
    REQUIRE(fixture.fetch(listing->ordinals));
    REQUIRE(fixture.ids() == ids);
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const auto& message = fixture.received.messages[i];
        CHECK(message.position.ordinal == i + 1);
        CHECK(bytesOf(message.content) == bytes[i]);
        CHECK(message.flags == (i % 3 == 0 ? Names{"\\Seen"} : Names{}));
        CHECK(message.received == plugin::Wall{std::chrono::seconds{1'795'335'310 + static_cast<std::int64_t>(i)}});
        CHECK(*message.head.messageId == "<m" + std::to_string(i) + "@example.com>");
        CHECK(!message.tooLarge);
    }
    CHECK(fixture.graph.connections() == 3 + 1U * (fixture.access.dialer().targets.size() > 3 ? 1 : 0));
}

SCENARIO("the state of messages is asked for only where no page has told it", "[graph]") {
    Fixture fixture;
    for (int i = 0; i < 45; ++i) fixture.graph.deliver(mail("m"));
    fixture.enter();
    REQUIRE(fixture.fetch(fixture.list()->ordinals));
    CHECK(fixture.graph.count("$batch") == 0);
    fixture.renew();
    fixture.enter();
    REQUIRE(fixture.fetch(fixture.list()->ordinals));
    CHECK(fixture.graph.count("$batch") == 3);
    CHECK(fixture.graph.count("BATCH GET") == 45);
    CHECK(fixture.received.messages.size() == 90);
}

SCENARIO("a large message goes through a file, and memory stays small", "[graph]") {
    Fixture fixture;
    const auto large = mail("large", 9'000'000);
    fixture.graph.deliver(large);
    fixture.enter();
    REQUIRE(fixture.fetch({1}));
    const auto& content = fixture.received.messages.at(0).content;
    CHECK(content.inMemory() == nullptr);
    CHECK(content.size() == large.size());
    CHECK(bytesOf(content) == large);
    CHECK(*fixture.received.messages[0].head.messageId == "<large@example.com>");
}

SCENARIO("a full disk is told as such", "[graph]") {
    Fixture fixture;
    fixture.graph.deliver(mail("large", 3'000'000));
    fixture.enter();
    fixture.disk.setCapacity(1'000'000);
    const auto fetched = fixture.fetch({1});
    REQUIRE(!fetched);
    CHECK(fetched.error().code == Code::messageStaging);
}

SCENARIO("what is too large comes as its head, with the match key of the whole", "[graph]") {
    Fixture fixture;
    const bool announced = GENERATE(true, false);
    fixture.graph.contentLength(announced);
    const auto large = mail("large", 2'000'000), small = mail("small");
    const auto longHead = "X-Long: " + std::string(100'000, 'x') + "\r\n" + mail("behind", 300'000);
    fixture.graph.deliver(small, "2026-11-22T08:15:01Z");
    fixture.graph.deliver(large, "2026-11-22T08:15:02Z");
    fixture.graph.deliver(longHead, "2026-11-22T08:15:03Z");
    fixture.graph.deliver(small, "2026-11-22T08:15:04Z");
    fixture.received.limit = GENERATE(50U, 1000U);
    fixture.received.limit = *fixture.received.limit + small.size();
    fixture.enter();
    REQUIRE(fixture.fetch({1, 2, 3, 4}));
    const auto& messages = fixture.received.messages;
    REQUIRE(messages.size() == 4);
    CHECK(!messages[0].tooLarge);
    CHECK(bytesOf(messages[3].content) == small);
    REQUIRE(messages[1].tooLarge);
    CHECK(*messages[1].tooLarge > *fixture.received.limit);
    CHECK(*messages[1].tooLarge <= large.size());
    if (announced) CHECK(*messages[1].tooLarge == large.size());
    CHECK(messages[1].content.size() == 0);
    CHECK(messages[1].head.matchKey == listener::readHead(large).matchKey);
    CHECK(messages[2].head.matchKey == listener::readHead(longHead).matchKey);
    CHECK(*messages[2].head.messageId == "<behind@example.com>");
}

SCENARIO("a message of exactly the limit is not too large", "[graph]") {
    Fixture fixture;
    fixture.graph.contentLength(GENERATE(true, false));
    const auto bytes = mail("m", 5000);
    fixture.graph.deliver(bytes);
    fixture.enter();
    fixture.received.limit = bytes.size();
    REQUIRE(fixture.fetch({1}));
    CHECK(bytesOf(fixture.received.messages.at(0).content) == bytes);
    fixture.received.limit = bytes.size() - 1;
    REQUIRE(fixture.fetch({1}));
    CHECK(fixture.received.messages.at(1).tooLarge);
}

SCENARIO("a message that is gone meanwhile is left out", "[graph]") {
    Fixture fixture;
    std::vector<std::string> ids;
    for (int i = 0; i < 5; ++i) ids.push_back(fixture.graph.deliver(mail("m" + std::to_string(i)), "2026-11-22T08:15:0" + std::to_string(i) + "Z"));
    fixture.enter();
    if (GENERATE(true, false)) fixture.renew(), fixture.enter();
    fixture.graph.change([&ids](GraphStore& store) { return store.remove(ids[1]), store.remove(ids[4]), 0; });
    REQUIRE(fixture.fetch({1, 2, 3, 4, 5}));
    CHECK(fixture.ids() == Names{ids[0], ids[2], ids[3]});
    CHECK(fixture.log.warnings == 0);
}

SCENARIO("a message the server cannot hand out does not hold up the others", "[graph]") {
    Fixture fixture;
    std::vector<std::string> ids;
    for (int i = 0; i < 5; ++i) ids.push_back(fixture.graph.deliver(mail("m" + std::to_string(i)), "2026-11-22T08:15:0" + std::to_string(i) + "Z"));
    fixture.enter();
    const auto [status, code] = GENERATE(table<int, std::string>({{504, ""},
                                                                  {500, "ErrorInternalServerError"},
                                                                  {502, ""},
                                                                  {403, "ErrorAccessDenied"},
                                                                  {400, "ErrorInvalidIdMalformed"},
                                                                  {409, "ErrorItemCorrupt"},
                                                                  {404, "ErrorMimeContentConversionFailed"}}));
    fixture.graph.poison(ids[2], status, code);
    REQUIRE(fixture.fetch({1, 2, 3, 4, 5}));
    CHECK(fixture.ids() == Names{ids[0], ids[1], ids[3], ids[4]});
    CHECK(fixture.list()->ordinals == Numbers{1, 2, 3, 4, 5});
    THEN("it stays so when it is asked for alone") {
        fixture.renew();
        fixture.enter();
        CHECK(fixture.fetch({3}));
        CHECK(fixture.received.messages.size() == 4);
    }
}

SCENARIO("where only bad messages are left, they are left out: they do not keep the mailbox from its work", "[graph]") {
    Fixture fixture;
    std::vector<std::string> ids;
    for (int i = 0; i < 4; ++i) ids.push_back(fixture.graph.deliver(mail("m" + std::to_string(i)), "2026-11-22T08:15:0" + std::to_string(i) + "Z"));
    fixture.enter();
    GIVEN("some without a right, or that make trouble") {
        const auto status = GENERATE(403, 500, 502, 503, 504);
        for (const auto& id : ids) fixture.graph.poison(id, status, "");
        CHECK(fixture.fetch({1, 2, 3, 4}));
        CHECK(fixture.log.warnings == 4);
    }
    GIVEN("two that come with a time to wait, and one between them that does not") {
        for (const auto at : {0U, 1U, 3U}) fixture.graph.poison(ids[at], 504, "", {{"Retry-After", "44"}});
        fixture.graph.poison(ids[2], 500, "");
        CHECK(fixture.fetch({1, 2, 3, 4}));
        CHECK(fixture.log.warnings == 4);
    }
    CHECK(fixture.list()->ordinals == Numbers{1, 2, 3, 4});
    CHECK(fixture.received.messages.empty());
}

SCENARIO("a server that is down is not asked for every message", "[graph]") {
    Fixture fixture;
    for (int i = 0; i < 100; ++i) fixture.graph.deliver(mail("m"));
    fixture.enter();
    fixture.graph.fail({.what = "$value", .status = 500, .code = "", .times = 100});
    const auto fetched = fixture.fetch(fixture.list()->ordinals);
    REQUIRE(!fetched);
    CHECK(fetched.error().reaction == Reaction::retryLater);
    CHECK(fixture.graph.count("$value") < 30);
}

SCENARIO("a permission that shows lists alone is told as such", "[graph]") {
    Fixture fixture;
    for (int i = 0; i < 25; ++i) fixture.graph.deliver(mail("m"));
    fixture.enter();
    fixture.graph.fail({.what = "$value", .status = 403, .code = "ErrorAccessDenied", .times = 100});
    const auto fetched = fixture.fetch(fixture.list()->ordinals);
    REQUIRE(!fetched);
    CHECK(fetched.error().reaction == Reaction::askOperator);
    CHECK(fetched.error().code == Code::mailboxAccess);
    CHECK(fixture.received.messages.empty());
}

SCENARIO("messages without a right are no missing permission once another message was handed out", "[graph]") {
    Fixture fixture;
    for (int i = 0; i < 26; ++i) fixture.graph.deliver(mail("m"), "2026-11-22T08:15:" + std::to_string(10 + i) + "Z");
    fixture.enter();
    fixture.graph.fail({.what = "$value", .status = 403, .code = "ErrorAccessDenied", .times = 24, .passes = 1});
    REQUIRE(fixture.fetch(fixture.list()->ordinals));
    CHECK(fixture.received.messages.size() == 2);
}

SCENARIO("throttling ends a fetch, with the time to wait", "[graph]") {
    Fixture fixture;
    for (int i = 0; i < 9; ++i) fixture.graph.deliver(mail("m" + std::to_string(i)));
    fixture.enter();
    const auto check = [](const plugin::Result<void>& fetched) {
        REQUIRE(!fetched);
        CHECK(fetched.error().code == Code::mailboxThrottled);
        CHECK(fetched.error().retryAfter == std::chrono::seconds{44});
    };
    GIVEN("an application that asks too much") {
        fixture.graph.fail({.what = "$value", .status = 429, .code = "", .headers = {{"Retry-After", "44"}}, .passes = 4});
        check(fixture.fetch({1, 2, 3, 4, 5, 6, 7, 8, 9}));
        CHECK(fixture.received.messages.size() == 4);
        CHECK(fixture.graph.count("$value") <= 7);
    }
    GIVEN("a server that has no time for one message: those behind it come all the same") {
        const auto status = GENERATE(503, 504, 500);
        fixture.graph.fail({.what = "$value", .status = status, .code = "", .headers = {{"Retry-After", "44"}}, .passes = 4});
        REQUIRE(fixture.fetch({1, 2, 3, 4, 5, 6, 7, 8, 9}));
        CHECK(fixture.received.messages.size() == 8);
        THEN("it is asked for again when that time is over, and not before") {
            const auto asked = fixture.graph.count("$value");
            for (int look = 0; look < 4; ++look) {
                fixture.loop.clock().pass(std::chrono::seconds{10});
                REQUIRE(fixture.fetch({5}));
            }
            CHECK(fixture.graph.count("$value") == asked);
            fixture.loop.clock().pass(std::chrono::seconds{5});
            REQUIRE(fixture.fetch({5}));
            CHECK(fixture.graph.count("$value") == asked + 1);
            CHECK(fixture.received.messages.size() == 9);
        }
    }
    GIVEN("a server that has no time at all") {
        fixture.graph.fail({.what = "$value", .status = 503, .code = "", .headers = {{"Retry-After", "44"}}, .times = 100});
        check(fixture.fetch({1, 2, 3, 4, 5, 6, 7, 8, 9}));
        CHECK(fixture.graph.count("$value") < 9);
    }
    GIVEN("a state that is throttled, within a $batch") {
        fixture.renew();
        fixture.enter();
        fixture.graph.fail({.what = "BATCH GET", .status = 429, .code = "ApplicationThrottled", .headers = {{"Retry-After", "44"}}, .passes = 4});
        check(fixture.fetch({1, 2, 3, 4, 5, 6, 7, 8, 9}));
    }
}

SCENARIO("messages for which a server never has time keep nobody behind them waiting", "[graph]") {
    Fixture fixture;
    std::vector<std::string> ids;
    for (int i = 0; i < 9; ++i) ids.push_back(fixture.graph.deliver(mail("m" + std::to_string(i)), "2026-11-22T08:15:0" + std::to_string(i) + "Z"));
    const auto time = GENERATE(std::chrono::seconds{44}, std::chrono::seconds{7200});
    for (const auto at : {0U, 1U, 2U}) fixture.graph.poison(ids[at], 503, "", {{"Retry-After", std::to_string(time.count())}});
    fixture.enter();
    std::size_t sessions = 1;
    for (;; ++sessions) {
        const auto fetched = fixture.fetch({1, 2, 3, 4, 5, 6, 7, 8, 9});
        if (fetched || sessions == 5) break;
        CHECK(fetched.error().code == Code::mailboxThrottled);
        REQUIRE(fetched.error().retryAfter);
        fixture.loop.clock().pass(*fetched.error().retryAfter);  // as a mailbox waits, before it has another session
        fixture.renew();
        fixture.enter();
    }
    CHECK(sessions == 3);
    CHECK(fixture.ids() == Names(ids.begin() + 3, ids.end()));
}

SCENARIO("who has waited long for a place comes with the token of that moment", "[graph]") {
    Fixture fixture;
    fixture.graph.deliver(mail("m"));
    fixture.enter();
    std::optional<listener::RequestLimit::Place> all;
    all.emplace(std::move(*fixture.loop.run(fixture.limit->enter(4, {}))));
    fixture.loop.at(fixture.loop.clock().steady() + std::chrono::minutes{10}, [&] {
        fixture.access.tokens().tokens = {"another"};
        fixture.graph.token("another");
        all.reset();
    });
    const bool content = GENERATE(true, false);
    if (content)
        CHECK(fixture.fetch({1}));
    else
        CHECK(fixture.list());
    CHECK(fixture.access.tokens().refusals == 0);
}

SCENARIO("a message cut at any octet, twice, is not handed out", "[graph]") {
    const bool announced = GENERATE(true, false);
    const auto bytes = mail("m", 300);
    std::size_t leftOut = 0;
    for (std::size_t octets = 1;; octets += 1) {
        Fixture fixture;
        fixture.graph.contentLength(announced);
        fixture.graph.deliver(bytes);
        fixture.enter();
        fixture.graph.cut("$value", octets, 2);
        const auto fetched = fixture.fetch({1});
        INFO(octets);
        if (!fixture.received.messages.empty()) {
            CHECK(octets > bytes.size());
            CHECK(bytesOf(fixture.received.messages[0].content) == bytes);
            break;
        }
        if (!fetched) REQUIRE(fetched.error().reaction == Reaction::reconnect);
        if (fetched) ++leftOut;
        REQUIRE(fixture.log.warnings == (fetched ? 1U : 0U));
    }
    CHECK(leftOut >= bytes.size());
}

SCENARIO("a message whose transfer breaks off is asked for once more, and then it does not hold up the others", "[graph]") {
    Fixture fixture;
    fixture.graph.contentLength(GENERATE(true, false));
    std::vector<std::string> ids;
    for (int i = 0; i < 5; ++i)
        ids.push_back(fixture.graph.deliver(mail("m" + std::to_string(i), 3000), "2026-11-22T08:15:0" + std::to_string(i) + "Z"));
    fixture.enter();
    const auto second = addressOf(ids[1]);
    GIVEN("once") {
        fixture.graph.cut(second, 1500);
        REQUIRE(fixture.fetch({1, 2, 3, 4, 5}));
        CHECK(fixture.ids() == ids);
        CHECK(bytesOf(fixture.received.messages[1].content) == mail("m1", 3000));
    }
    GIVEN("always") {
        fixture.graph.cut(second, 1500, 100);
        REQUIRE(fixture.fetch({1, 2, 3, 4, 5}));
        CHECK(fixture.ids() == Names{ids[0], ids[2], ids[3], ids[4]});
        CHECK(fixture.log.warnings == 1);
        CHECK(fixture.fetch({2}));
        CHECK(fixture.graph.count(second) == 4);
    }
    GIVEN("all of them") {
        for (int i = 0; i < 60; ++i) fixture.graph.deliver(mail("m", 3000), "2026-11-22T09:15:" + std::to_string(10 + i % 50) + "Z");
        fixture.graph.cut("$value", 1500, 1000);
        REQUIRE(fixture.list());  // tells what select() has heard: the next one asks
        const auto fetched = fixture.fetch(fixture.list()->ordinals);
        REQUIRE(!fetched);
        CHECK(fetched.error().reaction == Reaction::reconnect);
        CHECK(fixture.graph.count("$value") < 50);
    }
}

SCENARIO("a message whose end nobody tells is not believed", "[graph]") {
    Fixture fixture;
    fixture.graph.untilTheEnd();
    for (int i = 0; i < 30; ++i) fixture.graph.deliver(mail("m"));
    fixture.enter();
    GIVEN("one") { CHECK(fixture.fetch({1})); }
    GIVEN("many: then it is what lies between") {
        const auto fetched = fixture.fetch(fixture.list()->ordinals);
        REQUIRE(!fetched);
        CHECK(fetched.error().code == Code::messageTruncated);
        CHECK(fetched.error().reaction == Reaction::reconnect);
    }
    CHECK(fixture.received.messages.empty());
}

SCENARIO("a message without an octet is not one", "[graph]") {
    Fixture fixture;
    fixture.graph.deliver("");
    fixture.graph.deliver(mail("m"), "2026-11-22T09:15:00Z");
    fixture.enter();
    REQUIRE(fixture.fetch({1, 2}));
    CHECK(fixture.received.messages.size() == 1);
    CHECK(fixture.log.warnings == 1);
}

SCENARIO("the receiver decides how much there is", "[graph]") {
    Fixture fixture;
    for (int i = 0; i < 50; ++i) fixture.graph.deliver(mail("m"));
    fixture.enter();
    GIVEN("one that has enough") {
        fixture.received.enoughAfter = 5;
        REQUIRE(fixture.fetch(fixture.list()->ordinals));
        CHECK(fixture.received.messages.size() >= 5);
        CHECK(fixture.received.messages.size() <= 7);
        CHECK(fixture.graph.count("$value") == fixture.received.messages.size());
    }
    GIVEN("one that refuses") {
        fixture.received.refuses = plugin::Error{Reaction::retryLater, Code::sinkUnavailable, "no"};
        const auto fetched = fixture.fetch(fixture.list()->ordinals);
        REQUIRE(!fetched);
        CHECK(fetched.error().code == Code::sinkUnavailable);
        CHECK(fixture.graph.count("$value") <= 3);
    }
    GIVEN("one with a bug") {
        fixture.received.throws = true;
        CHECK_THROWS_AS(fixture.fetch(fixture.list()->ordinals), std::logic_error);
        CHECK(fixture.loop.running() == 0);
    }
}

SCENARIO("a message is rendered anew at each fetch, under the same position", "[graph]") {
    Fixture fixture;
    fixture.graph.rendersAnew(true);
    fixture.graph.deliver(mail("m") + "--=_boundary_\r\n");
    fixture.enter();
    REQUIRE(fixture.fetch({1}));
    REQUIRE(fixture.fetch({1}));
    const auto& messages = fixture.received.messages;
    CHECK(messages.at(0).position == messages.at(1).position);
    CHECK(messages[0].head.matchKey == messages[1].head.matchKey);
    CHECK(bytesOf(messages[0].content) != bytesOf(messages[1].content));
}

SCENARIO("all messages are identified by their heads", "[graph]") {
    Fixture fixture;
    std::vector<std::string> bytes;
    std::vector<std::string> ids;
    for (int i = 0; i < 8; ++i) {
        bytes.push_back(mail("m" + std::to_string(i), i == 3 ? 2'000'000U : 100U));
        ids.push_back(fixture.graph.deliver(bytes.back(), "2026-11-22T08:15:0" + std::to_string(i) + "Z"));
    }
    fixture.enter();
    fixture.graph.poison(ids[5]);
    fixture.graph.onRequest([&ids](const std::string& line, GraphStore& store) {
        if (line.find("$value") != std::string::npos && store.find(ids[6]) != nullptr) store.remove(ids[6]);
    });
    const auto found = fixture.identify();
    REQUIRE(found);
    REQUIRE(found->size() == 6);
    const std::vector<std::size_t> expected{0, 1, 2, 3, 4, 7};
    for (std::size_t i = 0; i < expected.size(); ++i) {
        CHECK((*found)[i].ordinal == expected[i] + 1);
        CHECK((*found)[i].matchKey == listener::readHead(bytes[expected[i]]).matchKey);
        CHECK((*found)[i].received);
        CHECK(!(*found)[i].size);
    }
}

SCENARIO("what does not tell its head is left out of what is identified, and holds up nobody", "[graph]") {
    Fixture fixture;
    std::vector<std::string> ids;
    for (int i = 0; i < 8; ++i) ids.push_back(fixture.graph.deliver(mail("m" + std::to_string(i)), "2026-11-22T08:15:0" + std::to_string(i) + "Z"));
    fixture.enter();
    const auto numbers = [](const std::vector<listener::Identified>& found) {
        Numbers list;
        for (const auto& each : found) list.push_back(each.ordinal);
        return list;
    };
    GIVEN("a message that always makes trouble") {
        const auto status = GENERATE(500, 503, 504, 403);
        fixture.graph.poison(ids[2], status, "", GENERATE(GraphServer::Headers{}, GraphServer::Headers{{"Retry-After", "30"}}));
        const auto found = fixture.identify();
        REQUIRE(found);
        CHECK(numbers(*found) == Numbers{1, 2, 4, 5, 6, 7, 8});
    }
    GIVEN("one that makes trouble once") {
        fixture.graph.fail({.what = "$value", .status = GENERATE(429, 500, 503, 504), .code = "", .passes = 3});
        const auto found = fixture.identify();
        REQUIRE(found);
        CHECK(found->size() == 8);
    }
    GIVEN("one that always breaks off") {
        fixture.graph.cut(addressOf(ids[2]), 250, 100);
        const auto found = fixture.identify();
        REQUIRE(found);
        CHECK(numbers(*found) == Numbers{1, 2, 4, 5, 6, 7, 8});
    }
}

SCENARIO("a folder that holds more than Graph hands out in its time is identified all the same", "[graph]") {
    Fixture fixture;
    for (int i = 0; i < 60; ++i) fixture.graph.deliver(mail("m" + std::to_string(i)));
    fixture.enter();
    const auto before = fixture.loop.clock().steady();
    fixture.graph.limit({.requests = 25, .now = [&fixture] { return fixture.loop.clock().steady(); }});
    const auto found = fixture.identify();
    INFO((found ? "" : describe(found.error())));
    REQUIRE(found);
    CHECK(found->size() == 60);
    CHECK(fixture.loop.clock().steady() - before >= std::chrono::minutes{20});
    CHECK(fixture.graph.count("$value") < 70);
}

SCENARIO("identifying ends where no message at all tells its head", "[graph]") {
    Fixture fixture;
    for (int i = 0; i < 50; ++i) fixture.graph.deliver(mail("m"));
    fixture.enter();
    GIVEN("a missing permission") {
        fixture.graph.fail({.what = "$value", .status = 403, .code = "ErrorAccessDenied", .times = GENERATE(50U, 1000U)});
        const auto found = fixture.identify();
        REQUIRE(!found);
        CHECK(found.error().code == Code::mailboxAccess);
    }
    GIVEN("a server in trouble") {
        fixture.graph.fail({.what = "$value", .status = 500, .code = "", .times = 1000});
        const auto found = fixture.identify();
        REQUIRE(!found);
        CHECK(found.error().reaction == Reaction::retryLater);
        CHECK(fixture.graph.count("$value") < 100);
    }
    GIVEN("throttling without an end, or for too long") {
        const auto headers =
            GENERATE(GraphServer::Headers{}, GraphServer::Headers{{"Retry-After", "40"}}, GraphServer::Headers{{"Retry-After", "7200"}});
        fixture.graph.fail({.what = "$value", .status = 429, .code = "", .headers = headers, .times = 1000});
        const auto found = fixture.identify();
        REQUIRE(!found);
        CHECK(found.error().code == Code::mailboxThrottled);
        CHECK(fixture.graph.count("$value") < 100);
    }
    GIVEN("a wait that is stopped") {
        fixture.graph.fail({.what = "$value", .status = 429, .code = "", .headers = {{"Retry-After", "300"}}, .times = 1000});
        fixture.loop.at(fixture.loop.clock().steady() + std::chrono::seconds{3}, [&fixture] { fixture.stop.request_stop(); });
        const auto found = fixture.identify();
        REQUIRE(!found);
        CHECK(found.error().code == Code::channelStopped);
    }
}
