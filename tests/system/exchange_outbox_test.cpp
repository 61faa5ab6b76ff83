#include "tests/system/sinks.h"

#include <catch2/catch.hpp>

#include <atomic>
#include <csignal>

using namespace systemtest;
using servers::eventually;
using servers::WebhookReceiver;

namespace {

/// A webhook that answers with a status until it is told another; all attempts it has seen.
struct Receiver {
    Receiver() {
        server.decide([this](const auto&) { return WebhookReceiver::answer(answers); });
    }
    /// How many different octets were offered under each id.
    std::map<std::string, std::set<std::string>> offered() const {
        std::map<std::string, std::set<std::string>> all;
        for (const auto& attempt : server.requests()) all[attempt.id].insert(attempt.sha256);
        return all;
    }
    std::atomic<int> answers{503};
    WebhookReceiver server{};
};

/// The mails behind the webhook, as they were put in; each under one id that was only ever offered with the octets the spool has.
std::set<std::string> arrived(FilledMailbox& box, const Receiver& hook, const Workplace& place) {
    std::set<std::string> mails;
    const auto offered = hook.offered();
    const auto spooled = place.delivered("m");
    for (const auto& [id, digest] : hook.server.taken()) {
        CHECK(mails.insert(box.box().original(digest)).second);
        CHECK(offered.at(id).size() == 1);
        CHECK((spooled.contains(id) && sha256(spooled.at(id).bytes) == digest));
    }
    return mails;
}

}  // namespace

SCENARIO("what Exchange renders anew waits for a sink that is down with the octets it was first offered with", "[system][outbox][exchange]") {
    const std::string protocol = GENERATE("ews", "graph");
    GIVEN("a mailbox read by " + protocol + ", a spool, and a webhook that is down") {
        Receiver hook;
        FilledMailbox box("m", protocol);
        Workplace place;
        place.configure(webhook("hook", hook.server) + box.box().credential(place, "c") + box.words("spool,hook", "move:Done"));
        auto service = place.start({"run"});
        const auto waits = [&](std::size_t mails) {
            return eventually([&] { return place.countDelivered("m") == mails && waitingFor(place, "hook") == mails; }, patience);
        };
        box.add(someMails("first", 20));
        INFO(place.log());
        REQUIRE(waits(20));
        CHECK(box.left() == 20);
        WHEN("the service is killed and begun again, more comes, it is ended and begun again, and the webhook is well") {
            service.signal(SIGKILL);
            REQUIRE(service.wait(std::chrono::seconds(20)));
            box.box().programDied();
            service = place.start({"run"});
            box.add(someMails("second", 10));
            REQUIRE(waits(30));
            CHECK(service.stop().status == 0);
            CHECK(place.postern({"run", "--once"}).status == 75);
            service = place.start({"run"});
            hook.answers = 200;
            REQUIRE(hook.server.waitForTaken(30, patience));
            REQUIRE(eventually([&] { return box.left() == 0; }, patience));
            CHECK(service.stop().status == 0);
            THEN("it gets them with those octets, and no mail was fetched twice") {
                CHECK(arrived(box, hook, place) == box.digests());
                CHECK(hook.server.problems().empty());
                CHECK(box.box().handedOut() == 30);
                CHECK(box.in("Done") == box.digests());
                CHECK(filesIn(place.data() / "outbox") == 0);
                CHECK(box.box().problems().empty());
            }
        }
        CHECK(service.stop().status == 0);
    }
    GIVEN("a mailbox read by " + protocol + ", and a webhook that is given up") {
        Receiver hook;
        FilledMailbox box("m", protocol);
        Workplace place;
        const auto lines = webhook("hook", hook.server) + box.box().credential(place, "c") + box.words("spool,hook", "leave");
        place.configure(lines + "sink.hook.retry.give_up = 1s\n");
        box.add(someMails("dead", 5));
        auto service = place.start({"run"});
        const auto dead = [&] { return outboxOf(place, "hook") && ledger(place, {"--state", "dead"}).size() == 5; };
        INFO(place.log());
        REQUIRE(eventually(dead, patience));
        CHECK(service.stop().status == 0);
        WHEN("the webhook is well, and they are replayed") {
            hook.answers = 200;
            const auto replayed = place.postern({"replay", "--query", "state=dead", "--to", "hook"});
            INFO(replayed.error);
            REQUIRE(replayed.status == 0);
            CHECK(place.postern({"run", "--once"}).status == 0);
            THEN("it gets the octets it had refused") {
                CHECK(arrived(box, hook, place) == box.digests());
                CHECK(box.box().handedOut() == 5);
                CHECK(ledger(place, {"--state", "dead"}).empty());
            }
        }
    }
}
