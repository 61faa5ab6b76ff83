#include "listener/engine/conditions.h"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace listener;
using namespace std::chrono_literals;
using plugin::Code;
using plugin::Error;
using plugin::Reaction;

namespace {

const plugin::Steady start = plugin::Steady{} + 1h;
const Error cut{Reaction::reconnect, Code::channelClosed, "the server closed the connection"};
const Error refused{Reaction::askOperator, Code::mailboxSignInRefused, "the mailbox refused the sign-in"};

using Told = std::vector<std::string>;

/// "mailbox-blocked", "mailbox-stalled?" (not known), as they are told of one mailbox.
Told told(const MailboxStatus& status, std::chrono::seconds after) {
    Told all;
    for (const auto& condition : conditionsOf({status.view(start + after)})) {
        REQUIRE(condition.subject == "orders");
        all.push_back(condition.kind + (condition.known ? "" : "?"));
    }
    return all;
}
Condition only(const MailboxStatus& status, std::chrono::seconds after) {
    for (auto& condition : conditionsOf({status.view(start + after)}))
        if (condition.known) return condition;
    throw std::runtime_error("nothing is told");
}

const Told unknown{"mailbox-blocked?", "mailbox-stalled?", "mailbox-failing?"};

}  // namespace

SCENARIO("of a mailbox that is well nothing is told, of a new one nothing is known", "[conditions]") {
    MailboxStatus status("orders", 60s, start);
    REQUIRE(told(status, 1s) == unknown);
    status.enter(State::working);
    REQUIRE(told(status, 1h) == unknown);
    status.verified(start + 1h);
    status.enter(State::watching);
    REQUIRE(told(status, 3601s) == Told{});
    status.enter(State::disabled);
    REQUIRE(told(status, 48h) == Told{});
}

SCENARIO("a blocked mailbox is told with what blocks it, until it is verified", "[conditions]") {
    MailboxStatus status("orders", 60s, start);
    status.failed(refused, start + 1s);
    REQUIRE(told(status, 1s) == Told{"mailbox-blocked", "mailbox-stalled?", "mailbox-failing?"});
    REQUIRE(only(status, 1s).code == Code::mailboxSignInRefused);
    REQUIRE(only(status, 1s).what == "the mailbox refused the sign-in");
    WHEN("it fails in another way") {
        status.failed(cut, start + 60s);
        THEN("whether it is still blocked is not known") {
            REQUIRE(told(status, 60s) == unknown);
            REQUIRE(told(status, 121s) == Told{"mailbox-blocked?", "mailbox-stalled", "mailbox-failing?"});
        }
    }
    WHEN("it is verified") {
        status.verified(start + 60s);
        THEN("it is over") { REQUIRE(told(status, 60s) == Told{}); }
    }
}

SCENARIO("a stalled mailbox is told with how long it has been silent", "[conditions]") {
    MailboxStatus status("orders", 60s, start);
    WHEN("it never answered") {
        status.failed(cut, start + 121s);
        THEN("that is told") {
            REQUIRE(told(status, 121s) == Told{"mailbox-blocked?", "mailbox-stalled", "mailbox-failing?"});
            REQUIRE(only(status, 121s).what == "mailbox orders has not been verified since the start: the server closed the connection");
            REQUIRE(only(status, 121s).code == Code::channelClosed);
        }
    }
    WHEN("it falls silent without an error") {
        status.verified(start);
        status.enter(State::watching);
        THEN("that is told") {
            REQUIRE(told(status, 120s) == Told{});
            REQUIRE(only(status, 130s).what == "mailbox orders has not been verified for 130 s: the server is silent");
        }
        THEN("a look that is under way does not end it, its success does") {
            status.enter(State::working);
            REQUIRE(told(status, 140s) == unknown);
            status.verified(start + 141s);
            REQUIRE(told(status, 141s) == Told{});
        }
    }
}

