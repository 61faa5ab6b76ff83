// The sessions of EWS and Graph with the whole engine on simulated ground: lines that are cut, servers that ask for time, and servers that do not
// tell.
#include "tests/simulation/exchange_wire.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <string>

using namespace simulation;
using namespace std::chrono_literals;
using plugin::Mode;
using plugin::Steady;

namespace {

/// What becomes of the mails of a mailbox.
struct AfterWay {
    std::string after, folder;  ///< where they lie then
    std::uint64_t resets = 0;   ///< cuts behind every even or every odd line are resets, the others are in order
};

/// A drain of three mails that is cut, one that is not, and what has come of all of them so far. Answers whether it was cut.
template <class CutAt>
bool drain(ExchangeWire& wire, const AfterWay& way, CutAt cutAt) {
    for (int i = 0; i < 3; ++i) wire.arrive();
    wire.begin(Mode::once);
    auto& network = wire.process().network();
    const auto reached = cutAt(network);
    wire.pass(1h);
    const bool cut = reached(network);
    const auto status = wire.ended();
    CHECK((status == 0 || (cut && status == 75)));
    REQUIRE(wire.once() == 0);
    wire.checkAllDelivered();
    if (way.folder != "INBOX") CHECK(wire.in("INBOX") == 0);
    CHECK(wire.in(way.folder) == wire.sent());
    if (way.after == "seen") CHECK(wire.seen() == wire.sent());
    return cut;
}

}  // namespace

SCENARIO("a drain of Exchange that is cut behind any line of any dialogue is made good by the next one, whatever is done with the mail", "[wire]") {
    const std::string protocol = GENERATE("ews", "graph");
    const auto way =
        GENERATE(AfterWay{"leave", "INBOX", 0}, AfterWay{"seen", "INBOX", 1}, AfterWay{"delete", "bin", 0}, AfterWay{"move:Done", "Done", 1});
    INFO(protocol << ", after = " << way.after);
    ExchangeWire wire{{.protocol = protocol, .words = {"after = " + way.after}}};
    std::uint64_t line = 0;
    for (bool cut = true; cut;) {
        INFO("behind line " << ++line);
        REQUIRE(line < 1000);
        cut = drain(wire, way, [line, &way](SimNetwork& network) {
            network.cutAfterLine(line, line % 2 == way.resets);
            return [line](const SimNetwork& passed) { return passed.lines() >= line; };
        });
    }
    CHECK(line > 60);
}

