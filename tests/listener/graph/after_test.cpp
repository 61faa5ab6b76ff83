#include "tests/listener/graph/fixture.h"

using namespace graphtest;
using Kind = listener::AfterAction::Kind;

namespace {

struct Acting : Fixture {
    explicit Acting(int count = 3) {
        for (int i = 0; i < count; ++i) ids_.push_back(graph.deliver(mail("m"), "2026-11-22T08:15:" + std::to_string(10 + i % 50) + "Z"));
        std::stable_sort(ids_.begin(), ids_.end());
        enter();
        for (const auto& [id, entry] : kept->folders.begin()->second.items) numbers[id] = entry.item.ordinal;
        for (std::uint64_t i = 1; i <= static_cast<std::uint64_t>(count); ++i) all.push_back(i);
    }
    bool read(const std::string& id) {
        return graph.change([&id](GraphStore& store) { return store.find(id)->read; });
    }
    std::size_t unread() {
        std::size_t count = 0;
        for (const auto& id : ids_) count += read(id) ? 0U : 1U;
        return count;
    }
    std::string idOf(std::uint64_t number) const {
        for (const auto& [id, ordinal] : numbers)
            if (ordinal == number) return id;
        throw std::logic_error("no such number");
    }
    std::vector<std::string> ids_{};
    std::map<std::string, std::uint64_t> numbers{};
    Numbers all{};
};

}  // namespace

SCENARIO("messages are marked as read, twenty at a time", "[graph]") {
    Acting acting(45);
    REQUIRE(acting.after(Kind::seen, acting.all));
    CHECK(acting.unread() == 0);
    CHECK(acting.graph.count("POST /v1.0/$batch") == 3);
    CHECK(acting.graph.count("BATCH PATCH") == 45);
    CHECK(acting.graph.in("inbox").size() == 45);
}

SCENARIO("messages are removed into the deleted items", "[graph]") {
    Acting acting;
    REQUIRE(acting.after(Kind::remove, {1, 3}));
    CHECK(acting.graph.in("inbox") == Names{acting.idOf(2)});
    CHECK(acting.graph.in("deleteditems").size() == 2);
    CHECK(acting.list()->ordinals == Numbers{2});
    CHECK(acting.graph.count("DELETE") == 0);
    THEN("once more changes nothing") {
        REQUIRE(acting.after(Kind::remove, {1, 3}));
        CHECK(acting.graph.in("deleteditems").size() == 2);
    }
}

SCENARIO("messages are moved, into a folder that is made where there is none", "[graph]") {
    Acting acting;
    const auto target = GENERATE(as<std::string>(), "INBOX/Done/2026", "Done", "inbox/in//out", "Archiv");
    REQUIRE(acting.after(Kind::move, {1, 2}, target));
    CHECK(acting.graph.in("inbox") == Names{acting.idOf(3)});
    const auto made = acting.graph.count("/childFolders HTTP") + acting.graph.count("POST /v1.0/users/intake%40contoso.com/mailFolders");
    CHECK(made == (target == "INBOX/Done/2026" ? 2U : target == "Archiv" ? 0U : 1U));
    acting.renew();
    acting.enter(target);
    CHECK(acting.select(target)->exists == 2);
}

SCENARIO("seen+move does both", "[graph]") {
    Acting acting;
    REQUIRE(acting.after(Kind::seenAndMove, {2}, "Done"));
    CHECK(acting.read(acting.idOf(2)));
    CHECK(acting.graph.in("inbox").size() == 2);
    CHECK(acting.unread() == 2);
}

SCENARIO("an original whose copy is known to be there only goes", "[graph]") {
    Acting acting;
    REQUIRE(acting.after(Kind::move, {1, 2}, "Done", {2}));
    CHECK(acting.graph.in("deleteditems") == Names{acting.idOf(2)});
    CHECK(acting.graph.in("inbox") == Names{acting.idOf(3)});
}

SCENARIO("leave, and nothing to be done, ask nothing", "[graph]") {
    Acting acting;
    const auto before = acting.graph.requests().size();
    REQUIRE(acting.after(Kind::leave, {1}));
    REQUIRE(acting.after(Kind::seen, {}));
    CHECK(acting.graph.requests().size() == before);
}

SCENARIO("what is not there any more counts as done", "[graph]") {
    Acting acting;
    const auto kind = GENERATE(Kind::seen, Kind::remove, Kind::move);
    const auto gone = acting.idOf(2);
    const auto atTheLastMoment = GENERATE(true, false);
    acting.graph.onRequest([&](const std::string& line, GraphStore& store) {
        if ((!atTheLastMoment || line.find("$batch") != std::string::npos) && store.find(gone) != nullptr) store.remove(gone);
    });
    REQUIRE(acting.after(kind, {1, 2, 3}, "Done"));
    CHECK(acting.graph.in("inbox").size() == (kind == Kind::seen ? 2U : 0U));
}