SCENARIO("a mailbox that fails again and again in one way is told though it is verified in between", "[conditions]") {
    MailboxStatus status("orders", 60s, start);
    const auto live = [&](std::chrono::seconds at, const Error& error) {
        status.verified(start + at);
        status.enter(State::watching);
        status.failed(error, start + at + 20s);
        status.enter(State::waiting);
    };
    for (auto at = 0s; at <= 120s; at += 30s) live(at, cut);
    REQUIRE(told(status, 140s) == unknown);
    live(150s, cut);
    REQUIRE(told(status, 170s) == Told{"mailbox-blocked?", "mailbox-stalled?", "mailbox-failing"});
    REQUIRE(only(status, 170s).code == Code::channelClosed);
    status.verified(start + 180s);
    REQUIRE(told(status, 180s) == Told{"mailbox-failing"});
    WHEN("it is well for two intervals") {
        status.verified(start + 240s);
        REQUIRE(told(status, 285s) == Told{"mailbox-failing"});
        THEN("it is over") { REQUIRE(told(status, 291s) == Told{}); }
        THEN("another failure begins anew") {
            live(300s, cut);
            REQUIRE(told(status, 320s) == unknown);
        }
    }
    WHEN("it fails in other ways") {
        live(200s, {Reaction::retryLater, Code::mailboxThrottled, "slow down"});
        THEN("it is not the same any more") { REQUIRE(told(status, 220s) == unknown); }
    }
}

SCENARIO("the end of a secret is a condition at each stage, and those before it stay", "[conditions]") {
    const plugin::Wall end = std::chrono::sys_days(std::chrono::year(2027) / 1 / 31);
    const std::vector<auth::Ending> endings{{auth::Ending::Kind::secret, "m365", end}};
    const auto at = [&](std::chrono::hours before) {
        Told all;
        for (const auto& condition : conditionsOf(endings, end - before)) {
            REQUIRE(condition.kind == "credential-ending");
            REQUIRE(condition.code == Code::tokenEndsSoon);
            all.push_back(condition.subject.substr(condition.subject.find(", ") + 2) + (condition.known ? "" : "?"));
        }
        return all;
    };
    CHECK(at(31 * 24h).empty());
    CHECK(at(30 * 24h) == Told{"30 days"});
    CHECK(at(14 * 24h) == Told{"14 days", "30 days?"});
    CHECK(at(7 * 24h) == Told{"7 days", "14 days?", "30 days?"});
    CHECK(at(24h) == Told{"1 day", "7 days?", "14 days?", "30 days?"});
    CHECK(at(-1h) == Told{"over", "1 day?", "7 days?", "14 days?", "30 days?"});
    const auto only = conditionsOf(endings, end - 24h).front();
    CHECK(only.subject == "the client secret of credential m365, 1 day");
    CHECK(only.what ==
          "the client secret of credential m365 ends on 2027-01-31T00:00:00Z: make another secret at the provider, and give it as "
          "credential.m365.client_secret_next");
}

SCENARIO("the ends of certificates and of unused sign-ins are told as those of secrets are, each with what to do", "[conditions]") {
    using Kind = auth::Ending::Kind;
    const plugin::Wall end = std::chrono::sys_days(std::chrono::year(2027) / 1 / 31);
    const auto only = [&](Kind kind, const std::string& name) {
        const auto all = conditionsOf({auth::Ending{kind, name, end}}, end - 24h);
        REQUIRE(all.size() == 4);  // this stage, and the three before it, of which nothing is known any more
        CHECK(all.front().known);
        CHECK(all.front().kind == "credential-ending");
        return all.front();
    };
    const auto certificate = only(Kind::certificate, "client/postern");
    CHECK(certificate.subject == "the certificate of keystore and key client/postern, 1 day");
    CHECK(certificate.what.find("upload it to the provider (postern keystores --certificate)") != std::string::npos);
    const auto signIn = only(Kind::signIn, "person");
    CHECK(signIn.subject == "the unused sign-in of credential person, 1 day");
    CHECK(signIn.what.find("run `postern login person`") != std::string::npos);
}
