// Directed scenarios on simulated ground: what servers are known to do, with what has to come of it.
#include "tests/simulation/stage.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <string>
#include <utility>

using namespace simulation;
using namespace std::chrono_literals;
using plugin::Mode;
using plugin::Steady;

namespace {

struct AfterWay {
    std::string after, folder;
    bool move = true;
};

}  // namespace

SCENARIO("a drain that is cut behind any line of any dialogue is made good by the next one, whatever is done with the mail", "[scenario]") {
    const auto way = GENERATE(AfterWay{"leave", "INBOX"}, AfterWay{"seen", "INBOX"}, AfterWay{"delete", ""}, AfterWay{"move:Done", "Done"},
                              AfterWay{"seen+move:Done", "Done"}, AfterWay{"move:Done", "Done", false});
    const bool reset = GENERATE(false, true);
    Setting setting{.words = {"after = " + way.after}};
    if (!way.move) setting.capabilities.erase("MOVE");
    INFO("after = " << way.after << (way.move ? "" : " without MOVE") << (reset ? ", reset" : ", cut in order"));
    Stage stage{setting};
    std::uint64_t line = 0;
    std::size_t copies = 0;
    unsigned twice = 0;
    for (bool cut = true; cut;) {
        INFO("behind line " << ++line);
        REQUIRE(line < 500);
        for (int i = 0; i < 3; ++i) stage.arrive();
        stage.begin(Mode::once);
        stage.process().network().cutAfterLine(line, reset);
        stage.pass(1h);
        cut = stage.process().network().lines() >= line;
        const auto status = stage.ended();
        CHECK((status == 0 || (cut && status == 75)));
        REQUIRE(stage.once() == 0);
        stage.checkAllDelivered();
        if (way.folder != "INBOX") CHECK(stage.server().folders["INBOX"].mails.empty());
        const auto before = std::exchange(copies, way.folder.empty() ? 0 : stage.checkHeld(way.folder));
        CHECK(copies - before <= (way.move ? 0U : 3U));  // a COPY nobody heard the end of is done again
        twice += copies > before ? 1 : 0;
    }
    CHECK(line > 25);
    CHECK(twice <= 3);  // the line of the COPY is not the same in all dialogues: a server may list its capabilities unasked
    if (way.after == "seen")
        for (const auto& mail : stage.server().folders["INBOX"].mails) CHECK(mail.flags.contains("\\Seen"));
}

SCENARIO("a service that is cut off behind any line comes back and loses nothing", "[scenario]") {
    const auto way = GENERATE(AfterWay{"seen", "INBOX"}, AfterWay{"move:Done", "Done"});
    const bool reset = GENERATE(false, true);
    INFO("after = " << way.after << (reset ? ", reset" : ", cut in order"));
    std::uint64_t line = 0;
    for (bool cut = true; cut;) {
        INFO("behind line " << ++line);
        REQUIRE(line < 500);
        Stage stage{{.words = {"after = " + way.after}, .seed = line}};
        stage.arrive();
        stage.begin(Mode::service);
        stage.process().network().cutAfterLine(line, reset);
        for (int i = 0; i < 3; ++i) {
            stage.pass(20s);  // by now it waits in IDLE
            stage.arrive();
        }
        stage.pass(20s);
        cut = stage.process().network().lines() >= line;
        stage.pass(1min, [&] { return stage.delivered() == 4; });
        CHECK(stage.delivered() == 4);
        stage.pass(5s);
        CHECK(stage.is("ok"));
        CHECK(stage.failures() <= 1);
        CHECK(stage.server().mostSessions == 1);
        CHECK(stage.end() == 0);
        stage.checkAllDelivered();
        CHECK(stage.checkHeld(way.folder) == 0);
    }
    CHECK(line > 60);
}

