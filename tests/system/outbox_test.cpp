#include "tests/servers/admin_port.h"
#include "tests/system/sinks.h"
#include "tests/system/workplace.h"

#include <signal.h>
#include <catch2/catch.hpp>

#include <algorithm>
#include <atomic>

using namespace systemtest;
using servers::eventually;
using servers::WebhookReceiver;

namespace {

/// A receiver that answers with a status until it is told another.
struct Receiver {
    explicit Receiver(int status) : answers(status) {
        server.decide([this](const auto&) { return WebhookReceiver::answer(answers); });
    }
    std::atomic<int> answers;
    WebhookReceiver server{};
};

/// An alert that writes a line for each telling.
std::string alertInto(const Workplace& place, const std::filesystem::path& told) {
    const auto teller =
        place.file("tell", "#!/bin/sh\nread -r payload\necho \"$POSTERN_ALERT $POSTERN_ALERT_STATE $POSTERN_ALERT_SUBJECT $POSTERN_ALERT_CODE\" >>" +
                               told.string() + "\n");
    std::filesystem::permissions(teller, std::filesystem::perms{0755});
    return "alert.ops.type = exec\nalert.ops.command = " + teller.string() + "\n";
}

}  // namespace

SCENARIO("a webhook that is down holds up nobody but itself, and gets everything when it is well", "[system][outbox]") {
    GIVEN("one mailbox for a spool and a webhook that is down, and one for the spool alone") {
        Receiver hook(503);
        FilledMailbox both("m"), other("n");
        both.add(someMails("both", 30));
        other.add(someMails("other", 10));
        Workplace place;
        place.configure(webhook("hook", hook.server) + basicCredential(place, "c") + both.words("spool,hook", "move:Done") +
                        other.words("spool", "move:Done"));
        WHEN("the service runs") {
            auto service = place.start({"run"});
            THEN("the spool has all of it, the outbox keeps it for the webhook, and the mailbox is not touched before that has it") {
                REQUIRE(eventually([&] { return place.countDelivered("m") == both.size() && place.countDelivered("n") == other.size(); }, patience));
                REQUIRE(eventually([&] { return waitingFor(place, "hook") == both.size(); }, patience));
                REQUIRE(eventually([&] { return other.left() == 0; }, patience));
                CHECK(filesIn(place.data() / "outbox") > 0);
                CHECK(ledger(place, {"--state", "pending"}).size() == both.size());
                CHECK(both.left() == both.size());
                const auto shown = outboxOf(place, "hook");
                CHECK(shown->isNull("disabled"));
                CHECK(shown->getValue<std::string>("last_refusal").find("503") != std::string::npos);

                both.add(someMails("later", 5));
                REQUIRE(eventually([&] { return place.countDelivered("m") == both.size(); }, patience));
                CHECK(both.left() == both.size());

                hook.answers = 204;
                REQUIRE(hook.server.waitForTaken(both.size(), patience));
                REQUIRE(eventually([&] { return both.left() == 0; }, patience));
                CHECK(both.in("Done") == both.digests());
                CHECK(other.in("Done") == other.digests());
                CHECK(digestsOf(hook.server.taken()) == both.digests());
                CHECK(hook.server.repeats() == 0);
                CHECK(hook.server.problems().empty());
                CHECK(eventually([&] { return filesIn(place.data() / "outbox") == 0; }, patience));
                CHECK(waitingFor(place, "hook") == 0);
                CHECK(ledger(place, {"--state", "pending"}).empty());
            }
            INFO(place.log());
            CHECK(service.stop().status == 0);
        }
    }
}

SCENARIO("a sink that answers 410 is asked nothing any more until an operator resumes it", "[system][outbox]") {
    Receiver hook(410);
    FilledMailbox box("m");
    box.add(someMails("gone", 8));
    Workplace place;
    place.configure(webhook("hook", hook.server) + basicCredential(place, "c") + box.words("hook", "move:Done"));
    auto service = place.start({"run"});
    const auto disabled = [&] {
        const auto shown = outboxOf(place, "hook");
        return shown && !shown->isNull("disabled") && waitingFor(place, "hook") == box.size();
    };
    REQUIRE(eventually(disabled, patience));
    CHECK(place.log().find("PO-6005") != std::string::npos);
    hook.answers = 200;
    const auto asked = hook.server.count();

    box.add(someMails("more", 4));
    REQUIRE(eventually([&] { return waitingFor(place, "hook") == box.size(); }, patience));
    CHECK(hook.server.count() == asked);
    CHECK(box.left() == box.size());
    service.stop();
    service = place.start({"run"});  // it stays disabled over a restart
    box.add(someMails("still more", 4));
    REQUIRE(eventually([&] { return waitingFor(place, "hook") == box.size(); }, patience));
    CHECK(hook.server.count() == asked);

    const auto resumed = place.postern({"outbox", "resume", "hook"});
    INFO(resumed.error);
    CHECK(resumed.status == 0);
    REQUIRE(hook.server.waitForTaken(box.size(), patience));
    REQUIRE(eventually([&] { return box.left() == 0; }, patience));
    CHECK(digestsOf(hook.server.taken()) == box.digests());
    CHECK(box.in("Done") == box.digests());
    CHECK(outboxOf(place, "hook")->isNull("disabled"));
    CHECK(place.postern({"outbox", "resume", "nobody"}).status == 78);
    CHECK(service.stop().status == 0);
}

