#include "listener/alerting/tracker.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace listener;
using namespace std::chrono_literals;

namespace {

/// A tracker that is asked once a second.
struct Watch {
    Tracker tracker{};
    std::chrono::seconds time{0};

    /// "raised orders", in order, of so many seconds in which these are true.
    std::vector<std::string> pass(const std::vector<Condition>& now, std::chrono::seconds span = 1s) {
        std::vector<std::string> changes;
        for (const auto end = time + span; time < end; time += 1s)
            for (const auto& change : tracker.observe(now, plugin::Steady{} + 1h + time, plugin::Wall{} + 1000h + time))
                changes.push_back((change.to == Tracker::Change::To::raised ? "raised " : "cleared ") + change.condition.key.subject);
        return changes;
    }
};

Condition stalled(const std::string& subject, std::chrono::seconds settling = 0s) {
    return {"mailbox-stalled", subject, plugin::Code::channelTimeout, "silent", true, settling};
}
Condition unknown(const std::string& subject) { return {.kind = "mailbox-stalled", .subject = subject, .known = false}; }
using Changes = std::vector<std::string>;

}  // namespace

SCENARIO("a condition begins once and ends once", "[alerts]") {
    Watch watch;
    REQUIRE(watch.pass({stalled("orders")}, 100s) == Changes{"raised orders"});
    REQUIRE(watch.pass({stalled("orders"), stalled("sales")}, 100s) == Changes{"raised sales"});
    REQUIRE(watch.tracker.countByKind().at("mailbox-stalled") == 2);
    REQUIRE(watch.tracker.countByKind().at("sink-disabled") == 0);
    REQUIRE(watch.pass({stalled("sales")}, 100s) == Changes{"cleared orders"});
    REQUIRE(watch.pass({}, 100s) == Changes{"cleared sales"});
    REQUIRE(watch.tracker.raised().empty());
}

SCENARIO("what must settle is raised when it has been true for so long without a break", "[alerts]") {
    Watch watch;
    REQUIRE(watch.pass({stalled("orders", 10s)}, 9s).empty());
    REQUIRE(watch.pass({}, 1s).empty());
    REQUIRE(watch.pass({stalled("orders", 10s)}, 10s).empty());
    const auto begun = watch.time - 10s;
    REQUIRE(watch.pass({stalled("orders", 10s)}) == Changes{"raised orders"});
    const auto raised = watch.tracker.raised().front();
    REQUIRE(raised.since == plugin::Wall{} + 1000h + begun);
    REQUIRE(raised.raised == plugin::Wall{} + 1000h + begun + 10s);
}

SCENARIO("where nothing is known of a kind, each of it that was raised stays so", "[alerts]") {
    Watch watch;
    REQUIRE(watch.pass({stalled("orders"), {"sink-disabled", "archive"}}) == Changes{"raised orders", "raised archive"});
    REQUIRE(watch.pass({unknown("")}, 100s) == Changes{"cleared archive"});
    REQUIRE(watch.pass({unknown(""), stalled("sales")}, 100s) == Changes{"raised sales"});
    REQUIRE(watch.pass({stalled("sales")}, 100s) == Changes{"cleared orders"});
}

SCENARIO("what is not known raises nothing and clears nothing", "[alerts]") {
    Watch watch;
    REQUIRE(watch.pass({unknown("orders")}, 100s).empty());
    REQUIRE(watch.pass({stalled("orders", 3s)}, 2s).empty());
    REQUIRE(watch.pass({unknown("orders")}).empty());
    REQUIRE(watch.pass({stalled("orders", 3s)}, 3s).empty());
    REQUIRE(watch.pass({stalled("orders", 3s)}) == Changes{"raised orders"});
    REQUIRE(watch.pass({unknown("orders")}, 100s).empty());
    REQUIRE(watch.pass({}) == Changes{"cleared orders"});
}

SCENARIO("a condition that flaps ends only when it has been away for a minute", "[alerts]") {
    Watch watch;
    Changes changes;
    const auto add = [&](const Changes& more) { changes.insert(changes.end(), more.begin(), more.end()); };
    for (int i = 0; i < 600; ++i) add(watch.pass(i % 2 == 0 ? std::vector{stalled("orders")} : std::vector<Condition>{}));
    REQUIRE(changes == Changes{"raised orders", "cleared orders", "raised orders"});
    REQUIRE(watch.pass({}, 59s).empty());
    REQUIRE(watch.pass({}, 5s) == Changes{"cleared orders"});
    WHEN("it comes again within a minute of that") {
        REQUIRE(watch.pass({stalled("orders")}, 5s) == Changes{"raised orders"});
        THEN("it still flaps") { REQUIRE(watch.pass({}, 59s).empty()); }
    }
    WHEN("it comes again much later") {
        REQUIRE(watch.pass({}, 100s).empty());
        REQUIRE(watch.pass({stalled("orders")}, 5s) == Changes{"raised orders"});
        THEN("it is one like all others") { REQUIRE(watch.pass({}) == Changes{"cleared orders"}); }
    }
}

SCENARIO("the fastest flapping is a few changes a minute, whatever its rhythm", "[alerts]") {
    const auto on = GENERATE(1, 2, 30, 59, 61);
    const auto off = GENERATE(1, 2, 30, 59, 61);
    Watch watch;
    std::size_t changes = 0;
    while (watch.time < 3600s) {
        changes += watch.pass({stalled("orders")}, std::chrono::seconds(on)).size();
        changes += watch.pass({}, std::chrono::seconds(off)).size();
    }
    CAPTURE(on, off, changes);
    REQUIRE(changes <= 3 + 2 * 60);
}

SCENARIO("a text is one line of proper UTF-8, whatever was said", "[alerts]") {
    Watch watch;
    auto condition = stalled("a\nb");
    condition.what = std::string("one\r\ntwo\0three \xff \xc3\xa4", 19);
    REQUIRE(watch.pass({condition}, 3s) == Changes{"raised a b"});
    REQUIRE(watch.tracker.raised().front().what == "one  two three ? \xc3\xa4");
    auto endless = stalled("c");
    endless.what = std::string(100'000, 'x');
    watch.pass({endless});
    const auto raised = watch.tracker.raised();
    REQUIRE(std::any_of(raised.begin(), raised.end(), [](const auto& each) { return each.key.subject == "c" && each.what.size() == 1003; }));
}
