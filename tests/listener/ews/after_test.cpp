#include "tests/listener/ews/fixture.h"

using namespace ewstest;
using plugin::Code;
using plugin::Reaction;
using Kind = listener::AfterAction::Kind;
using Names = Fixture::Names;

SCENARIO("messages are marked, removed and moved", "[ews]") {
    Fixture fixture;
    fixture.begin(3);
    auto& store = fixture.server.store();
    GIVEN("nothing to do") {
        REQUIRE(fixture.after({Kind::leave}, {1, 2, 3}));
        CHECK(fixture.server.operations().size() == 2);
    }
    GIVEN("seen") {
        REQUIRE(fixture.after({Kind::seen}, {1, 3}));
        CHECK((store.item(fixture.ids[0])->isRead && !store.item(fixture.ids[1])->isRead && store.item(fixture.ids[2])->isRead));
    }
    GIVEN("seen, of things that are no plain messages") {
        store.item(fixture.ids[0])->element = "MeetingRequest";
        store.item(fixture.ids[1])->element = "Contact";
        REQUIRE(fixture.after({Kind::seen}, {1, 2, 3}));
        CHECK((store.item(fixture.ids[0])->isRead && !store.item(fixture.ids[1])->isRead && store.item(fixture.ids[2])->isRead));
        const auto asked = fixture.server.requests().size();
        REQUIRE(fixture.after({Kind::seen}, {1, 2, 3}));
        CHECK(fixture.server.requests().size() == asked + 1);  // nothing is left to mark
    }
    GIVEN("remove") {
        REQUIRE(fixture.after({Kind::remove}, {1, 2}));
        CHECK(store.itemsOf(store.distinguished("inbox")).size() == 1);
        CHECK(store.itemsOf(store.distinguished("deleteditems")).size() == 2);
        REQUIRE(fixture.after({Kind::remove}, {1, 2, 3}));  // two are gone: done
        CHECK(store.itemsOf(store.distinguished("deleteditems")).size() == 3);
    }
    GIVEN("move to a folder that is there") {
        const auto done = store.addFolder(store.distinguished("inbox"), "Done");
        REQUIRE(fixture.after({Kind::move, "INBOX/Done"}, {2}));
        CHECK((store.itemsOf(done).size() == 1 && store.item(fixture.ids[1]) == nullptr));
        REQUIRE(fixture.after({Kind::move, "INBOX/Done"}, {2}));
        CHECK(store.itemsOf(done).size() == 1);
        CHECK(fixture.list()->ordinals.size() == 3);  // as select() saw it
        CHECK(fixture.list()->ordinals == std::vector<std::uint64_t>{1, 3});
    }
    GIVEN("seen and move to a folder that is not") {
        REQUIRE(fixture.after({Kind::seenAndMove, "Archiv/2026"}, {1, 2, 3}));
        const auto* parent = store.child("", "Archiv");
        REQUIRE(parent != nullptr);
        const auto* made = store.child(parent->id, "2026");
        REQUIRE(made != nullptr);
        const auto moved = store.itemsOf(made->id);
        CHECK((moved.size() == 3 && moved[0]->isRead));
        const auto asked = fixture.server.operations();
        CHECK(std::count(asked.begin(), asked.end(), "CreateFolder") == 2);
    }
}

SCENARIO("a target that somebody has removed is made again, once", "[ews]") {
    Fixture fixture;
    fixture.begin(3);
    auto& store = fixture.server.store();
    const auto done = store.addFolder("", "Done");
    REQUIRE(fixture.after({Kind::move, "Done"}, {1}));
    store.removeFolder(done);
    REQUIRE(fixture.after({Kind::move, "Done"}, {2}));
    CHECK(store.itemsOf(store.child("", "Done")->id).size() == 1);
    GIVEN("one that cannot be made") {
        store.removeFolder(store.child("", "Done")->id);
        fixture.server.instead = [](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
            if (request.operation == "CreateFolder") return servers::EwsServer::refusal("CreateFolder", "ErrorAccessDenied");
            return std::nullopt;
        };
        CHECK(fixture.after({Kind::move, "Done"}, {3}).error().code == Code::mailboxAccess);
    }
    GIVEN("one that somebody else has made in the same moment") {
        store.removeFolder(store.child("", "Done")->id);
        fixture.server.instead = [&store](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
            if (request.operation == "CreateFolder") store.addFolder("", "Done");
            return std::nullopt;
        };
        REQUIRE(fixture.after({Kind::move, "Done"}, {3}));
    }
}

SCENARIO("one message that is refused stops no other", "[ews]") {
    Fixture fixture;
    fixture.begin(5);
    fixture.server.instead = [&fixture](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
        if (request.operation != "UpdateItem" || request.body.find(fixture.ids[2]) == std::string::npos) return std::nullopt;
        return servers::EwsServer::refusal("UpdateItem", "ErrorItemSavePropertyError");  // of the first; the others are not even mentioned
    };
    const auto done = fixture.after({Kind::seen}, {1, 2, 3, 4, 5});
    REQUIRE_FALSE(done);
    CHECK((done.error().reaction == Reaction::retryLater && done.error().what.find("ErrorItemSavePropertyError") != std::string::npos));
    for (const std::size_t i : {0, 1, 3, 4}) CHECK(fixture.server.store().item(fixture.ids[i])->isRead);
}

SCENARIO("one message that makes a request for several fail stops no other", "[ews]") {
    Fixture fixture;
    fixture.begin(15);
    std::vector<std::uint64_t> all;
    for (std::uint64_t i = 1; i <= 15; ++i) all.push_back(i);
    GIVEN("one that is refused with a fault") {
        const auto* code = GENERATE("ErrorInternalServerError", "ErrorItemCorrupt", "ErrorTimeoutExpired");
        fixture.server.instead = [&fixture, code](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
            if (request.operation != "UpdateItem" || request.body.find(fixture.ids[2]) == std::string::npos) return std::nullopt;
            return servers::EwsServer::fault(code);
        };
        const auto done = fixture.after({Kind::seen}, all);
        REQUIRE_FALSE(done);
        CHECK(done.error().what.find(code) != std::string::npos);
        for (std::size_t i = 0; i < 15; ++i)
            if (i != 2) CHECK(fixture.server.store().item(fixture.ids[i])->isRead);
    }
    GIVEN("a server that is ill altogether") {
        fixture.server.instead = [](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
            if (request.operation != "DeleteItem") return std::nullopt;
            return servers::EwsServer::fault("ErrorInternalServerError");
        };
        const auto before = fixture.server.requests().size();
        CHECK(fixture.after({Kind::remove}, all).error().code == Code::mailboxCommandRefused);
        CHECK(fixture.server.requests().size() - before <= 10);
    }
}

SCENARIO("a busy server is left alone", "[ews]") {
    Fixture fixture;
    fixture.begin(1);
    fixture.server.instead = [](const servers::EwsRequest& request) {
        return servers::EwsServer::refusal(request.operation, "ErrorServerBusy", 3000);
    };
    const auto done = fixture.after({Kind::remove}, {1});
    REQUIRE_FALSE(done);
    CHECK((done.error().code == Code::mailboxThrottled && done.error().retryAfter == std::chrono::seconds{3}));
    CHECK(fixture.server.requests().size() == 3);
}
