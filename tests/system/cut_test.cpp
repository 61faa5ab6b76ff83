#include "tests/servers/relay.h"
#include "tests/system/workplace.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <csignal>

using namespace systemtest;
using servers::Relay;

namespace {

/// A mailbox behind a wire that can be cut: plain IMAP, so that the wire sees lines.
class Wired {
public:
    explicit Wired(const std::string& words)
        : relay(Surroundings::get().mailServer().imapPort()), user(Surroundings::get().newUser()), reader(Surroundings::get().reader(user)) {
        auto box = mailbox("m", user, "p");
        for (const auto& [key, value] :
             std::map<std::string, std::string>{{"host", "127.0.0.1"}, {"port", std::to_string(relay.port())}, {"tls", "none"}})
            box = replaced(box, "mailbox.m." + key, value);
        place.configure("credential.p.grant = user_password\ncredential.p.username = " + user +
                        "\ncredential.p.password = ${file:" + place.file("password", Surroundings::get().mailServer().readerPassword()).string() +
                        "}\n" + box + "mailbox.m.timeout.connect = 10s\nmailbox.m.timeout.io = 10s\n" + words);
    }

    void send(std::size_t count) {
        const auto mails = someMails("cut" + std::to_string(++series_), count);
        for (const auto& mail : mails) sent.push_back(mail.bytes);
        reader.append("INBOX", mails);
    }
    /// An undisturbed run delivers what is left.
    void finish() {
        relay.cutAfter(0, Relay::Cut::fin);
        const auto outcome = place.postern({"run", "--once"});
        INFO(outcome.error);
        REQUIRE(outcome.status == 0);
        REQUIRE(place.countDelivered("m") == sent.size());
    }
    /// Everything that was ever sent is in the spool, once.
    void checkDelivered() {
        std::sort(sent.begin(), sent.end());
        const bool arrived = sortedBytes(place.delivered("m")) == sent;  // every mail is different
        CHECK(arrived);
    }
    /// Everything is in this folder of the server, each at least once; answers how many are there more than once.
    std::size_t checkHeld(const std::string& folder) {
        auto held = sortedBytes(reader.fetch(folder));
        const auto all = held.size();
        held.erase(std::unique(held.begin(), held.end()), held.end());
        std::sort(sent.begin(), sent.end());
        const bool conserved = held == sent;
        CHECK(conserved);
        return all - held.size();
    }

    Relay relay;
    std::string user;
    servers::ImapClient reader;
    Workplace place{};
    std::vector<std::string> sent{};

private:
    std::size_t series_ = 0;
};

}  // namespace

SCENARIO("a drain that is cut behind any line of its dialogue is made good by the next one", "[system][cut]") {
    const auto how = GENERATE(Relay::Cut::fin, Relay::Cut::reset);
    const bool move = GENERATE(true, false);
    const auto name = std::string{move ? "with MOVE" : "with COPY, STORE and EXPUNGE"} + (how == Relay::Cut::fin ? ", cut in order" : ", reset");
    GIVEN("a mailbox with three mails each time, moved away " + name) {
        Wired wired{std::string{"mailbox.m.after = seen+move:Done\n"} + (move ? "" : "mailbox.m.disable_capabilities = MOVE\n")};
        WHEN("the line is cut behind the first line, the second, and so on to the last") {
            std::uint64_t line = 1;
            for (bool cut = true; cut; ++line) {
                INFO("behind line " << line);
                REQUIRE(line < 300);
                wired.send(3);
                wired.relay.cutAfter(line, how);
                const auto first = wired.place.postern({"run", "--once"});
                INFO(wired.relay.dialogue());
                INFO(first.error);
                cut = wired.relay.hasCut();
                CHECK((first.status == 0 || (cut && first.status == 75)));
                wired.finish();
                CHECK(wired.reader.fetch("INBOX").empty());
            }
            THEN("everything was delivered once, and the mailbox has lost nothing") {
                REQUIRE(line > 40);
                wired.checkDelivered();
                const auto copies = wired.checkHeld("Done");
                WARN(name << ": cut behind each of " << line - 2 << " lines, " << copies << " copies too many");
                CHECK(copies == (move ? 0 : 3));  // without MOVE the one COPY nobody heard the end of is done again
                for (const auto& mail : wired.reader.fetch("Done")) CHECK(mail.flags.find("\\Seen") != std::string::npos);
            }
        }
    }
}

SCENARIO("a service that is cut off while it waits for mail, behind any line, loses nothing", "[system][cut]") {
    GIVEN("a service in IDLE") {
        Wired wired{"mailbox.m.after = move:Done\n"};
        WHEN("mail comes and the line is cut behind the first line after IDLE, the second, and so on") {
            std::uint64_t line = 1, cuts = 0;
            for (bool reached = true; reached && line < 200; ++line) {
                INFO("behind line " << line);
                wired.relay.cutAfterHearing(" IDLE", line, line % 2 == 0 ? Relay::Cut::fin : Relay::Cut::reset);
                const auto before = wired.place.countDelivered("m");
                auto service = wired.place.start({"run"});
                REQUIRE(servers::eventually([&] { return wired.relay.heard(" IDLE") || !service.running(); }, std::chrono::seconds{30}));
                wired.send(3);
                const auto settled = [&] {
                    return wired.place.countDelivered("m") == before + 3 && wired.relay.open() > 0 && wired.reader.fetch("INBOX").empty();
                };
                servers::eventually([&] { return wired.relay.hasCut() || settled(); }, std::chrono::seconds{20});
                reached = wired.relay.hasCut();
                if (reached) ++cuts;
                INFO(wired.relay.dialogue());
                service.signal(SIGTERM);
                const auto ended = service.wait(std::chrono::seconds{10});
                REQUIRE(ended);
                CHECK(ended->status == 0);
                INFO(wired.place.log());
                wired.finish();
            }
            THEN("everything was delivered once, and the mailbox has lost nothing") {
                REQUIRE(cuts >= 20);
                WARN("in IDLE: cut behind each of " << cuts << " lines");
                wired.checkDelivered();
                CHECK(wired.checkHeld("Done") == 0);
                CHECK(wired.reader.fetch("INBOX").empty());
            }
        }
    }
}

SCENARIO("a service that is cut off comes back by itself", "[system][cut]") {
    GIVEN("a service in IDLE") {
        Wired wired{"mailbox.m.after = seen\n"};
        auto service = wired.place.start({"run"});
        REQUIRE(servers::eventually([&] { return wired.relay.heard(" IDLE") || !service.running(); }, std::chrono::seconds{30}));
        WHEN("it is cut off, in order and by a reset, and mail comes meanwhile") {
            for (const auto how : {Relay::Cut::fin, Relay::Cut::reset}) {
                wired.relay.cutNow(how);
                wired.send(3);
                servers::eventually([&] { return wired.place.countDelivered("m") == wired.sent.size(); }, std::chrono::seconds{30});
                INFO(wired.place.log());
                REQUIRE(wired.place.countDelivered("m") == wired.sent.size());
            }
            THEN("it is delivered once, and there was one session at a time") {
                wired.checkDelivered();
                CHECK(wired.relay.mostAtOnce() == 1);
            }
        }
    }
}
