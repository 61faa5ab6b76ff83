#include "tests/servers/relay.h"
#include "tests/system/postbox.h"

#include <catch2/catch.hpp>

#include <csignal>
#include <set>

using namespace systemtest;
using servers::Relay;

namespace {

/// A mailbox behind a wire that can be cut: without TLS, so that the wire sees lines.
class Wired {
public:
    explicit Wired(const std::string& words, const std::string& protocol = "imap") : box(makePostbox(protocol)), relay(box->plainPort()) {
        place.configure(box->plainCredential(place, "p") + box->mailboxAt(relay.port(), "m", "p") +
                        "mailbox.m.timeout.connect = 10s\nmailbox.m.timeout.io = 10s\n" + words);
    }

    void send(std::size_t count) {
        const auto mails = someMails("cut" + std::to_string(++series_), count);
        for (const auto& mail : mails) sent.insert(sha256(mail.bytes));
        box->put(mails);
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
        std::multiset<std::string> arrived;
        for (const auto& [id, mail] : place.delivered("m")) arrived.insert(box->original(sha256(mail.bytes)));
        const bool all = arrived == sent;  // every mail is different
        CHECK(all);
        CHECK(box->problems() == std::vector<std::string>{});
    }
    /// Everything is in this folder of the server, each at least once; answers how many are there more than once.
    std::size_t checkHeld(const std::string& folder) {
        std::multiset<std::string> held;
        for (const auto& mail : box->in(folder)) held.insert(mail.digest);
        const std::set<std::string> each(held.begin(), held.end());
        const bool conserved = each == std::set<std::string>(sent.begin(), sent.end());
        CHECK(conserved);
        return held.size() - each.size();
    }
    /// The program waits for mail, or has ended.
    bool listens(servers::Process& service) {
        return servers::eventually([&] { return !service.running() || (box->protocol() == "imap" ? relay.heard(" IDLE") : box->looks() > 0); },
                                   std::chrono::seconds{30});
    }

    std::unique_ptr<Postbox> box;
    Relay relay;
    Workplace place{};
    std::multiset<std::string> sent{};

private:
    std::size_t series_ = 0;
};

/// How the line is cut, and the mails moved.
struct Cutting {
    std::string protocol;
    Relay::Cut how;
    bool move = true;
    std::uint64_t step = 1;  ///< lines; those of the heads of HTTP are much alike
    std::string name() const {
        return protocol + (move ? ", with MOVE" : ", with COPY, STORE and EXPUNGE") + (how == Relay::Cut::fin ? ", cut in order" : ", reset");
    }
};

}  // namespace

SCENARIO("a drain that is cut behind any line of its dialogue is made good by the next one", "[system][cut]") {
    const auto way =
        GENERATE(Cutting{"imap", Relay::Cut::fin}, Cutting{"imap", Relay::Cut::reset}, Cutting{"imap", Relay::Cut::fin, false},
                 Cutting{"imap", Relay::Cut::reset, false}, Cutting{"ews", Relay::Cut::fin, true, 7}, Cutting{"ews", Relay::Cut::reset, true, 7},
                 Cutting{"graph", Relay::Cut::fin, true, 7}, Cutting{"graph", Relay::Cut::reset, true, 7});
    GIVEN("a mailbox with three mails each time, moved away " + way.name()) {
        Wired wired{std::string{"mailbox.m.after = seen+move:Done\n"} + (way.move ? "" : "mailbox.m.disable_capabilities = MOVE\n"), way.protocol};
        WHEN("the line is cut behind the first line, the second, and so on to the last") {
            std::uint64_t line = way.step > 1 && way.how == Relay::Cut::reset ? 4 : 1, cuts = 0;
            for (bool cut = true; cut; line += way.step) {
                INFO("behind line " << line);
                REQUIRE(line < 600);
                wired.send(3);
                wired.relay.cutAfter(line, way.how);
                const auto first = wired.place.postern({"run", "--once"});
                INFO(wired.relay.dialogue());
                INFO(first.error);
                cut = wired.relay.hasCut();
                if (cut) ++cuts;
                CHECK((first.status == 0 || (cut && first.status == 75)));
                wired.finish();
                CHECK(wired.box->in("INBOX").empty());
            }
            THEN("everything was delivered once, and the mailbox has lost nothing") {
                REQUIRE(line > 40);
                wired.checkDelivered();
                const auto copies = wired.checkHeld("Done");
                INFO(way.name() << ": cut behind " << cuts << " lines, " << copies << " copies too many");
                CHECK(copies == (way.move ? 0 : 3));  // without MOVE the one COPY nobody heard the end of is done again
                for (const auto& mail : wired.box->in("Done")) CHECK(mail.seen);
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
                    return wired.place.countDelivered("m") == before + 3 && wired.relay.open() > 0 && wired.box->in("INBOX").empty();
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
                CHECK(wired.box->in("INBOX").empty());
            }
        }
    }
}

SCENARIO("a service that is cut off comes back by itself", "[system][cut]") {
    const std::string protocol = GENERATE("imap", "ews", "graph");
    GIVEN("a service that waits for mail by " + protocol) {
        Wired wired{"mailbox.m.after = seen\n", protocol};
        auto service = wired.place.start({"run"});
        const auto arrives = [&](std::size_t count) {
            wired.send(count);
            servers::eventually([&] { return wired.place.countDelivered("m") == wired.sent.size(); }, std::chrono::seconds{30});
            INFO(wired.place.log());
            REQUIRE(wired.place.countDelivered("m") == wired.sent.size());
        };
        REQUIRE(wired.listens(service));
        WHEN("it is cut off, in order and by a reset, and mail comes meanwhile") {
            for (const auto how : {Relay::Cut::fin, Relay::Cut::reset}) {
                arrives(1);  // it is told of that: the line lives
                wired.relay.cutNow(how);
                arrives(3);
            }
            THEN("it is delivered once, and by IMAP there was one session at a time") {
                wired.checkDelivered();
                if (protocol == "imap") CHECK(wired.relay.mostAtOnce() == 1);
            }
        }
    }
}
