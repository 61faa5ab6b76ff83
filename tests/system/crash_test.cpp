#include "tests/system/workplace.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <csignal>
#include <set>

using namespace systemtest;

namespace {

/// The fate of everything that was ever put into the mailbox.
void checkNothingLostNothingTwice(const Workplace& place, servers::ImapClient& reader, std::vector<std::string> sent) {
    std::sort(sent.begin(), sent.end());
    CHECK(reader.fetch("INBOX").empty());
    const bool moved = sortedBytes(reader.fetch("Done")) == sent;
    CHECK(moved);
    const auto delivered = place.delivered("m");
    CHECK(delivered.size() == sent.size());
    const bool arrived = sortedBytes(delivered) == sent;  // every mail is different: once each, under one id each
    CHECK(arrived);
    std::set<std::string> positions;
    for (const auto& [id, mail] : delivered) {
        REQUIRE_FALSE(mail.metadata.empty());
        const auto object = json(mail.metadata);
        REQUIRE(object->getValue<std::string>("sha256") == sha256(mail.bytes));
        positions.insert(object->getValue<std::string>("position"));
    }
    CHECK(positions.size() == delivered.size());
    for (const auto& entry : std::filesystem::directory_iterator{place.spool("m")}) CHECK(entry.path().filename().string().front() != '.');
}

}  // namespace

SCENARIO("a service that is asked to leave in the middle of a drain leaves in time and in order", "[system]") {
    GIVEN("a mailbox with more than a few rounds of mail") {
        const auto user = Surroundings::get().newUser();
        auto reader = Surroundings::get().reader(user);
        std::vector<std::string> sent;
        const auto mails = someMails("leaving", 2500);
        for (const auto& mail : mails) sent.push_back(mail.bytes);
        reader.append("INBOX", mails);
        Workplace place;
        place.configure(basicCredential(place, "c") + mailbox("m", user, "c") + "mailbox.m.after = move:Done\n");
        const int signal = GENERATE(SIGTERM, SIGINT);
        WHEN("it gets signal " + std::to_string(signal) + " after the first deliveries") {
            auto service = place.start({"run"});
            servers::eventually([&] { return place.countDelivered("m") > 0 || !service.running(); }, std::chrono::seconds{60});
            service.signal(signal);
            const auto ended = service.wait(std::chrono::seconds{10});
            THEN("it is gone within ten seconds, and the next run finishes the work") {
                INFO(place.log());
                REQUIRE(ended);
                CHECK(ended->signal == 0);
                CHECK(ended->status == 0);
                const auto last = place.postern({"run", "--once"});
                INFO(last.error);
                REQUIRE(last.status == 0);
                checkNothingLostNothingTwice(place, reader, sent);
            }
        }
    }
}

SCENARIO("a data directory serves one process at a time", "[system]") {
    GIVEN("a running service") {
        const auto user = Surroundings::get().newUser();
        auto reader = Surroundings::get().reader(user);
        reader.append("INBOX", someMails("one", 1));
        Workplace place;
        place.configure(basicCredential(place, "c") + mailbox("m", user, "c"));
        auto service = place.start({"run"});
        REQUIRE(servers::eventually([&] { return place.countDelivered("m") == 1 || !service.running(); }, std::chrono::seconds{60}));
        INFO(place.log());
        REQUIRE(service.running());
        WHEN("a second one is started") {
            const auto once = GENERATE(false, true);
            const auto second = place.postern(once ? std::vector<std::string>{"run", "--once"} : std::vector<std::string>{"run"});
            THEN("it leaves with 75, naming the first one's process id, which is not disturbed") {
                INFO(second.error);
                CHECK(second.status == 75);
                CHECK(second.error.find(std::to_string(service.id())) != std::string::npos);
                CHECK(second.error.find("PO-7006") != std::string::npos);
                CHECK(service.running());
            }
        }
        WHEN("it is killed, which leaves its lock file behind") {
            service.signal(SIGKILL);
            REQUIRE(service.wait(std::chrono::seconds{10}));
            THEN("the next one works") { CHECK(place.postern({"run", "--once"}).status == 0); }
        }
    }
}

SCENARIO("a lost database is noticed, and nothing is delivered until an operator has decided", "[system]") {
    GIVEN("a mailbox that has been drained, whose database is gone") {
        const auto user = Surroundings::get().newUser();
        auto reader = Surroundings::get().reader(user);
        reader.append("INBOX", someMails("old", 5));
        Workplace place;
        place.configure(basicCredential(place, "c") + mailbox("m", user, "c"));
        const auto drained = place.postern({"run", "--once"});
        INFO(drained.error);
        REQUIRE(drained.status == 0);
        REQUIRE(place.countDelivered("m") == 5);
        std::filesystem::remove_all(place.spool("m"));  // a consumer took them
        for (const auto* name : {"postern.db", "postern.db-wal", "postern.db-shm"}) std::filesystem::remove(place.data() / name);
        reader.append("INBOX", someMails("new", 2));
        WHEN("it is run") {
            const auto outcome = place.postern({"run", "--once"});
            THEN("it says so, delivers nothing, and does as it is told afterwards") {
                INFO(outcome.error);
                CHECK(outcome.status == 75);
                CHECK(outcome.error.find("PO-7004") != std::string::npos);
                CHECK(outcome.error.find("mailboxes restart") != std::string::npos);
                CHECK(place.countDelivered("m") == 0);
                CHECK(place.postern({"run", "--once"}).status == 75);  // it stays so
                CHECK(place.countDelivered("m") == 0);

                const auto all = GENERATE(false, true);
                const auto restart = place.postern({"mailboxes", "restart", all ? "--all" : "m", "--start", all ? "all" : "now"});
                INFO(restart.error);
                CHECK(restart.status == 0);
                const auto after = place.postern({"run", "--once"});
                INFO(after.error);
                CHECK(after.status == 0);
                CHECK(place.countDelivered("m") == (all ? 7 : 0));
                reader.append("INBOX", someMails("newest", 1));
                CHECK(place.postern({"run", "--once"}).status == 0);
                CHECK(place.countDelivered("m") == (all ? 8 : 1));
            }
        }
    }
}
