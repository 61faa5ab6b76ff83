// `postern move`, and a changed .protocol: a mailbox that is read by another protocol from now on, and back.
#include "tests/servers/ews_server.h"
#include "tests/servers/graph_server.h"
#include "tests/servers/token_endpoint.h"
#include "tests/system/sinks.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <csignal>
#include <optional>

using namespace systemtest;
using servers::EwsServer;
using servers::GraphServer;
using servers::TokenEndpoint;

namespace {

constexpr const char* user = "intake@contoso.com";
constexpr auto soon = std::chrono::seconds{120};

std::string credential(const Workplace& place, const std::string& name, const TokenEndpoint& tokens) {
    const auto prefix = "credential." + name + ".";
    return prefix + "grant = client_credentials\n" + prefix + "client_id = app\n" + prefix +
           "client_secret = ${file:" + place.file(name + ".secret", "s3cret").string() + "}\n" + prefix + "scopes = mail\n" + prefix +
           "token_endpoint = " + tokens.url() + "\n";
}

std::string mail(int number) {
    const auto text = std::to_string(number);
    return "Message-ID: <" + text + "@contoso.com>\r\nDate: Sun, 22 Nov 2026 08:15:00 +0000\r\nFrom: a@contoso.com\r\nSubject: mail " + text +
           "\r\n\r\nbody " + text + "\r\n";
}

/// Several in a second, as they come.
std::string clockOf(int number) {
    const auto two = [](int value) { return (value < 10 ? "0" : "") + std::to_string(value); };
    const auto second = number / 3;
    return two(8 + second / 3600) + ":" + two(second / 60 % 60) + ":" + two(second % 60);
}

/// One mailbox at two servers, or three: what comes, comes to all.
class MovingMailbox {
public:
    explicit MovingMailbox(bool translates) {
        ews.user = user;
        ews.rendersAnew = true;
        graph.rendersAnew(true);
        graph.mayTranslate(translates);
        place.configure(lines());
    }
    std::string lines(const std::string& protocol = "ews") const {
        return credential(place, "e", ewsTokens_) + credential(place, "g", graphTokens_) + "mailbox.m.protocol = " + protocol +
               "\nmailbox.m.ews.url = http://127.0.0.1:" + std::to_string(ewsPort_) + "/EWS/Exchange.asmx\nmailbox.m.graph.url = " + graph.url() +
               "\nmailbox.m.graph.credential = g\nmailbox.m.user = " + user +
               "\nmailbox.m.credential = e\nmailbox.m.deliver = spool\nmailbox.m.start = all\nmailbox.m.interval = 1s\nmailbox.m.push = false\n" +
               imap_;
    }
    /// And at an IMAP server, where copy() puts what comes.
    void joinImap() {
        const auto other = Surroundings::get().newUser();
        reader_.emplace(Surroundings::get().reader(other));
        imap_ = basicCredential(place, "c") +
                "mailbox.m.imap.host = localhost\nmailbox.m.imap.port = " + std::to_string(Surroundings::get().mailServer().imapsPort()) +
                "\nmailbox.m.imap.user = " + other + "\nmailbox.m.imap.credential = c\nmailbox.m.imap.truststore = test\n";
    }
    void empty() {
        for (const auto* command : {"SELECT INBOX", "STORE 1:* +FLAGS (\\Deleted)", "EXPUNGE"}) reader_->command(command);
    }
    void copy(int number, const std::string& bytes) { reader_->append("INBOX", {{bytes, "22-Nov-2026 " + clockOf(number) + " +0000", {}}}); }
    void copy(int from, int to) {
        std::vector<servers::ImapClient::Mail> copies;
        for (int i = from; i < to; ++i) copies.push_back({mail(i), "22-Nov-2026 " + clockOf(i) + " +0000", {}});
        reader_->append("INBOX", copies);
    }
    void arrive(int count) {
        for (int i = 0; i < count; ++i, ++sent_) put(sent_, mail(sent_));
    }
    std::string put(int number, const std::string& bytes) {
        const auto received = "2026-11-22T" + clockOf(number) + "Z";
        const auto id = graph.deliver(bytes, received);
        graph.callByEws(ews.deliver(ews.inbox(), bytes, received), id);
        return id;
    }
    std::size_t once() {
        const auto ran = place.postern({"run", "--once"}, soon);
        INFO(ran.output << ran.error);
        CHECK(ran.status == 0);
        said = ran.error;
        return place.countDelivered("m");
    }
    servers::Outcome move(std::vector<std::string> words) const {
        words.insert(words.begin(), {"move", "m"});
        auto moved = place.postern(words, soon);
        UNSCOPED_INFO(moved.output << moved.error);
        return moved;
    }
    Poco::JSON::Object::Ptr plan(const std::string& protocol) const {
        const auto shown = move({"--to", protocol, "--plan", "--json"});
        REQUIRE(shown.status == 0);
        const auto folders = Poco::JSON::Parser{}.parse(shown.output).extract<Poco::JSON::Array::Ptr>();
        REQUIRE(folders->size() == 1);
        return folders->getObject(0);
    }
    std::string readBy() const {
        const auto rows = Poco::JSON::Parser{}.parse(place.postern({"mailboxes", "--json"}).output).extract<Poco::JSON::Array::Ptr>();
        const auto by = rows->getObject(0)->get("read_by");
        return by.isEmpty() ? "" : by.convert<std::string>();
    }
    void checkServers() {
        CHECK(ews.problems() == std::vector<std::string>{});
        CHECK(graph.problems() == std::vector<std::string>{});
        CHECK(place.postern({"ledger", "--check"}).status == 0);
    }

