#include "listener/engine/pacing.h"
#include "listener/engine/status.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace listener;
using namespace std::chrono_literals;
using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Steady;

namespace {

/// Always the same draw.
class Fixed final : public plugin::Random {
public:
    explicit Fixed(std::uint8_t octet) : octet_(octet) {}
    void fill(std::span<std::uint8_t> bytes) override { std::fill(bytes.begin(), bytes.end(), octet_); }

private:
    std::uint8_t octet_;
};

const Error cut{Reaction::reconnect, Code::channelClosed, "cut"};
const Error refused{Reaction::askOperator, Code::mailboxAccess, "no"};
const Steady start = Steady{} + 1h;

}  // namespace

SCENARIO("a server that accepts and drops at once sees at most 20 sign-ins in the first hour", "[pacing]") {
    for (const std::uint8_t draw : {std::uint8_t{0}, std::uint8_t{255}}) {
        Fixed dice(draw);
        Backoff backoff(dice);
        int signIns = 1;
        for (auto now = start; (now += backoff.failed(cut, now)) < start + 1h; ++signIns) backoff.succeeded(now);
        REQUIRE(signIns <= 20);
        REQUIRE(signIns >= 10);  // and it is still tried
    }
}

SCENARIO("a back-off begins anew only after five minutes of proven life", "[pacing]") {
    Fixed dice(0);
    Backoff backoff(dice);
    REQUIRE(backoff.failed(cut, start) == 2s);
    REQUIRE(backoff.failed(cut, start) == 4s);
    backoff.succeeded(start);
    REQUIRE(backoff.failed(cut, start + 4min) == 8s);
    backoff.succeeded(start + 5min);
    backoff.succeeded(start + 9min);  // still well: the first success counts
    REQUIRE(backoff.failed(cut, start + 10min) == 2s);
    for (int i = 0; i < 20; ++i) backoff.failed(cut, start + 11min);
    REQUIRE(backoff.failed(cut, start + 11min) == 5min);
}

SCENARIO("the time a server asks for is given to it, and matters of the operator are tried slowly", "[pacing]") {
    Fixed dice(0);
    Backoff backoff(dice);
    auto throttled = cut;
    throttled.retryAfter = 299'910ms;
    REQUIRE(backoff.failed(throttled, start) == 299'910ms);
    REQUIRE(backoff.failed(refused, start) == 1min);
    REQUIRE(backoff.failed(refused, start) == 5min);
    REQUIRE(backoff.failed(refused, start) == 15min);
    REQUIRE(backoff.failed(refused, start) == 15min);
}

SCENARIO("EWS that is switched off is asked for again hourly, whatever was in the way before", "[pacing]") {
    Fixed dice(0);
    Backoff backoff(dice);
    const Error blocked{Reaction::askOperator, Code::mailboxEwsBlocked, "EWS is disabled for this user or tenant"};
    for (int i = 0; i < 5; ++i) REQUIRE(backoff.failed(blocked, start) == 1h);
    REQUIRE(backoff.failed(refused, start) == 15min);
    REQUIRE(backoff.failed(blocked, start) == 1h);
}

SCENARIO("the pace of looks follows what comes", "[pacing]") {
    struct Row {
        const char* what;
        std::chrono::milliseconds interval, reconcile, quiet;  ///< quiet: since the last mail
        std::size_t folders;
        std::chrono::milliseconds next;
    };
    const Row row = GENERATE(values<Row>({
        {"just now", 60s, 5min, 0s, 1, 5s},
        {"a moment ago", 60s, 5min, 20s, 1, 5s},
        {"a minute ago", 60s, 5min, 60s, 1, 15s},
        {"minutes ago", 60s, 5min, 4min, 1, 60s},
        {"half an hour ago", 60s, 5min, 30min, 1, 60s},
        {"an hour ago", 60s, 5min, 60min, 1, 2min},
        {"hours ago", 60s, 5min, 150min, 1, 5min},
        {"yesterday", 60s, 5min, 24h, 1, 5min},
        {"just now, of many folders", 60s, 5min, 0s, 50, 20s},
        {"just now, of very many folders", 60s, 5min, 0s, 300, 2min},
        {"yesterday, of very many folders", 60s, 5min, 24h, 300, 5min},
        {"just now, by the shortest interval", 1s, 5min, 0s, 1, 1s},
        {"a moment ago, by the shortest interval", 1s, 5min, 20s, 1, 1s},
        {"just now, by a short one", 5s, 5min, 0s, 1, 1s},
        {"just now, by a long one", 10min, 5min, 0s, 1, 50s},
        {"yesterday, where the interval is the longest", 10min, 5min, 24h, 1, 10min},
        {"yesterday, where both are the same", 60s, 60s, 24h, 1, 60s},
    }));
    INFO(row.what);
    Pace pace(row.interval, row.reconcile, start);
    CHECK(pace.next(start, 1) == row.interval);  // nothing is known yet
    pace.arrived(start + 1min);
    CHECK(pace.next(start + 1min + row.quiet, row.folders) == row.next);
    pace.throttled(start + 1min + row.quiet);
    CHECK(pace.next(start + 1min + row.quiet, row.folders) == std::max(row.next, row.interval));
    CHECK(pace.next(start + 1min + row.quiet + Pace::calm, row.folders) >= row.next);
}

SCENARIO("however fast mail comes, looks leave half of what Graph allows: 10,000 in ten minutes", "[pacing]") {
    const auto folders = GENERATE(std::size_t{1}, std::size_t{7}, std::size_t{100}, std::size_t{1000});
    Pace pace(1s, 5min, start);
    std::size_t requests = 0;
    for (auto now = start; now < start + 1h; now += pace.next(now, folders)) {
        pace.arrived(now);
        requests += 3 * folders;
    }
    CHECK(requests <= 6 * 5000);
}

SCENARIO("sign-ins at one host are spaced after a burst, hosts do not wait for each other", "[pacing]") {
    SignInPacer pacer;
    std::vector<Steady> moments;
    for (int i = 0; i < 1000; ++i) moments.push_back(pacer.reserve("mail.example", start));
    REQUIRE(std::count(moments.begin(), moments.end(), start) == SignInPacer::burst);
    REQUIRE(moments.back() == start + 980 * SignInPacer::spacing);
    REQUIRE(pacer.reserve("other.example", start) == start);
    REQUIRE(pacer.reserve("mail.example", start + 1h) == start + 1h);
}

SCENARIO("the health of a mailbox says what a person has to know", "[status]") {
    MailboxStatus status("orders", 60s, start);
    REQUIRE(status.view(start).health == Health::ok);
    REQUIRE_FALSE(status.view(start).verifiedAge);

    status.verified(start);
    status.enter(State::waiting);
    REQUIRE(status.view(start + 60s).health == Health::ok);
    REQUIRE(*status.view(start + 60s).verifiedAge == 60s);

    status.failed(cut, start + 90s);
    REQUIRE(status.view(start + 90s).health == Health::degraded);
    REQUIRE(status.view(start + 121s).health == Health::stalled);
    status.failed(refused, start + 121s);
    REQUIRE(status.view(start + 121s).health == Health::blocked);
    status.verified(start + 130s);
    REQUIRE(status.view(start + 130s).health == Health::ok);
    REQUIRE_FALSE(status.view(start + 130s).lastError);

    WHEN("a long drain works without an error") {
        status.enter(State::working);
        THEN("it is not called stalled") { REQUIRE(status.view(start + 1h).health == Health::ok); }
    }
    WHEN("it is silent without a word") {
        THEN("it is") { REQUIRE(status.view(start + 1h).health == Health::stalled); }
    }
}