SCENARIO("tokens of a minute serve an hour, whether the server ends sessions with them or not", "[scenario]") {
    const bool ends = GENERATE(false, true);
    const bool idle = GENERATE(true, false);
    INFO((ends ? "sessions end with their token" : "sessions go on") << (idle ? ", IDLE" : ", polled"));
    Setting setting{.words = {"after = seen", "interval = 30s"}, .tokenLife = 60s};
    if (!idle) setting.capabilities.erase("IDLE");
    Stage stage{setting};
    stage.server().endsWithToken = ends;
    stage.begin(Mode::service);
    for (int minute = 0; minute < 60; ++minute) {
        stage.arrive();
        stage.pass(1min);
        if (minute > 0) CHECK(stage.is("ok"));
    }
    stage.pass(1min);
    CHECK(stage.failures() == 0);
    CHECK(stage.tokens().issued <= 3600 / 60 + 2);
    CHECK(stage.server().mostSessions == 1);
    CHECK(stage.end() == 0);
    stage.checkAllDelivered();
}

SCENARIO("a day of looking every thirty seconds costs few tokens and few sign-ins", "[scenario]") {
    const bool ends = GENERATE(false, true);
    INFO((ends ? "sessions end with their token" : "sessions go on"));
    Setting setting{.words = {"after = seen", "interval = 30s"}};
    setting.capabilities.erase("IDLE");
    Stage stage{setting};
    stage.server().endsWithToken = ends;
    stage.begin(Mode::service);
    for (int hour = 0; hour < 24; ++hour) {
        for (int i = 0; i < 5; ++i) stage.arrive();
        stage.pass(1h);
        CHECK(stage.is("ok"));
    }
    CHECK(stage.failures() == 0);
    CHECK(stage.tokens().issued <= 24 + 2);
    CHECK(stage.server().signIns <= 50);
    CHECK(stage.end() == 0);
    stage.checkAllDelivered();
}