    EwsServer ews{};
    GraphServer graph{};
    Workplace place{};
    std::string said{};

private:
    std::uint16_t ewsPort_ = ews.listen();
    TokenEndpoint ewsTokens_{"token-1"}, graphTokens_{"graph-token-of-this-test"};
    std::optional<servers::ImapClient> reader_{};
    std::string imap_{};
    int sent_ = 0;
};

std::size_t number(const Poco::JSON::Object::Ptr& object, const char* name) { return object->getValue<std::size_t>(name); }

/// How often a body with this line was delivered.
std::size_t delivered(const Workplace& place, const std::string& line) {
    const auto all = place.delivered("m");
    return static_cast<std::size_t>(std::count_if(
        all.begin(), all.end(), [&line](const auto& each) { return each.second.bytes.find("\r\n" + line + "\r\n") != std::string::npos; }));
}

}  // namespace

SCENARIO("a mailbox of a thousand delivered messages moves to another protocol and back, and what is new is delivered once", "[system][move]") {
    const bool translates = GENERATE(true, false);
    GIVEN(std::string("a thousand messages delivered by EWS, ten that are not, and Graph that ") + (translates ? "translates ids" : "refuses to")) {
        MovingMailbox mailbox(translates);
        auto& place = mailbox.place;
        mailbox.arrive(1000);
        REQUIRE(mailbox.once() == 1000);
        const auto before = place.delivered("m");
        mailbox.arrive(10);
        WHEN("an operator asks what a move would do") {
            const auto shown = mailbox.plan("graph");
            THEN("it is told, and nothing is changed") {
                CHECK(number(shown, "known") == 1000);
                CHECK(number(shown, "known_by_id") == (translates ? 1000 : 0));
                CHECK(number(shown, "new") == 10);
                CHECK(number(shown, "doubtful") == 0);
                CHECK(number(shown, "not_there") == 0);
                CHECK(mailbox.readBy().empty());
                CHECK(mailbox.once() == 1010);
                CHECK(mailbox.said.find("protocol=graph") == std::string::npos);
            }
        }
        WHEN("it is moved by command") {
            const auto moved = mailbox.move({"--to", "graph"});
            REQUIRE(moved.status == 0);
            CHECK(moved.error.find("write mailbox.m.protocol = graph into the configuration") != std::string::npos);
            CHECK(moved.error.find("and write") == std::string::npos);
            CHECK(mailbox.readBy() == "graph");
            const auto asked = mailbox.ews.requests().size();
            THEN("the ten are delivered, though the configuration says what it said before") {
                CHECK(mailbox.once() == 1010);
                CHECK(mailbox.ews.requests().size() == asked);
                const auto there = place.delivered("m");
                for (const auto& [id, each] : before) CHECK(there.at(id).bytes == each.bytes);
                CHECK((mailbox.said.find("User.Read.All") == std::string::npos) == translates);
                CHECK(mailbox.said.find(translates ? "matched_by_id=1000" : "matched_by_id=0") != std::string::npos);
                AND_THEN("back again, ten more") {
                    mailbox.arrive(10);
                    const auto back = mailbox.plan("ews");
                    CHECK(number(back, "known") == 1010);
                    CHECK(number(back, "known_by_id") == 1000);  // whoever translates: these are where they were
                    CHECK(number(back, "new") == 10);
                    REQUIRE(mailbox.move({"--to", "ews"}).status == 0);
                    CHECK(mailbox.readBy().empty());
                    CHECK(mailbox.once() == 1020);
                    CHECK(mailbox.once() == 1020);
                }
            }
            THEN("it stays so when the configuration says it too, and goes back when that says so") {
                place.configure(mailbox.lines("graph"));
                CHECK(mailbox.once() == 1010);
                place.configure(mailbox.lines("ews"));
                mailbox.arrive(10);
                CHECK(mailbox.once() == 1020);
            }
        }
        WHEN("the configuration alone says another protocol, and then the former one again") {
            place.configure(mailbox.lines("graph"));
            CHECK(mailbox.once() == 1010);
            mailbox.arrive(10);
            place.configure(mailbox.lines("ews"));
            CHECK(mailbox.once() == 1020);
            THEN("nothing came twice") {
                const auto there = place.delivered("m");
                CHECK(there.size() == 1020);
                for (const auto& [id, each] : before) CHECK(there.at(id).bytes == each.bytes);
            }
        }
        mailbox.checkServers();
    }
}