SCENARIO("what somebody has moved elsewhere stays there", "[graph]") {
    Acting acting;
    const auto moved = acting.idOf(2);
    acting.graph.change([&moved](GraphStore& store) { return store.move(moved, store.folder("msgfolderroot", "Mine")), 0; });
    REQUIRE(acting.after(GENERATE(Kind::remove, Kind::move, Kind::seenAndMove), {1, 2, 3}, "Done"));
    CHECK(acting.graph.in("inbox").empty());
    CHECK(!acting.read(moved));
    CHECK(acting.graph.change([](GraphStore& store) { return store.in(store.folder("msgfolderroot", "Mine")); }) == Names{moved});
}

SCENARIO("a message that always fails does not hold up the others", "[graph]") {
    Acting acting(30);
    acting.graph.fail({.what = "BATCH PATCH /users/intake%40contoso.com/messages/AAkALg%2F0000008", .status = 500, .code = "", .times = 100});
    const auto done = acting.after(Kind::seen, acting.all);
    REQUIRE(!done);
    CHECK(done.error().reaction == Reaction::retryLater);
    CHECK(acting.unread() == 1);
}

SCENARIO("a target that vanishes at the last moment is not taken for messages that are gone", "[graph]") {
    Acting acting;
    acting.graph.onRequest([](const std::string& line, GraphStore& store) {
        const auto* done = store.findFolder(store.findFolder("msgfolderroot")->id, "Done");
        if (line.find("$batch") != std::string::npos && done != nullptr) store.removeFolder(done->id);
    });
    const auto moved = acting.after(Kind::move, {1, 2}, "Done");
    REQUIRE(!moved);
    CHECK(moved.error().code == Code::mailboxFolderMissing);
    CHECK(acting.graph.in("inbox").size() == 3);
    acting.graph.onRequest({});
    REQUIRE(acting.after(Kind::move, {1, 2}, "Done"));
    CHECK(acting.graph.in("inbox").size() == 1);
}

SCENARIO("a target somebody else makes at the same moment is used", "[graph]") {
    Acting acting;
    acting.graph.onRequest([](const std::string& line, GraphStore& store) {
        if (line.starts_with("POST /v1.0/users")) store.folder("msgfolderroot", "done");
    });
    REQUIRE(acting.after(Kind::move, {1}, "Done"));
    CHECK(acting.graph.in("inbox").size() == 2);
}

SCENARIO("requests of a $batch that are throttled are made again after the time that was asked for", "[graph]") {
    Acting acting(30);
    const auto before = acting.loop.clock().steady();
    const auto status = GENERATE(429, 503, 504);
    acting.graph.fail({.what = "BATCH PATCH", .status = status, .code = "", .headers = {{"Retry-After", "20"}}, .times = 4, .passes = 3});
    REQUIRE(acting.after(Kind::seen, acting.all));
    CHECK(acting.unread() == 0);
    CHECK(acting.graph.count("BATCH PATCH") == 34);
    CHECK(acting.loop.clock().steady() - before >= std::chrono::seconds{20});
}

SCENARIO("a $batch that is throttled as a whole waits too, and not for ever", "[graph]") {
    Acting acting;
    GIVEN("once") {
        acting.graph.fail({.what = "$batch", .status = 429, .code = "", .headers = {{"Retry-After", "2"}}});
        REQUIRE(acting.after(Kind::seen, acting.all));
        CHECK(acting.unread() == 0);
    }
    GIVEN("a long time") {
        acting.graph.fail({.what = "$batch", .status = 429, .code = "", .headers = {{"Retry-After", "600"}}});
        const auto before = acting.loop.clock().steady();
        const auto done = acting.after(Kind::seen, acting.all);
        REQUIRE(!done);
        CHECK(done.error().code == Code::mailboxThrottled);
        CHECK(done.error().retryAfter == std::chrono::seconds{600});
        CHECK(acting.loop.clock().steady() - before < std::chrono::seconds{1});
    }
    GIVEN("again and again, without a time") {
        acting.graph.fail({.what = "$batch", .status = 503, .code = "", .times = 1000});
        const auto done = acting.after(Kind::seen, acting.all);
        REQUIRE(!done);
        CHECK(done.error().code == Code::mailboxThrottled);
        CHECK(acting.graph.count("$batch") < 10);
    }
}

SCENARIO("requests of a $batch that stay without an answer are made again", "[graph]") {
    Acting acting;
    acting.graph.fail({.what = "BATCH PATCH", .status = 0, .code = "", .times = 2});
    REQUIRE(acting.after(Kind::seen, acting.all));
    CHECK(acting.unread() == 0);
    CHECK(acting.graph.count("BATCH PATCH") == 5);
}