SCENARIO("a server that does not find a folder whenever it shall be watched is asked every interval, and people are told once", "[scenario]") {
    Stage stage{{.words = {"folders = INBOX, Orders"}}};
    stage.server().folders["Orders"];
    std::size_t asked = 0, selects = 0;
    stage.server().instead = [&](const std::string& command) -> std::optional<std::string> {
        ++asked;
        if (command != "SELECT" || ++selects % 3 != 0) return std::nullopt;  // each is looked into, then the first one watched
        return "NO [NONEXISTENT] there is no such folder";
    };
    stage.begin(Mode::service);
    for (int mail = 0; mail < 18 && asked < 2'000; ++mail) {  // not for an hour: then each is looked into once more, for the accounts
        stage.arrive();
        stage.pass(3min, [&] { return asked >= 2'000; });
        CHECK(stage.delivered() == stage.sent());
        CHECK(stage.is("ok"));
    }
    CHECK(selects % 3 == 0);  // it waits
    CHECK(selects > 150);
    CHECK(asked < 400);
    const std::string told = "a folder cannot be watched";
    const auto first = stage.shown().find(told);
    REQUIRE(first != std::string::npos);
    CHECK(stage.shown().find(told, first + 1) == std::string::npos);
    CHECK(stage.failures() == 0);
    stage.server().instead = nullptr;
    stage.pass(1min + 1s);
    stage.arrive();
    stage.pass(10s);
    CHECK(stage.delivered() == stage.sent());  // it tells again
    CHECK(stage.end() == 0);
    stage.checkAllDelivered();
}

SCENARIO("an account that is authenticated but not connected costs no further tokens", "[scenario]") {
    Stage stage{{.mailboxes = 2, .words = {"after = seen"}}};
    stage.server().instead = [](const std::string& command) -> std::optional<std::string> {
        if (command == "AUTHENTICATE" || command == "CAPABILITY" || command == "LOGOUT") return std::nullopt;
        return "BAD User is authenticated but not connected.";
    };
    stage.arrive(0);
    stage.begin(Mode::service);
    stage.pass(3h);
    CHECK(stage.is("blocked"));
    CHECK(stage.is("ok", 1));
    CHECK(stage.tokens().issued <= 3 + 2);  // what the other mailbox needs in these hours
    CHECK(stage.server().signIns <= 20);
    stage.server().instead = nullptr;
    stage.pass(20min);
    CHECK(stage.is("ok"));
    CHECK(stage.end() == 0);
    stage.checkAllDelivered();
}

SCENARIO("a server that asks for time is given it, and no other mailbox notices", "[scenario]") {
    const std::string at = GENERATE("UID FETCH", "UID SEARCH", "SELECT", "UID STORE", "IDLE", "AUTHENTICATE");
    const auto asked = 92'415ms;
    INFO("at " << at);
    Stage stage{{.mailboxes = 3, .words = {"after = seen"}}};
    std::optional<Steady> said, next;
    stage.server().instead = [&](const std::string& command) -> std::optional<std::string> {
        if (command == "LOGOUT") return std::nullopt;                  // leaving is what it wants
        if (said && !next && stage.now() > *said) next = stage.now();  // what came together with it was on the way
        if (said || command != at) return std::nullopt;
        said = stage.now();
        return "NO Request is throttled. Suggested Backoff Time: " + std::to_string(asked.count()) + " milliseconds";
    };
    stage.begin(Mode::service);
    stage.arrive(0);
    stage.pass(10s);
    REQUIRE(said);
    for (int i = 0; i < 10; ++i) {
        stage.arrive(1);
        stage.arrive(2);
        stage.pass(8s);
        CHECK(stage.delivered(1) == static_cast<std::size_t>(i + 1));
        CHECK(stage.delivered(2) == static_cast<std::size_t>(i + 1));
    }
    stage.pass(10min);
    REQUIRE(next);
    CHECK(*next - *said >= asked);
    CHECK(stage.is("ok"));
    CHECK(stage.end() == 0);
    stage.checkAllDelivered();
}

SCENARIO("a server that accepts and drops is not asked more than twenty times in the first hour", "[scenario]") {
    const std::string at = GENERATE("CAPABILITY", "ID", "SELECT", "UID SEARCH", "UID FETCH", "IDLE");
    INFO("at " << at);
    Stage stage{{.words = {"after = seen"}}};
    stage.arrive();
    stage.server().instead = [&](const std::string& command) -> std::optional<std::string> {
        if (command == at) return "";
        return std::nullopt;
    };
    stage.begin(Mode::service);
    stage.pass(1h);
    CHECK(stage.server().signIns <= 20);
    CHECK(stage.tokens().issued <= 2);
    stage.server().instead = nullptr;
    stage.pass(7min);
    CHECK(stage.is("ok"));
    CHECK(stage.end() == 0);
    stage.checkAllDelivered();
}

SCENARIO("a thousand forced reconnections never make more than one session a mailbox", "[scenario]") {
    Stage stage{{.mailboxes = 4, .words = {"after = seen"}, .tokenLife = 600s}};
    stage.begin(Mode::service);
    Dice dice{3};
    const auto signIns = [&] {
        std::uint64_t all = 0;
        for (std::size_t i = 0; i < 4; ++i) all += stage.server(i).signIns;
        return all;
    };
    int cuts = 0;
    for (; signIns() < 1'004 && cuts < 5'000; ++cuts) {
        stage.arrive(dice.below(4));
        stage.pass(std::chrono::milliseconds(dice.below(dice.oneIn(10) ? 900'000 : 60'000)));
        auto& network = stage.process().network();
        if (dice.oneIn(2)) {
            network.setDown(true);
            stage.pass(std::chrono::milliseconds(dice.below(20'000)));
            network.setDown(false);
        } else {
            network.cutAfterLine(1 + dice.below(60), dice.oneIn(2));
        }
    }
    CHECK(signIns() >= 1'004);
    stage.pass(30min);
    for (std::size_t i = 0; i < 4; ++i) {
        CHECK(stage.server(i).mostSessions == 1);
        CHECK(stage.is("ok", i));
    }
    CHECK(stage.end() == 0);
    stage.checkAllDelivered();
}

SCENARIO("UIDs that are given out a second time within what was just recognised are new mail", "[scenario]") {
    const auto capability = GENERATE("IDLE", "NOTIFY");
    Stage stage{{.words = {"after = leave"}}};
    stage.server().capabilities.insert(capability);
    for (int i = 0; i < 10; ++i) stage.arrive();
    stage.begin(Mode::service);
    stage.pass(1min);
    REQUIRE(stage.delivered() == 10);
    stage.server().rebuild("INBOX", 77, false);
    stage.pass(10min);
    REQUIRE(stage.delivered() == 10);
    stage.server().fallBack("INBOX", stage.server().folders["INBOX"].mails[4].uid);  // a backup of before the last six
    for (int i = 0; i < 3; ++i) stage.arrive();
    auto& inbox = stage.server().folders["INBOX"];
    inbox.next = inbox.mails.back().uid + 1;  // without a gap: a UIDNEXT that has grown past what is known tells nothing
    stage.pass(10min);
    CHECK(stage.is("ok"));
    CHECK(stage.end() == 0);
    stage.checkAllDelivered();
}

SCENARIO("a mail that was under way at a kill and moved away before the next start keeps its id, the newest of its folder, too", "[scenario]") {
    const bool newest = GENERATE(true, false);
    INFO((newest ? "the newest" : "one came after it"));
    Stage stage{{.words = {"folders = INBOX,Orders", "after = leave"}, .deliver = "hook"}};
    auto& server = stage.server();
    server.folders["Orders"];
    stage.begin(Mode::service);
    stage.pass(10s);
    stage.arrive();
    stage.hook().always = Badly::takesAndHangs;
    stage.pass(1min, [&] { return stage.hook().taken.size() == 1; });
    REQUIRE(stage.hook().taken.size() == 1);
    stage.kill();
    stage.hook().always.reset();
    if (!newest) stage.arrive();
    server.moveByOthers("INBOX", server.folders["INBOX"].mails.front().uid, "Orders");
    stage.begin(Mode::service);
    stage.pass(10min);
    CHECK(stage.hook().repeats == 1);
    CHECK(stage.is("ok"));
    CHECK(stage.end() == 0);
    stage.checkAllDelivered();
}

SCENARIO("mails in a folder that is renamed while another takes its name are still marked once a late sink has them", "[scenario]") {
    const bool sameValidity = GENERATE(true, false);
    INFO((sameValidity ? "with their UIDVALIDITY" : "with new ones"));
    Stage stage{{.words = {"after = seen", "folders = Orders*"}, .deliver = "s,hook"}};
    auto& server = stage.server();
    server.folders["Orders/a"].validity = 9;
    server.folders["Orders/c"].validity = 19;
    for (int i = 0; i < 3; ++i) stage.arrive(0, "Orders/a");
    stage.arrive(0, "Orders/c");
    stage.hook().always = Badly::serverError;
    stage.begin(Mode::service);
    stage.pass(10min);
    REQUIRE(stage.delivered() == 4);
    CHECK(stage.end() == 0);
    stage.hook().always.reset();
    server.renameByOthers("Orders/a", "Orders/b", sameValidity ? 9 : 10);
    server.renameByOthers("Orders/c", "Orders/a", sameValidity ? 19 : 20);
    stage.begin(Mode::service);
    stage.pass(20min);
    CHECK(stage.is("ok"));
    CHECK(stage.end() == 0);
    stage.checkAllDelivered();
    for (const auto* folder : {"Orders/a", "Orders/b"})
        for (const auto& mail : server.folders[folder].mails) CHECK(mail.flags.contains("\\Seen"));
}

SCENARIO("a folder that is renamed there and back keeps what is known of its mail", "[scenario]") {
    const bool sameValidity = GENERATE(true, false);
    const bool seenBetween = GENERATE(true, false);
    INFO((sameValidity ? "with its UIDVALIDITY" : "with a new one each time") << (seenBetween ? ", looked at in between" : ", unseen"));
    Stage stage{{.words = {"after = leave", "folders = Orders*"}}};
    stage.server().folders["Orders/a"].validity = 9;
    for (int i = 0; i < 6; ++i) stage.arrive(0, "Orders/a");
    stage.begin(Mode::service);
    stage.pass(10min);
    REQUIRE(stage.delivered() == 6);
    stage.server().renameByOthers("Orders/a", "Orders/b", sameValidity ? 9 : 10);
    if (seenBetween) stage.pass(15min);
    stage.arrive(0, "Orders/b");
    if (seenBetween) stage.pass(15min);
    stage.server().renameByOthers("Orders/b", "Orders/a", sameValidity ? 9 : 11);
    stage.pass(15min);
    stage.arrive(0, "Orders/a");
    stage.pass(15min);
    CHECK(stage.is("ok"));
    CHECK(stage.end() == 0);
    stage.checkAllDelivered();
}
