#include "tests/listener/graph/fixture.h"

#include <algorithm>

using namespace graphtest;
using listener::Named;
using Where = Named::Where;

namespace {

/// Three messages, of which the last is in another folder. EWS calls them so: with what has a meaning in JSON and in URLs.
struct Translating : Fixture {
    Translating() {
        for (const auto* name : {"a", "b", "c"}) ids.push_back(graph.deliver(mail(name)));
        for (std::size_t i = 0; i < ids.size(); ++i) graph.callByEws(ewsIds[i], ids[i]);
        graph.change([this](GraphStore& store) { store.move(ids[2], "archive"); });
        graph.mayTranslate(true);
        enter();
    }
    plugin::Result<std::vector<Named>> named(Names of, std::string protocol = "ews") {
        return loop.run(mailbox().named(std::move(protocol), std::move(of), stop.get_token()));
    }
    std::size_t asked() const { return graph.count("POST /v1.0/users/intake%40contoso.com/translateExchangeIds"); }
    /// All unknown, and the session goes on without asking again.
    void checkDoesWithout(const plugin::Result<std::vector<Named>>& answer, std::size_t requests) {
        REQUIRE(answer);
        REQUIRE(answer->size() == 3);
        for (const auto& each : *answer) CHECK((each.where == Where::unknown && each.id.empty()));
        CHECK(asked() == requests);
        CHECK_FALSE(mailbox().knowsNamesOf("ews"));
        REQUIRE(named(ewsIds));
        CHECK(asked() == requests);
        CHECK(list());
        CHECK(log.text.find("Graph does not translate ids of EWS") != std::string::npos);
    }
    Names ids{}, ewsIds{"AAMk/\"+1==", "AAMk/\\+2==", "AAMk/+3=="};
};

std::vector<Where> wheres(const std::vector<Named>& all) {
    std::vector<Where> found;
    for (const auto& each : all) found.push_back(each.where);
    return found;
}

}  // namespace

SCENARIO("Graph tells which of its messages an id of EWS means", "[graph]") {
    Translating fixture;
    CHECK(fixture.mailbox().knowsNamesOf("ews"));
    CHECK_FALSE(fixture.mailbox().knowsNamesOf("imap"));
    GIVEN("ids of messages here, in another folder, of none, and one twice") {
        const auto told = fixture.named({fixture.ewsIds[1], fixture.ewsIds[2], "AAMk/nobody", fixture.ewsIds[0], fixture.ewsIds[1]});
        REQUIRE(told);
        CHECK(wheres(*told) == std::vector<Where>{Where::here, Where::elsewhere, Where::unknown, Where::here, Where::here});
        CHECK(told->at(0).id == fixture.ids[1]);
        CHECK(told->at(1).id == fixture.ids[2]);
        const auto listed = fixture.list()->ordinals;
        REQUIRE(listed.size() == 2);
        CHECK(told->at(3).ordinal == listed[0]);
        CHECK(told->at(0).ordinal == listed[1]);
        CHECK(fixture.asked() == 1);
    }
    GIVEN("the other folder entered after that one") {
        REQUIRE(fixture.named(fixture.ewsIds));
        REQUIRE(fixture.select("Archiv"));
        CHECK(wheres(*fixture.named(fixture.ewsIds)) == std::vector<Where>{Where::elsewhere, Where::elsewhere, Where::here});
    }
}

SCENARIO("ids are translated a thousand at a time", "[graph]") {
    Translating fixture;
    Names many;
    for (int i = 0; i < 2500; ++i) many.push_back("AAMk/" + std::to_string(i));
    fixture.graph.callByEws(many.back(), fixture.ids[0]);
    const auto told = fixture.named(many);
    REQUIRE(told);
    CHECK(fixture.asked() == 3);
    CHECK(told->back().where == Where::here);
    CHECK(std::count_if(told->begin(), told->end(), [](const Named& each) { return each.where == Where::unknown; }) == 2499);
}