SCENARIO("a drain of Exchange that is cut within its answers is made good by the next one", "[wire]") {
    const std::string protocol = GENERATE("ews", "graph");
    const AfterWay way{"move:Done", "Done"};
    INFO(protocol);
    ExchangeWire wire{{.protocol = protocol, .words = {"after = " + way.after}, .seed = 2}};
    constexpr std::uint64_t step = 61;
    std::uint64_t octet = 1;
    for (bool cut = true; cut; octet += step) {
        INFO("behind octet " << octet);
        REQUIRE(octet < 200'000);
        cut = drain(wire, way, [octet](SimNetwork& network) {
            network.cutAfterOctet(octet, octet % 2 == 0);
            return [octet](const SimNetwork& passed) { return passed.octets() >= octet; };
        });
    }
    CHECK(octet > 5'000);
}

SCENARIO("a drain of Exchange that is killed when any line has passed is made good by the next one, with the same octets", "[wire]") {
    const std::string protocol = GENERATE("ews", "graph");
    const auto way = GENERATE(AfterWay{"leave", "INBOX"}, AfterWay{"move:Done", "Done"});
    INFO(protocol << ", after = " << way.after);
    ExchangeWire wire{{.protocol = protocol, .words = {"after = " + way.after}, .seed = 3}};
    std::uint64_t line = 0;
    for (bool killed = true; killed;) {
        INFO("after line " << ++line);
        REQUIRE(line < 1000);
        for (int i = 0; i < 3; ++i) wire.arrive();
        wire.begin(Mode::once);
        wire.pass(1h, [&] { return wire.process().network().lines() >= line; });
        killed = !wire.process().ended();
        if (killed)
            wire.kill();
        else
            CHECK(wire.ended() == 0);
        REQUIRE(wire.once() == 0);
        wire.checkAllDelivered();
        CHECK(wire.in(way.folder) == wire.sent());
    }
    CHECK(line > 60);
}

SCENARIO("a service of Exchange that is cut off behind any line comes back and loses nothing", "[wire]") {
    const std::string protocol = GENERATE("ews", "graph");
    const bool reset = GENERATE(false, true);
    INFO(protocol << (reset ? ", reset" : ", cut in order"));
    std::uint64_t line = reset ? 1 : 3;
    for (bool cut = true; cut; line += 5) {
        INFO("behind line " << line);
        REQUIRE(line < 1000);
        ExchangeWire wire{{.protocol = protocol, .words = {"after = move:Done", "interval = 5s"}, .seed = line}};
        wire.arrive();
        wire.begin(Mode::service);
        wire.process().network().cutAfterLine(line, reset);
        for (int i = 0; i < 3; ++i) {
            wire.pass(20s);  // by now it waits for news
            wire.arrive();
        }
        wire.pass(20s);
        cut = wire.process().network().lines() >= line;
        wire.pass(2min, [&] { return wire.delivered() == 4 && wire.hook().taken.size() == 4; });
        CHECK(wire.delivered() == 4);
        wire.pass(20s);
        CHECK(wire.is("ok"));
        CHECK(wire.failures() <= 1);
        CHECK(wire.end() == 0);
        wire.checkAllDelivered();
        CHECK(wire.in("Done") == 4);
    }
    CHECK(line > 60);
}

namespace {

using Refusal = ExchangeWire::Refusal;

/// How a server asks for time, and how much it gets: what it asked for, or what is usual where it does not say.
struct Throttle {
    std::string protocol;
    Refusal refusal;
    std::chrono::milliseconds rest;
};

std::vector<Throttle> throttles() {
    std::vector<Throttle> all;
    for (const auto* at : {"GetFolder", "SyncFolderItems", "GetItem", "UpdateItem", "Subscribe", "GetStreamingEvents"}) {
        all.push_back({"ews", {.what = at, .code = "ErrorServerBusy", .backOff = 92'415}, 92'415ms});
        all.push_back({"ews", {.what = at, .code = "ErrorServerBusy", .backOff = 92'415, .inMessage = true}, 92'415ms});
        all.push_back({"ews", {.what = at, .status = 503, .retryAfter = "92"}, 92s});
        all.push_back({"ews", {.what = at, .status = 503}, 2s});
        all.push_back({"ews", {.what = at, .status = 429, .retryAfter = "92"}, 92s});
        all.push_back({"ews", {.what = at, .status = 429}, 2s});
        all.push_back({"ews", {.what = at, .code = "ErrorExceededConnectionCount"}, 30s});
    }
    for (const std::string at : {"mailFolders/inbox", "/delta", "$value", "$batch", "BATCH PATCH"}) {
        const auto usual = at == "$batch" || at == "BATCH PATCH" ? 1s : 2s;
        all.push_back({"graph", {.what = at, .status = 429, .code = "ApplicationThrottled", .retryAfter = "92"}, 92s});
        all.push_back({"graph", {.what = at, .status = 429, .code = "ApplicationThrottled"}, usual});
        all.push_back({"graph", {.what = at, .status = 503, .code = "ServiceUnavailable", .retryAfter = "92"}, 92s});
        all.push_back({"graph", {.what = at, .status = 503, .code = "ServiceUnavailable"}, usual});
    }
    return all;
}

}  // namespace

SCENARIO("a server of Exchange that asks for time is given it, and no other mailbox notices", "[wire]") {
    for (const auto& throttle : throttles()) {
        const auto& refusal = throttle.refusal;
        INFO(throttle.protocol << " at " << refusal.what << ": " << refusal.status << " " << refusal.code
                               << (refusal.inMessage ? " in a message" : "") << (refusal.retryAfter ? ", Retry-After" : "")
                               << (refusal.backOff ? ", BackOffMilliseconds" : ""));
        ExchangeWire wire{{.protocol = throttle.protocol, .mailboxes = 3, .words = {"after = seen", "interval = 5s"}}};
        wire.refuse(0, refusal);
        wire.begin(Mode::service);
        wire.arrive(0);
        wire.pass(1min, [&] { return wire.refusedAt().has_value(); });
        REQUIRE(wire.refusedAt());
        for (int i = 0; i < 4; ++i) {
            wire.arrive(1);
            wire.arrive(2);
            wire.pass(20s);
            CHECK(wire.delivered(1) == static_cast<std::size_t>(i + 1));
            CHECK(wire.delivered(2) == static_cast<std::size_t>(i + 1));
        }
        wire.pass(1min);
        // Graph's 503 for one message is its alone.
        const std::string about = refusal.what == "$value" && refusal.status == 503 ? "$value" : "";
        const auto& asked = wire.asked();
        const auto again = std::find_if(asked.begin(), asked.end(), [&](const auto& each) {
            return each.when > *wire.refusedAt() && each.what.find(about) != std::string::npos;
        });
        REQUIRE(again != asked.end());
        CHECK(again->when - *wire.refusedAt() >= throttle.rest);
        CHECK(again->when - *wire.refusedAt() < throttle.rest + 10s);
        wire.arrive(0);
        wire.pass(10min);
        CHECK(wire.is("ok"));
        CHECK(wire.end() == 0);
        wire.checkAllDelivered();
        CHECK(wire.seen() == 2);
    }
}

SCENARIO("a server that does not tell of every arrival, and of some twice, is made good by a look now and then", "[wire]") {
    const auto seed = GENERATE(1, 2);
    ExchangeWire wire{{.protocol = "ews", .words = {"after = move:Done"}, .seed = static_cast<std::uint64_t>(seed)}};
    Dice dice{static_cast<std::uint64_t>(seed)};
    int untold = 0, twice = 0;
    wire.ews().tellings = [&] {
        const auto of = dice.below(10);
        untold += of < 3 ? 1 : 0;
        twice += of > 7 ? 1 : 0;
        return of < 3 ? 0 : of > 7 ? 2 : 1;
    };
    wire.begin(Mode::service);
    wire.pass(1min);
    for (int mail = 0; mail < 200; ++mail) {
        wire.arrive();
        wire.pass(std::chrono::seconds(dice.below(120)));
    }
    wire.pass(5min + 30s);  // the last one, too, lies no longer than until the next look
    CHECK(untold > 40);
    CHECK(twice > 20);
    CHECK(wire.delivered() == 200);
    CHECK(wire.handedOut() == 200);
    CHECK(wire.hook().repeats == 0);
    CHECK(wire.is("ok"));
    CHECK(wire.end() == 0);
    wire.checkAllDelivered();
    CHECK(wire.in("Done") == 200);
}

SCENARIO("a server that does not find the folder it lists when it shall tell of it is asked every interval, and people are told once", "[wire]") {
    const std::string at = GENERATE("Subscribe", "GetStreamingEvents");
    const bool inMessage = GENERATE(false, true);
    INFO(at << (inMessage ? ", in a message" : ", a fault"));
    ExchangeWire wire{{.protocol = "ews", .words = {"after = move:Done"}}};
    wire.refuse(0, {.what = at, .status = 500, .code = "ErrorFolderNotFound", .inMessage = inMessage, .times = 1'000'000});
    wire.begin(Mode::service);
    for (int hour = 1; hour <= 3; ++hour) {
        const auto before = wire.asked().size();
        const auto asked = [&] { return wire.asked().size() - before; };
        for (int mail = 0; mail < 10 && asked() < 2'000; ++mail) {
            wire.arrive();
            wire.pass(6min, [&] { return asked() >= 2'000; });
            CHECK(wire.delivered() == wire.sent());
            CHECK(wire.is("ok"));
        }
        CHECK(asked() > 60);
        CHECK(asked() < 300);
    }
    const std::string told = "the server does not tell of arrivals after all";
    const auto first = wire.shown().find(told);
    REQUIRE(first != std::string::npos);
    CHECK(wire.shown().find(told, first + 1) == std::string::npos);
    CHECK(wire.failures() == 0);
    wire.refuse(0, {.what = at, .times = 0});
    wire.pass(11min);
    wire.arrive();
    wire.pass(10s);
    CHECK(wire.delivered() == wire.sent());  // it tells again
    CHECK(wire.end() == 0);
    wire.checkAllDelivered();
    CHECK(wire.in("Done") == wire.sent());
}

SCENARIO("a server that falls silent while it is listened to is listened to anew, and what came meanwhile is found", "[wire]") {
    ExchangeWire wire{{.protocol = "ews", .words = {"after = move:Done"}}};
    wire.begin(Mode::service);
    wire.pass(1min);
    const bool tells = GENERATE(false, true);
    for (int time = 1; time <= 6; ++time) {
        wire.ews().heartbeat = 0s;
        wire.ews().tellings = [tells] { return tells ? 1 : 0; };
        wire.pass(std::chrono::seconds(20 * time));
        const auto before = wire.delivered();
        wire.arrive();
        wire.pass(tells ? 10s : 5min + 30s, [&] { return wire.delivered() > before; });
        CHECK(wire.delivered() == before + 1);
        wire.ews().heartbeat = 45s;
        wire.ews().tellings = {};
        wire.pass(15min);
        CHECK(wire.is("ok"));
    }
    const auto before = wire.delivered();
    wire.arrive();
    wire.pass(10s);
    CHECK(wire.delivered() == before + 1);  // it is told again
    CHECK(wire.end() == 0);
    wire.checkAllDelivered();
    CHECK(wire.in("Done") == wire.sent());
}