SCENARIO("a service that is at work goes over to another protocol when it is told, and back", "[system][move]") {
    MovingMailbox mailbox(true);
    mailbox.arrive(200);
    const auto delivers = [&mailbox](std::size_t count) {
        return servers::eventually([&] { return mailbox.place.countDelivered("m") == count; }, soon);
    };
    auto service = mailbox.place.start({"run"});
    REQUIRE(delivers(200));
    const auto settled = [&mailbox] { return ledger(mailbox.place, {"--state", "delivered", "--limit", "1000"}).size(); };
    REQUIRE(servers::eventually([&] { return settled() == 200; }, soon));
    for (const std::string protocol : {"graph", "ews"}) {
        const auto before = mailbox.place.countDelivered("m");
        const auto moved = mailbox.move({"--to", protocol});
        REQUIRE(moved.status == 0);
        CHECK(moved.output.find("INBOX") != std::string::npos);
        REQUIRE(servers::eventually(
            [&] {
                return mailbox.place.log().find("is read with another protocol from now on mailbox=m folder=INBOX protocol=" + protocol) !=
                       std::string::npos;
            },
            soon));
        mailbox.arrive(10);
        CHECK(delivers(before + 10));
    }
    REQUIRE(servers::eventually([&] { return settled() == 220; }, soon));
    service.signal(SIGTERM);
    const auto ended = service.wait(soon);
    REQUIRE(ended);
    CHECK(ended->status == 0);
    CHECK(mailbox.place.countDelivered("m") == 220);
    mailbox.checkServers();
}