SCENARIO("where ids are not translated nothing fails", "[graph]") {
    Translating fixture;
    GIVEN("a right that is missing") {
        fixture.graph.mayTranslate(false);
        fixture.checkDoesWithout(fixture.named(fixture.ewsIds), 1);
        CHECK(fixture.log.text.find("User.Read.All") != std::string::npos);
        CHECK(fixture.log.warnings == 0);
    }
    GIVEN("a cloud that has none of it") {
        const auto status = GENERATE(400, 404, 405, 501);
        fixture.graph.fail({.what = "translateExchangeIds", .status = status, .code = "BadRequest", .times = 100});
        fixture.checkDoesWithout(fixture.named(fixture.ewsIds), status == 501 ? 3 : 1);
        CHECK(fixture.log.text.find("User.Read.All") == std::string::npos);
    }
    GIVEN("a server in trouble") {
        fixture.graph.fail({.what = "translateExchangeIds", .status = GENERATE(500, 503, 504), .code = "", .times = 100});
        fixture.checkDoesWithout(fixture.named(fixture.ewsIds), 3);
    }
    GIVEN("a line that is cut again and again") {
        fixture.graph.cut("translateExchangeIds", 40, 100);
        fixture.checkDoesWithout(fixture.named(fixture.ewsIds), 3);
    }
    GIVEN("an answer that is none") {
        fixture.graph.fail({.what = "translateExchangeIds", .status = 200, .times = 1, .body = GENERATE("<html>", "{\"value\":7}")});
        fixture.checkDoesWithout(fixture.named(fixture.ewsIds), 1);
    }
}

SCENARIO("a server that wants time before it translates is given it", "[graph]") {
    Translating fixture;
    const auto before = fixture.loop.clock().steady();
    GIVEN("so much as it asks for") {
        fixture.graph.fail(
            {.what = "translateExchangeIds", .status = 429, .code = "ApplicationThrottled", .headers = {{"Retry-After", "70"}}, .times = 2});
        const auto told = fixture.named(fixture.ewsIds);
        REQUIRE(told);
        CHECK(told->at(0).where == Where::here);
        CHECK(fixture.loop.clock().steady() - before >= std::chrono::seconds(140));
    }
    GIVEN("more than there is: it goes without") {
        fixture.graph.fail({.what = "translateExchangeIds", .status = 429, .code = "ApplicationThrottled", .headers = {{"Retry-After", "7000"}}});
        fixture.checkDoesWithout(fixture.named(fixture.ewsIds), 1);
        CHECK(fixture.loop.clock().steady() == before);
    }
    GIVEN("a moment of trouble") {
        fixture.graph.fail({.what = "translateExchangeIds", .status = 503});
        const auto told = fixture.named(fixture.ewsIds);
        REQUIRE(told);
        CHECK(told->at(1).where == Where::here);
    }
    GIVEN("a token that is refused: that is about the session") {
        fixture.graph.token("another");
        const auto told = fixture.named(fixture.ewsIds);
        REQUIRE(!told);
        CHECK(told.error().reaction == Reaction::reauthenticate);
    }
}

SCENARIO("translations that cannot be right are passed over", "[graph]") {
    Translating fixture;
    GIVEN("ids nobody asked about") {
        fixture.graph.onTranslation([](auto& all) {
            for (auto& [source, target] : all) source += "x";
        });
        const auto told = fixture.named(fixture.ewsIds);
        REQUIRE(told);
        CHECK(wheres(*told) == std::vector<Where>(3, Where::unknown));
        CHECK(fixture.log.text.find("the server translates ids it was not asked about") != std::string::npos);
    }
    GIVEN("two translations of one id") {
        fixture.graph.onTranslation([](auto& all) { all.emplace_back(all[0].first, all[1].second); });
        CHECK(wheres(*fixture.named(fixture.ewsIds)) == std::vector<Where>{Where::unknown, Where::here, Where::elsewhere});
    }
    GIVEN("one translation of two ids") {
        fixture.graph.onTranslation([](auto& all) { all[1].second = all[0].second; });
        CHECK(wheres(*fixture.named(fixture.ewsIds)) == std::vector<Where>{Where::unknown, Where::unknown, Where::elsewhere});
    }
    GIVEN("a translation that is missing") {
        fixture.graph.onTranslation([](auto& all) { all.erase(all.begin()); });
        CHECK(wheres(*fixture.named(fixture.ewsIds)) == std::vector<Where>{Where::unknown, Where::here, Where::elsewhere});
    }
}
