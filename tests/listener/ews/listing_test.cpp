#include "plugin/contract/text.h"
#include "tests/listener/ews/fixture.h"

using namespace ewstest;
using plugin::Code;
using plugin::Reaction;
using Names = Fixture::Names;
using Numbers = std::vector<std::uint64_t>;

namespace {

std::vector<std::string> idsOf(Fixture& fixture, const Numbers& ordinals) {
    std::vector<std::string> ids;
    for (const auto ordinal : ordinals)
        for (const auto& [id, entry] : fixture.index->at(0).items)
            if (entry.item.ordinal == ordinal) ids.push_back(id);
    return ids;
}

}  // namespace

SCENARIO("a folder is listed in the order of arrival, and later only what is new", "[ews]") {
    Fixture fixture;
    fixture.begin(3);
    const auto first = fixture.list();
    REQUIRE(first);
    CHECK((first->ordinals == Numbers{1, 2, 3} && first->upTo == 3 && !first->more));
    CHECK(idsOf(fixture, first->ordinals) == fixture.ids);
    CHECK(fixture.server.operations() == Names{"GetFolder", "SyncFolderItems"});  // select() had just asked

    const auto fourth = fixture.server.deliver(fixture.server.inbox(), mail("4"));
    fixture.server.store().remove(fixture.ids[1]);
    fixture.server.store().markRead(fixture.ids[0]);
    const auto second = fixture.list({.above = 1});
    REQUIRE(second);
    CHECK((second->ordinals == Numbers{3, 4} && second->upTo == 4));
    CHECK(fixture.server.operations().size() == 3);
    CHECK(fixture.select("INBOX")->next == 5);
    GIVEN("another session") {
        fixture.renew();
        REQUIRE(fixture.open());
        const auto view = fixture.select("INBOX");
        CHECK((view->exists == 3 && view->next == 5));
        CHECK(fixture.server.requests().back().body.find("<m:SyncState>") != std::string::npos);
    }
}

SCENARIO("ids that differ in the case of one letter are two messages", "[ews]") {
    Fixture fixture;
    fixture.begin(2);
    REQUIRE(fixture.ids[0].size() == fixture.ids[1].size());
    CHECK(fixture.list()->ordinals == Numbers{1, 2});
}

SCENARIO("a large folder comes in pages, each kept with its state", "[ews]") {
    Fixture fixture;
    fixture.server.changesAtOnce = 10;
    fixture.begin(95);
    CHECK(fixture.index->applied == 10);
    CHECK(fixture.list()->ordinals.size() == 95);
    GIVEN("limits") {
        const auto some = fixture.list({.above = 10, .limit = 5});
        CHECK((some->ordinals == Numbers{11, 12, 13, 14, 15} && some->more && some->upTo == 15));
        const auto rest = fixture.list({.above = 90, .limit = 5});
        CHECK((rest->ordinals.size() == 5 && !rest->more && rest->upTo == 95));
    }
    GIVEN("a listing that was interrupted") {
        Fixture other;
        other.server.changesAtOnce = 10;
        int pages = 0;
        other.server.instead = [&pages](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
            if (request.operation == "SyncFolderItems" && ++pages == 4) return servers::EwsServer::fault("ErrorServerBusy", 1000);
            return std::nullopt;
        };
        for (int i = 0; i < 60; ++i) other.server.deliver(other.server.inbox(), mail(std::to_string(i)));
        REQUIRE(other.open());
        CHECK(other.select("INBOX").error().code == Code::mailboxThrottled);
        CHECK_FALSE(other.index->at(0).told.whole);
        REQUIRE(other.select("INBOX"));
        CHECK(pages == 4 + 3);  // it went on where it was
        CHECK(other.list()->ordinals.size() == 60);
    }
}