SCENARIO("messages that differ in nothing but their ids and bodies are told apart where Graph translates them", "[system][move]") {
    MovingMailbox mailbox(true);
    // Graph lists the one first that EWS shows later.
    auto twin = mail(5);
    twin.replace(twin.find("body"), 4, "twin");
    const auto received = "2026-11-22T" + clockOf(5) + "Z";
    const auto id = mailbox.graph.deliver(twin, received);
    mailbox.arrive(12);
    REQUIRE(mailbox.once() == 12);
    mailbox.graph.callByEws(mailbox.ews.deliver(mailbox.ews.inbox(), twin, received), id);
    const auto shown = mailbox.plan("graph");
    CHECK(number(shown, "known") == 12);
    CHECK(number(shown, "new") == 1);
    CHECK(number(shown, "doubtful") == 0);
    REQUIRE(mailbox.move({"--to", "graph"}).status == 0);
    CHECK(mailbox.once() == 13);
    CHECK(delivered(mailbox.place, "twin 5") == 1);
    CHECK(delivered(mailbox.place, "body 5") == 1);
    mailbox.checkServers();
}

SCENARIO("messages that differ in nothing but their bodies, not all of them known, stop a move, and arrive all the same", "[system][move]") {
    const auto [from, to] = GENERATE(table<std::string, std::string>({{"ews", "graph"}, {"graph", "ews"}, {"ews", "imap"}, {"imap", "graph"}}));
    const bool twinFirst = GENERATE(false, true);  // by the protocol that is new
    GIVEN("a message delivered by " + from + " and one that is not, which " + to + " lists " + (twinFirst ? "first" : "last")) {
        MovingMailbox mailbox(false);
        mailbox.joinImap();
        mailbox.place.configure(mailbox.lines(from));
        auto twin = mail(5);
        twin.replace(twin.find("body 5"), 6, "twin 5\r\n" + std::string(100'000, 'x'));
        const auto putTwin = [&, &by = to](bool now) {
            if (now == (by == "ews")) mailbox.ews.deliver(mailbox.ews.inbox(), twin, "2026-11-22T" + clockOf(5) + "Z");
            if (now == (by == "graph")) mailbox.graph.deliver(twin, "2026-11-22T" + clockOf(5) + "Z");
            if (now == (by == "imap")) mailbox.copy(5, twin);
        };
        if (twinFirst) putTwin(true);
        mailbox.arrive(6);
        mailbox.copy(0, 6);
        REQUIRE(mailbox.once() == 6);
        if (!twinFirst) putTwin(true);
        putTwin(false);
        const auto shown = mailbox.plan(to);
        CHECK(number(shown, "known") == 5);
        CHECK(number(shown, "new") == 2);
        CHECK(number(shown, "doubtful") == 2);
        const auto refused = mailbox.move({"--to", to});
        CHECK(refused.status == 75);
        CHECK(refused.error.find("2 messages that would be delivered are like known ones") != std::string::npos);
        CHECK(mailbox.readBy().empty());
        REQUIRE(mailbox.move({"--to", to, "--anyway"}).status == 0);
        CHECK(mailbox.readBy() == to);
        CHECK(mailbox.once() == 8);
        CHECK(delivered(mailbox.place, "twin 5") == 1);
        CHECK(delivered(mailbox.place, "body 5") == 2);
        CHECK(mailbox.once() == 8);
        mailbox.checkServers();
    }
}

SCENARIO("a message like one that was delivered and taken away is doubtful, and arrives", "[system][move]") {
    const auto [from, to] = GENERATE(table<std::string, std::string>({{"ews", "graph"}, {"graph", "imap"}, {"imap", "ews"}}));
    GIVEN("a mailbox whose mail is moved away, that goes from " + from + " to " + to) {
        MovingMailbox mailbox(false);
        mailbox.joinImap();
        mailbox.place.configure(mailbox.lines(from) + "mailbox.m.after = move:Done\n");
        mailbox.arrive(6);
        mailbox.copy(0, 6);
        REQUIRE(mailbox.once() == 6);
        auto twin = mail(5);
        twin.replace(twin.find("body"), 4, "twin");
        mailbox.ews.change([&](auto& store) {
            for (const auto* item : store.itemsOf(mailbox.ews.inbox())) store.remove(std::string(item->id));
        });
        mailbox.graph.change([&](auto& store) {
            for (const auto& id : store.in("inbox")) store.move(id, "deleteditems");
        });
        if (to == "imap") mailbox.empty();
        mailbox.put(5, twin);
        mailbox.copy(5, twin);
        const auto shown = mailbox.plan(to);
        CHECK(number(shown, "new") == 1);
        CHECK(number(shown, "doubtful") == 1);
        CHECK(mailbox.move({"--to", to}).status == 75);
        REQUIRE(mailbox.move({"--to", to, "--anyway"}).status == 0);
        CHECK(mailbox.once() == 7);
        CHECK(delivered(mailbox.place, "twin 5") == 1);
        mailbox.checkServers();
    }
}

SCENARIO("a mailbox of Exchange moves to the IMAP server of somebody else, and back", "[system][move]") {
    MovingMailbox mailbox(false);
    mailbox.joinImap();
    auto& place = mailbox.place;
    place.configure(mailbox.lines("ews"));
    mailbox.arrive(1000);
    REQUIRE(mailbox.once() == 1000);
    mailbox.arrive(10);
    mailbox.copy(0, 1010);
    const auto byCommand = GENERATE(true, false);
    if (byCommand) {
        const auto shown = mailbox.plan("imap");
        CHECK(number(shown, "known") == 1000);
        CHECK(number(shown, "new") == 10);
        CHECK(number(shown, "doubtful") == 0);
        REQUIRE(mailbox.move({"--to", "imap"}).status == 0);
    } else {
        place.configure(mailbox.lines("imap"));
    }
    CHECK(mailbox.once() == 1010);
    mailbox.arrive(10);
    mailbox.copy(1010, 1020);
    if (byCommand)
        REQUIRE(mailbox.move({"--to", "ews"}).status == 0);
    else
        place.configure(mailbox.lines("ews"));
    CHECK(mailbox.once() == 1020);
    CHECK(mailbox.said.find("matched_by_id=1000") != std::string::npos);
    if (byCommand)
        REQUIRE(mailbox.move({"--to", "imap"}).status == 0);
    else
        place.configure(mailbox.lines("imap"));
    CHECK(mailbox.once() == 1020);
    CHECK(mailbox.said.find("matched_by_id=1010") != std::string::npos);
    mailbox.checkServers();
}

SCENARIO("a move says what it cannot do, and changes nothing", "[system][move]") {
    MovingMailbox mailbox(true);
    auto& place = mailbox.place;
    mailbox.arrive(3);
    REQUIRE(mailbox.once() == 3);
    GIVEN("no server of that protocol") {
        const auto refused = mailbox.move({"--to", "imap"});
        CHECK(refused.status == 78);
        CHECK(refused.error.find("set mailbox.m.imap.host") != std::string::npos);
    }
    GIVEN("a server that is away") {
        place.configure(replaced(mailbox.lines(), "mailbox.m.graph.url", "http://127.0.0.1:" + std::to_string(servers::closedPort())));
        const auto refused = mailbox.move({"--to", "graph"});
        CHECK(refused.status == 69);
    }
    CHECK(mailbox.readBy().empty());
    CHECK(mailbox.once() == 3);
}

SCENARIO("a move says what a server written for whatever protocol is to be written as, and moves", "[system][move]") {
    MovingMailbox mailbox(true);
    mailbox.arrive(3);
    REQUIRE(mailbox.once() == 3);
    const auto url = mailbox.lines().substr(mailbox.lines().find("mailbox.m.ews.url = ") + 20);
    const auto general = replaced(mailbox.lines(), "mailbox.m.ews.url", "x");
    mailbox.place.configure(general.substr(0, general.rfind("mailbox.m.ews.url")) + "mailbox.m.url = " + url.substr(0, url.find('\n')) + "\n");
    const auto moved = mailbox.move({"--to", "graph"});
    CHECK(moved.status == 0);
    CHECK(moved.error.find("and write mailbox.m.url as mailbox.m.ews.url, or remove it: it belongs to ews") != std::string::npos);
    CHECK(mailbox.readBy() == "graph");
    CHECK(mailbox.once() == 3);
    REQUIRE(mailbox.move({"--to", "ews"}).status == 0);
    CHECK(mailbox.readBy().empty());
    CHECK(mailbox.once() == 3);
}