SCENARIO("a conflict is repeated", "[graph]") {
    Acting acting;
    const auto [status, code] = GENERATE(table<int, std::string>({{412, "ErrorIrresolvableConflict"}, {409, "Conflict"}, {500, ""}}));
    acting.graph.fail({.what = "BATCH POST", .status = status, .code = code});
    REQUIRE(acting.after(Kind::move, acting.all, "Done"));
    CHECK(acting.graph.in("inbox").empty());
}

SCENARIO("what is refused is told, and does not hold up the others", "[graph]") {
    Acting acting(25);
    acting.graph.fail({.what = "BATCH PATCH", .status = 403, .code = "ErrorAccessDenied"});
    const auto done = acting.after(Kind::seen, acting.all);
    REQUIRE(!done);
    CHECK(done.error().reaction == Reaction::askOperator);
    CHECK(done.error().code == Code::mailboxAccess);
    CHECK(acting.unread() == 1);
}

SCENARIO("a folder that may not be made is told", "[graph]") {
    Acting acting;
    acting.graph.fail({.what = "POST /v1.0/users", .status = 403, .code = "ErrorAccessDenied"});
    const auto done = acting.after(Kind::move, {1}, "Done");
    REQUIRE(!done);
    CHECK(done.error().code == Code::mailboxAccess);
    CHECK(acting.graph.in("inbox").size() == 3);
}

SCENARIO("a token that is refused within a $batch is reported", "[graph]") {
    Acting acting;
    acting.graph.fail({.what = "BATCH PATCH", .status = 401, .code = "InvalidAuthenticationToken", .times = 3});
    const auto done = acting.after(Kind::seen, acting.all);
    REQUIRE(!done);
    CHECK(done.error().reaction == Reaction::reauthenticate);
    CHECK(acting.access.tokens().refusals == 1);
}

SCENARIO("an answer to a $batch that is none changes nothing here", "[graph]") {
    Acting acting;
    const auto body = GENERATE(as<std::string>(), "{}", R"({"responses":[{"id":"99","status":200}]})", "<html>");
    acting.graph.fail({.what = "$batch", .status = 200, .body = body});
    const auto done = acting.after(Kind::seen, acting.all);
    REQUIRE(!done);
    CHECK(done.error().code == Code::mailboxProtocol);
}

SCENARIO("large messages do not make an answer too large", "[graph]") {
    Fixture fixture;
    const auto large = mail("large", 4'000'000);
    Numbers all;
    for (int i = 0; i < 18; ++i) fixture.graph.deliver(large), all.push_back(all.size() + 1);
    fixture.enter();
    GIVEN("that are marked as read: nobody asked to see them") {
        REQUIRE(fixture.after(Kind::seen, all));
        CHECK(fixture.graph.count("POST /v1.0/$batch") == 1);
    }
    GIVEN("that are moved: what was done without our hearing of it is not done again") {
        REQUIRE(fixture.after(Kind::remove, all));
        CHECK(fixture.graph.in("deleteditems").size() == 18);
        CHECK(fixture.graph.count("BATCH POST") == 18);
    }
}

SCENARIO("what is too much for one answer is asked for one by one", "[graph]") {
    Acting acting;
    GIVEN("an answer that is too large") {
        acting.graph.fail({.what = "$batch", .status = 200, .body = std::string((64U << 20U) + 1, ' ')});
        REQUIRE(acting.after(Kind::remove, acting.all));
        CHECK(acting.graph.in("inbox").empty());
        CHECK(acting.graph.count("POST /v1.0/$batch") == 4);
    }
    GIVEN("one that breaks off") {
        acting.graph.cut("$batch", 20);
        REQUIRE(acting.after(Kind::seen, acting.all));
        CHECK(acting.graph.count("POST /v1.0/$batch") == 4);
    }
    GIVEN("none at all, for one of them neither") {
        acting.graph.cut("$batch", 20, 1000);
        const auto done = acting.after(Kind::seen, acting.all);
        REQUIRE(!done);
        CHECK(done.error().reaction == Reaction::reconnect);
        CHECK(acting.graph.count("POST /v1.0/$batch") == 2);
    }
}

SCENARIO("more than Graph allows in its time is throttled within the $batch too", "[graph]") {
    Acting acting(45);
    acting.graph.limit({.requests = 30, .window = std::chrono::seconds{40}, .now = [&acting] { return acting.loop.clock().steady(); }});
    REQUIRE(acting.after(Kind::remove, acting.all));
    CHECK(acting.graph.in("deleteditems").size() == 45);
    CHECK(acting.graph.count("BATCH POST") > 45);
}

SCENARIO("a wait that is stopped ends", "[graph]") {
    Acting acting;
    acting.graph.fail({.what = "$batch", .status = 429, .code = "", .headers = {{"Retry-After", "30"}}, .times = 100});
    acting.loop.at(acting.loop.clock().steady() + std::chrono::seconds{3}, [&acting] { acting.stop.request_stop(); });
    const auto done = acting.after(Kind::seen, acting.all);
    REQUIRE(!done);
    CHECK(done.error().code == Code::channelStopped);
}