SCENARIO("a state the server has forgotten costs a whole listing, and no message its number", "[ews]") {
    Fixture fixture;
    fixture.begin(3);
    fixture.server.store().forgetStates();
    fixture.server.store().remove(fixture.ids[0]);
    fixture.server.deliver(fixture.server.inbox(), mail("4"));
    const auto listed = fixture.list();
    REQUIRE(listed);
    CHECK(listed->ordinals == Numbers{1, 2, 3});  // select() had just asked
    const auto again = fixture.list();
    REQUIRE(again);
    CHECK(again->ordinals == Numbers{2, 3, 4});
    CHECK(fixture.log.text.find("listed anew") != std::string::npos);
}

SCENARIO("a server that calls every state invalid is not asked for ever", "[ews]") {
    Fixture fixture;
    REQUIRE(fixture.open());
    fixture.server.instead = [](const servers::EwsRequest&) { return servers::EwsServer::refusal("SyncFolderItems", "ErrorInvalidSyncStateData"); };
    const auto selected = fixture.select("INBOX");
    REQUIRE_FALSE(selected);
    CHECK(selected.error().reaction == Reaction::retryLater);
}

SCENARIO("only what was received since is listed, where that is asked for", "[ews]") {
    Fixture fixture;
    const auto day = [](int number) { return "2026-11-" + std::to_string(10 + number) + "T08:00:00Z"; };
    for (int i = 1; i <= 9; ++i) fixture.server.deliver(fixture.server.inbox(), mail(std::to_string(i)), day(i));
    fixture.server.foundAtOnce = GENERATE(std::size_t{250}, std::size_t{3}, std::size_t{1});
    fixture.begin();
    const auto since = std::chrono::sys_days{std::chrono::year{2026} / 11 / 16};
    const auto listed = fixture.list({.receivedSince = since, .filterBelow = 9});
    REQUIRE(listed);
    CHECK((listed->ordinals == Numbers{6, 7, 8, 9} && listed->filtered == 5 && listed->upTo == 9));
    GIVEN("a bound above what was there, and an arrival below it") {
        REQUIRE(fixture.list({.receivedSince = since, .filterBelow = 100}));
        fixture.server.deliver(fixture.server.inbox(), mail("new"), "2026-11-25T08:00:00Z");
        CHECK(fixture.list({.above = 8, .receivedSince = since, .filterBelow = 100})->ordinals == Numbers{9, 10});
    }
    GIVEN("arrivals above which nothing is filtered") {
        fixture.server.deliver(fixture.server.inbox(), mail("old"), day(0));
        CHECK(fixture.list({.above = 8, .receivedSince = since, .filterBelow = 10})->ordinals == Numbers{9, 10});
    }
    GIVEN("a limit") {
        const auto some = fixture.list({.limit = 2, .receivedSince = since, .filterBelow = 9});
        CHECK((some->ordinals == Numbers{6, 7} && some->more && some->upTo == 7));
        const auto asked = fixture.server.operations();
        const auto pages = fixture.server.foundAtOnce == 250 ? 1 : fixture.server.foundAtOnce == 3 ? 2 : 4;
        CHECK(std::count(asked.begin(), asked.end(), "FindItem") == pages);  // what was found once is not searched again
    }
}

SCENARIO("what is removed while a folder is searched hides nothing", "[ews]") {
    Fixture fixture;
    for (int i = 1; i <= 600; ++i) {
        const plugin::Wall received = std::chrono::sys_days{std::chrono::year{2026} / 11 / 22} + std::chrono::minutes{i};
        fixture.ids.push_back(fixture.server.deliver(fixture.server.inbox(), mail(std::to_string(i)), plugin::utcText(received)));
    }
    REQUIRE(fixture.open());
    REQUIRE(fixture.select("INBOX"));
    int searches = 0;
    fixture.server.instead = [&](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
        if (request.operation == "FindItem" && ++searches == 2)
            for (std::size_t i = 0; i < 100; ++i) fixture.server.store().remove(fixture.ids[i]);
        return std::nullopt;
    };
    const auto listed = fixture.list({.receivedSince = std::chrono::sys_days{std::chrono::year{2026} / 11 / 1}, .filterBelow = 601});
    REQUIRE(listed);
    CHECK(listed->ordinals.size() == 500);  // those that are gone were known as there: a later listing tells
    CHECK(searches > 3);
}