SCENARIO("a full outbox ends the fetching, loses nothing, and goes on when the sink is well", "[system][outbox]") {
    GIVEN("an outbox of 100 KB, a webhook that is down and more mail than that") {
        Receiver hook(500);
        FilledMailbox box("m");
        std::vector<servers::ImapClient::Mail> mails;
        for (int number = 0; number < 12; ++number)
            mails.push_back({"Subject: large " + std::to_string(number) + "\r\n\r\n" + std::string(15'000, 'x') + "\r\n"});
        Workplace place;
        place.configure(webhook("hook", hook.server) + "outbox.max_size = 100kB\n" + basicCredential(place, "c") + box.words("hook", "move:Done"));
        WHEN("it is drained a mail at a time") {
            std::string said;
            for (const auto& mail : mails) {
                box.add({mail});
                const auto outcome = place.postern({"run", "--once"});
                REQUIRE(outcome.status == 75);
                said = outcome.error;
            }
            THEN("it says so, keeps no more than it may, and everything arrives in the end") {
                CHECK(said.find("PO-6009") != std::string::npos);
                const auto kept = json(place.postern({"outbox", "--json"}).output)->getValue<int>("bytes");
                CHECK(kept > 50'000);
                CHECK(kept <= 102'400);
                CHECK(box.left() == box.size());
                hook.answers = 200;
                auto last = place.postern({"run", "--once"});
                if (last.status == 75) last = place.postern({"run", "--once"});
                INFO(last.error);
                CHECK(last.status == 0);
                CHECK(digestsOf(hook.server.taken()) == box.digests());
                CHECK(box.left() == 0);
                CHECK(box.in("Done") == box.digests());
                CHECK(filesIn(place.data() / "outbox") == 0);
            }
        }
        WHEN("a service meets all of it at once") {
            box.add(mails);
            auto service = place.start({"run"});
            THEN("the log says so, and everything arrives when the sink is well") {
                REQUIRE(eventually([&] { return place.log().find("PO-6009") != std::string::npos; }, patience));
                CHECK(box.left() == box.size());
                CHECK(servers::AdminPort(place.data()).get("/metrics").body.find("PO-6009") != std::string::npos);
                hook.answers = 200;
                REQUIRE(hook.server.waitForTaken(box.size(), patience));
                REQUIRE(eventually([&] { return box.left() == 0; }, patience));
                CHECK(digestsOf(hook.server.taken()) == box.digests());
            }
            CHECK(service.stop().status == 0);
        }
    }
}

SCENARIO("administrators are told once that a sink refuses, and once that it is well again", "[system][outbox]") {
    Receiver hook(500);
    FilledMailbox box("m");
    box.add(someMails("alert", 12));
    Workplace place;
    const auto told = place.path() / "told";
    place.configure(webhook("hook", hook.server) + alertInto(place, told) + basicCredential(place, "c") + box.words("hook", "leave"));
    auto service = place.start({"run"});
    const auto tellings = [&] { return servers::readFile(told); };
    REQUIRE(eventually([&] { return tellings().find("sink-refusing raised hook") != std::string::npos; }, patience));
    const auto askedBefore = hook.server.count();
    REQUIRE(eventually([&] { return hook.server.count() > askedBefore + 2; }, patience));  // it is tried again, and nobody is told again
    service.stop();
    service = place.start({"run"});  // nor after a restart
    const auto askedThen = hook.server.count();
    REQUIRE(eventually([&] { return hook.server.count() > askedThen + 6; }, patience));
    hook.answers = 200;
    REQUIRE(hook.server.waitForTaken(box.size(), patience));
    REQUIRE(eventually([&] { return tellings().find("sink-refusing cleared hook") != std::string::npos; }, patience));
    CHECK(service.stop().status == 0);
    CHECK(tellings() == "sink-refusing raised hook PO-6003\nsink-refusing cleared hook PO-6003\n");
}

SCENARIO("administrators are told of messages for a sink that is configured no more, until they are given up", "[system][outbox]") {
    Receiver hook(500);
    FilledMailbox box("m");
    box.add(someMails("orphan", 3));
    Workplace place;
    const auto told = place.path() / "told";
    const auto common = alertInto(place, told) + basicCredential(place, "c") + "alert.ops.on = sink-unconfigured\n";
    place.configure(webhook("hook", hook.server) + common + box.words("hook", "leave"));
    auto service = place.start({"run"});
    REQUIRE(eventually([&] { return waitingFor(place, "hook") == box.size(); }, patience));
    place.configure(common + box.words("spool", "leave"));
    service.signal(SIGHUP);
    const auto tellings = [&] { return servers::readFile(told); };
    REQUIRE(eventually([&] { return tellings() == "sink-unconfigured raised hook PO-1008\n"; }, patience));
    const auto log = place.log();
    CHECK(log.find("the outbox holds messages for a sink that is not configured") != std::string::npos);
    CHECK(place.postern({"outbox", "abandon", "spool"}).status == 78);
    const auto abandoned = place.postern({"outbox", "abandon", "hook"});
    CHECK(abandoned.output == "3 messages are given up for sink hook; `postern replay` and `postern outbox discard` reach them\n");
    CHECK(abandoned.status == 0);
    CHECK(ledger(place, {"--state", "dead"}).size() == 3);
    CHECK(eventually([&] { return tellings().ends_with("sink-unconfigured cleared hook PO-1008\n"); }, patience));
    CHECK(service.stop().status == 0);
}

SCENARIO("what the outbox has lost is fetched again, delivered and moved in one drain", "[system][outbox]") {
    Receiver hook(500);
    FilledMailbox box("m");
    box.add(someMails("lost", 20));
    Workplace place;
    place.configure(webhook("hook", hook.server) + basicCredential(place, "c") + box.words("hook", "move:Done"));
    REQUIRE(place.postern({"run", "--once"}).status == 75);
    REQUIRE(filesIn(place.data() / "outbox") > 0);
    std::filesystem::remove_all(place.data() / "outbox");
    const auto ids = ledger(place, {});
    hook.answers = 200;
    const auto outcome = place.postern({"run", "--once"});
    INFO(outcome.error);
    CHECK(outcome.status == 0);
    CHECK(digestsOf(hook.server.taken()) == box.digests());
    for (const auto& row : ids) CHECK(hook.server.taken().contains(row->getValue<std::string>("id")));
    CHECK(box.left() == 0);
    CHECK(box.in("Done") == box.digests());
    CHECK(filesIn(place.data() / "outbox") == 0);
}

SCENARIO("while the outbox is full for one sink, another one is not given the same mail again", "[system][outbox]") {
    Receiver down(500), well(200);
    FilledMailbox box("m");
    std::vector<servers::ImapClient::Mail> mails;
    for (int number = 0; number < 30; ++number)
        mails.push_back({"Subject: large " + std::to_string(number) + "\r\n\r\n" + std::string(15'000, 'x') + "\r\n"});
    Workplace place;
    place.configure(webhook("down", down.server) + webhook("well", well.server) + "outbox.max_size = 100kB\n" + basicCredential(place, "c") +
                    box.words("down,well", "move:Done"));
    auto service = place.start({"run"});
    box.add(someMails("first", 6));
    REQUIRE(eventually([&] { return waitingFor(place, "down") == 6; }, patience));  // it rests
    box.add(mails);
    REQUIRE(eventually([&] { return place.log().find("PO-6009") != std::string::npos; }, patience));
    const auto asked = down.server.count();
    REQUIRE(eventually([&] { return down.server.count() >= asked + 4; }, patience));
    CHECK(well.server.repeats() == 0);
    CHECK(well.server.taken().size() < box.size());
    down.answers = 200;
    CHECK(down.server.waitForTaken(box.size(), patience));
    CHECK(well.server.waitForTaken(box.size(), patience));
    CHECK(eventually([&] { return box.left() == 0; }, patience));
    CHECK(digestsOf(well.server.taken()) == box.digests());
    CHECK(well.server.repeats() == 0);
    CHECK(service.stop().status == 0);
}