SCENARIO("an index that cannot be written ends the listing with its own error", "[ews]") {
    Fixture fixture;
    fixture.begin(1);
    fixture.index->refuses = plugin::Error{Reaction::retryLater, Code::storeDiskFull, "no space"};
    CHECK(fixture.select("INBOX").error().code == Code::storeDiskFull);
}

namespace {

/// What the server answers, with one piece of it written otherwise.
void rewrite(Fixture& fixture, const std::string& operation, const std::string& from, const std::string& to) {
    fixture.server.instead = [&fixture, operation, from, to](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
        if (request.operation != operation) return std::nullopt;
        servers::EwsServer twin;  // the same folder
        for (std::size_t i = 1; i <= fixture.ids.size(); ++i) twin.deliver(twin.inbox(), mail(std::to_string(i)));
        auto answer = twin.answer(request);
        const auto at = answer.body.find(from);
        if (at != std::string::npos) answer.body.replace(at, from.size(), to);
        return answer;
    };
}

}  // namespace

SCENARIO("a search that does not say it is whole is not believed to be", "[ews]") {
    Fixture fixture;
    fixture.begin(3);
    const listener::ListRequest request{.receivedSince = std::chrono::sys_days{std::chrono::year{2026} / 11 / 1}, .filterBelow = 4};
    const auto* const said = GENERATE("IncludesLastItemInRange=\"false\"", "");
    rewrite(fixture, "FindItem", "IncludesLastItemInRange=\"true\"", said);
    const auto before = fixture.server.requests().size();
    const auto listed = fixture.list(request);
    REQUIRE_FALSE(listed);
    CHECK(listed.error().reaction == Reaction::retryLater);
    CHECK(fixture.server.requests().size() - before < 20);
    fixture.server.instead = {};
    CHECK(fixture.list(request)->ordinals.size() == 3);
}

SCENARIO("a change that does not say of what is not passed over", "[ews]") {
    Fixture fixture;
    fixture.begin(2);
    fixture.ids.push_back(fixture.server.deliver(fixture.server.inbox(), mail("3")));
    rewrite(fixture, "SyncFolderItems", "<t:ItemId Id=\"" + fixture.ids.back() + "\"", "<t:ItemId Id=\"\"");
    const auto kept = fixture.index->at(0).told.sync;
    const auto listed = fixture.select("INBOX");
    REQUIRE_FALSE(listed);
    CHECK((listed.error().code == Code::mailboxProtocol && listed.error().reaction == Reaction::reconnect));
    CHECK(fixture.index->at(0).told.sync == kept);
}

SCENARIO("a listing that makes no progress ends", "[ews]") {
    Fixture fixture;
    fixture.begin(2);
    int page = 0;
    fixture.server.instead = [&page](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
        if (request.operation != "SyncFolderItems") return std::nullopt;
        servers::EwsServer empty;
        auto asked = request;
        asked.body.erase(asked.body.find("<m:SyncState>"), asked.body.find("</m:SyncState>") + 14 - asked.body.find("<m:SyncState>"));
        auto answer = empty.answer(asked);
        answer.body.replace(answer.body.find("<m:SyncState>"), 13, "<m:SyncState>" + std::to_string(++page));
        answer.body.replace(answer.body.find("Range>true"), 10, "Range>false");
        if (page > 1000) return servers::EwsServer::fault("ErrorServerBusy");
        return answer;
    };
    const auto listed = fixture.select("INBOX");
    REQUIRE_FALSE(listed);
    CHECK((listed.error().code == Code::mailboxProtocol && page < 100));
}
