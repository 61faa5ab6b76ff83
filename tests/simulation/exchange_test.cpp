#include "listener/engine/comparison.h"
#include "tests/simulation/exchange_stage.h"
#include "tests/simulation/sim_text.h"

#include <catch2/catch.hpp>

#include <cstdlib>

using namespace simulation;
using namespace std::chrono_literals;
using plugin::Mode;
using Wrong = std::vector<std::string>;

namespace {

std::set<std::uint64_t> upTo(std::uint64_t last) {
    std::set<std::uint64_t> all;
    for (std::uint64_t serial = 1; serial <= last; ++serial) all.insert(serial);
    return all;
}

std::size_t held(ExchangeStage& stage, const std::string& folder) { return stage.mail().folders[folder].items.size(); }

}  // namespace

SCENARIO("what a server renders anew reaches each sink once, with one and the same octets", "[exchange]") {
    const auto* protocol = GENERATE("ews", "graph");
    GIVEN(std::string("a mailbox read by ") + protocol) {
        ExchangeStage stage(1);
        stage.protocol = protocol;
        stage.after = "move:Done";
        for (int i = 0; i < 5; ++i) stage.mail().arrive("INBOX", i != 3);
        stage.mail().arrive("INBOX", true, 1'200'000);  // past what is kept in memory
        WHEN("all goes well") {
            CHECK(stage.once() == 0);
            THEN("every message was rendered once") {
                CHECK(stage.wrong(upTo(6)) == Wrong{});
                CHECK(stage.mail().fetches == 6);
                CHECK(stage.hook().repeats == 0);
                CHECK(held(stage, "Done") == 6);
            }
        }
        WHEN("one sink refuses for a while") {
            stage.hook().always = Badly::serverError;
            stage.live({.mode = Mode::service, .time = 5min});
            CHECK(held(stage, "Done") == 0);
            stage.hook().always.reset();
            stage.live({.mode = Mode::service, .time = 60min});
            THEN("it gets the octets the other one has") {
                CHECK(stage.wrong(upTo(6)) == Wrong{});
                CHECK(stage.mail().fetches == 6);
                CHECK(stage.hook().repeats == 0);
                CHECK(held(stage, "Done") == 6);
            }
        }
    }
}

namespace {

/// A process that ends at its n-th effect, and another one that finishes. Answers whether there were n effects.
bool history(const std::string& protocol, std::uint64_t n, bool powerCut) {
    ExchangeStage stage(n);
    stage.protocol = protocol;
    stage.after = "move:Done";
    stage.more = {"mailbox.box.max_per_round = 3"};
    for (int i = 0; i < 3; ++i) stage.mail().arrive("INBOX", i != 1);
    stage.mail().arrive("INBOX", true, 1'100'000);
    const auto effects = stage.live({.deathAt = n, .powerCut = powerCut});
    const auto before = stage.hooked();
    const auto fetched = stage.mail().fetches;
    stage.once();
    CHECK(stage.once() == 0);
    INFO("by " << protocol << ", ended at effect " << n << (powerCut ? " with the power" : ""));
    CHECK(stage.wrong(upTo(4)) == Wrong{});
    CHECK(held(stage, "Done") == 4);
    // What a sink had seen is never rendered again.
    if (before.size() == 4) CHECK(stage.mail().fetches == fetched);
    return effects >= n;
}

}  // namespace

SCENARIO("whenever a process ends, the next one goes on with the octets a sink may have seen", "[exchange]") {
    const auto* protocol = GENERATE("ews", "graph");
    const auto powerCut = GENERATE(false, true);
    GIVEN(std::string(protocol) + (powerCut ? ", and the power that goes at every third effect" : ", and a kill at the n-th effect, for every n")) {
        std::uint64_t n = 1;
        while (history(protocol, n, powerCut)) n += powerCut ? 3 : 1;
        THEN("nothing is lost, nothing comes twice, no sink sees two versions") { CHECK(n > 150); }
    }
}

SCENARIO("what arrives while a folder is listed for the first time is new mail", "[exchange]") {
    const auto* protocol = GENERATE("ews", "graph");
    const bool interrupted = GENERATE(false, true);
    GIVEN(std::string("a folder of three pages, read by ") + protocol + " from now on" + (interrupted ? ", at the second try" : "")) {
        ExchangeStage stage(5);
        stage.protocol = protocol;
        stage.start = "now";
        for (int i = 0; i < 10; ++i) stage.mail().arrive("INBOX");
        stage.clock().jump(5s);
        int pages = 0;
        stage.mail().pageTold = [&] {
            if (++pages != 2) return;
            stage.clock().jump(2s);
            stage.mail().arrive("INBOX");
            if (interrupted) stage.mail().moodOneIn = 1;
        };
        if (interrupted) {
            stage.live({.mode = Mode::service, .time = 1min});
            stage.mail().moodOneIn = 0;
        }
        CHECK(stage.once() == 0);
        stage.mail().arrive("INBOX");
        CHECK(stage.once() == 0);
        THEN("it is delivered, and nothing that was there before") { CHECK(stage.wrong({11, 12}) == Wrong{}); }
    }
}

SCENARIO("a message that others move between watched folders is not delivered again", "[exchange]") {
    const auto* protocol = GENERATE("ews", "graph");
    GIVEN(std::string("two folders read by ") + protocol) {
        ExchangeStage stage(3);
        stage.protocol = protocol;
        stage.folders = "INBOX,Orders";
        stage.mail().make("Orders");
        for (int i = 0; i < 6; ++i) {
            stage.mail().arrive(i % 2 == 0 ? "INBOX" : "Orders", i != 4);
            stage.clock().jump(1s);
        }
        REQUIRE(stage.once() == 0);
        WHEN("messages are moved, to and fro, and one is new") {
            stage.mail().moveByOthers("INBOX", 1, "Orders");
            stage.mail().moveByOthers("Orders", 2, "INBOX");
            stage.mail().moveByOthers("INBOX", 5, "Orders");
            REQUIRE(stage.once() == 0);
            stage.mail().moveByOthers("Orders", 1, "INBOX");
            stage.mail().arrive("Orders");
            REQUIRE(stage.once() == 0);
            THEN("each has been delivered once") { CHECK(stage.wrong(upTo(7)) == Wrong{}); }
        }
        WHEN("one is moved away while the webhook has not taken it, and comes back to another folder") {
            stage.hook().always = Badly::serverError;
            stage.mail().arrive("INBOX");
            stage.live({.mode = Mode::service, .time = 3min});
            stage.mail().moveByOthers("INBOX", 7, "Orders");
            stage.live({.mode = Mode::service, .time = 3min});
            stage.hook().always.reset();
            stage.live({.mode = Mode::service, .time = 60min});
            THEN("it is the same delivery") { CHECK(stage.wrong(upTo(7)) == Wrong{}); }
        }
    }
}

SCENARIO("a folder that has to be listed anew delivers nothing anew", "[exchange]") {
    ExchangeStage stage(4);
    stage.protocol = "graph";
    for (int i = 0; i < 10; ++i) stage.mail().arrive("INBOX");
    REQUIRE(stage.once() == 0);
    const auto listings = stage.mail().wholeListings;
    WHEN("the server has forgotten what it told, and meanwhile one has gone and one has come") {
        stage.mail().removeByOthers("INBOX", 3);
        stage.mail().arrive("INBOX");
        stage.mail().forgetTold("INBOX");
        REQUIRE(stage.once() == 0);
        THEN("only the new one is delivered") {
            CHECK(stage.mail().wholeListings == listings + 1);
            CHECK(stage.wrong(upTo(11)) == Wrong{});
            CHECK(stage.mail().fetches == 11);
        }
    }
    WHEN("the folder is another one of the same name, with the same messages") {
        auto& inbox = stage.mail().folders["INBOX"];
        inbox.key = "another";
        for (auto& item : inbox.items) item.graphId = "new-" + item.graphId;
        stage.mail().arrive("INBOX");
        stage.mail().forgetTold("INBOX");
        REQUIRE(stage.once() == 0);
        THEN("they are found again by what they are") { CHECK(stage.wrong(upTo(11)) == Wrong{}); }
    }
}

SCENARIO("an outbox that is full of what one sink refuses holds up no mailbox whose sinks work", "[exchange]") {
    ExchangeStage stage(5);
    stage.protocol = "graph";
    stage.more = {"outbox.max_size = 2kB", "mailbox.box.max_per_round = 5"};
    stage.hook().always = Badly::serverError;
    for (int i = 0; i < 40; ++i) stage.mail().arrive("INBOX", true, 200);
    stage.live({.mode = Mode::service, .time = 10min});
    CHECK(stage.spooled().size() == 5);
    CHECK(stage.mail().fetches <= 15);  // and not the same again and again
    WHEN("it takes them again") {
        stage.hook().always.reset();
        stage.live({.mode = Mode::service, .time = 120min});
        THEN("the rest follows") { CHECK(stage.wrong(upTo(40)) == Wrong{}); }
    }
    WHEN("the mailbox does without that sink") {
        stage.deliver = "s";
        stage.live({.mode = Mode::service, .time = 60min});
        THEN("it is read to its end, though the outbox is as full as it was") { CHECK(stage.spooled().size() == 40); }
    }
}

SCENARIO("a mailbox that is read with another protocol from now on delivers what is new, and nothing twice", "[exchange]") {
    ExchangeStage stage(6);
    stage.folders = "INBOX,Orders";
    stage.mail().make("Orders");
    stage.mail().pageSize = 200;
    std::uint64_t sent = 0;
    const auto arrive = [&stage, &sent](int count) {
        for (int i = 0; i < count; ++i) {
            sent = stage.mail().arrive(i % 4 == 3 ? "Orders" : "INBOX", i % 7 != 6);
            if (i % 3 == 0) stage.clock().jump(1s);
        }
    };
    stage.protocol = "imap";
    arrive(1000);
    REQUIRE(stage.once() == 0);
    REQUIRE(stage.wrong(upTo(1000)) == Wrong{});
    const auto ids = stage.hooked();
    for (const auto* protocol : {"graph", "imap", "ews", "graph", "ews", "imap"}) {
        const auto fetched = stage.mail().fetches;
        stage.clock().jump(2s);
        arrive(10);
        stage.protocol = protocol;
        INFO("now by " << protocol);
        REQUIRE(stage.once() == 0);
        REQUIRE(stage.wrong(upTo(sent)) == Wrong{});
        CHECK(stage.mail().fetches == fetched + 10);
    }
    CHECK(sent == 1060);
    for (const auto& [serial, each] : ids) CHECK(stage.hooked().at(serial) == each);
}

namespace {

/// What imap had under way when its process ended is fetched again: by another protocol with other octets, under the same id. `those`: it may have
/// been among them.
void dropOctets(Wrong& wrong, const std::set<std::uint64_t>& those) {
    const std::string octets = "octets of ";
    std::erase_if(wrong,
                  [&](const std::string& what) { return what.starts_with(octets) && those.contains(std::stoull(what.substr(octets.size()))); });
}

}  // namespace

SCENARIO("what a dying process had under way is not delivered again when another protocol goes on", "[exchange]") {
    using Change = std::pair<const char*, const char*>;
    const auto [from, to] = GENERATE(Change{"imap", "ews"}, Change{"imap", "graph"}, Change{"graph", "ews"}, Change{"graph", "imap"});
    GIVEN(std::string("a process that reads by ") + from + " and ends somewhere, and another that goes on by " + to) {
        std::uint64_t n = 1;
        for (bool reached = true; reached; n += 3) {
            ExchangeStage stage(n);
            stage.protocol = from;
            for (int i = 0; i < 4; ++i) {
                stage.mail().arrive("INBOX", i != 1);
                stage.clock().jump(1s);
            }
            reached = stage.live({.deathAt = n}) >= n;
            stage.protocol = to;
            stage.once();
            CHECK(stage.once() == 0);
            INFO("ended at effect " << n);
            auto wrong = stage.wrong(upTo(4));
            if (from == std::string("imap")) dropOctets(wrong, upTo(4));
            CHECK(wrong == Wrong{});
        }
        THEN("each was looked at") { CHECK(n > 60); }
    }
}

SCENARIO("a mailbox whose server blocks EWS goes over to Microsoft Graph, and stays there", "[exchange]") {
    ExchangeStage stage(7);
    stage.protocol = "ews";
    stage.more = {"mailbox.box.fallback = graph"};
    for (int i = 0; i < 5; ++i) stage.mail().arrive("INBOX");
    REQUIRE(stage.once() == 0);
    stage.clock().jump(2s);
    stage.mail().arrive("INBOX");
    stage.mail().blocked = "ews";
    GIVEN("that the configuration allows it") {
        const auto mode = GENERATE(Mode::once, Mode::service);
        stage.live({.mode = mode});
        THEN("what is new is delivered, and people are told") {
            CHECK(stage.wrong(upTo(6)) == Wrong{});
            CHECK(stage.mail().fetches == 6);
            CHECK(stage.log().find("is read by Microsoft Graph from now on: set mailbox.box.protocol = graph") != std::string::npos);
        }
        THEN("later processes do not ask EWS any more") {
            const auto log = stage.log().size();
            stage.clock().jump(2s);
            stage.mail().arrive("INBOX");
            REQUIRE(stage.once() == 0);
            CHECK(stage.wrong(upTo(7)) == Wrong{});
            CHECK(stage.log().substr(log).find("PO-4014") == std::string::npos);
        }
        THEN("the configuration may say so, too, and may say something else later") {
            stage.protocol = "graph";
            stage.more.clear();
            REQUIRE(stage.once() == 0);
            stage.protocol = "imap";
            stage.clock().jump(2s);
            stage.mail().arrive("INBOX");
            REQUIRE(stage.once() == 0);
            CHECK(stage.wrong(upTo(7)) == Wrong{});
            CHECK(stage.mail().fetches == 7);
        }
    }
    GIVEN("that it does not") {
        stage.more.clear();
        stage.live({});
        THEN("an operator is asked") {
            CHECK(stage.hooked().size() == 5);
            CHECK(stage.log().find("PO-4014") != std::string::npos);
        }
    }
}

namespace {

/// What an operator does while the service is at work.
plugin::Task<plugin::Result<void>> moveTo(listener::Ledger& ledger, std::string to) {
    std::optional<listener::Detour> detour;
    if (to != "imap") detour = listener::Detour{to, "imap", "moved by an operator"};
    co_return co_await ledger.take("box", std::move(detour));
}

}  // namespace

SCENARIO("an operator moves a mailbox to another protocol and back, while the service is at work", "[exchange]") {
    ExchangeStage stage(8);
    stage.protocol = "imap";
    for (int i = 0; i < 8; ++i) stage.mail().arrive("INBOX", i != 2);
    std::unique_ptr<listener::Ledger> ledger;
    std::vector<std::shared_ptr<plugin::Shared<plugin::Result<void>>>> done;
    stage.live({.mode = Mode::service, .time = 30min, .begun = [&](Process& process) {
                    ledger = listener::makeLedger(process.database(), stage.clock());
                    auto& loop = process.loop();
                    const auto now = stage.clock().steady();
                    for (const auto& [minute, to] : {std::pair{5, "graph"}, {12, "ews"}, {19, "imap"}})
                        loop.at(now + std::chrono::minutes(minute), [&, to] { done.push_back(plugin::start(loop, moveTo(*ledger, to))); });
                    for (const int minute : {6, 11, 13, 20, 25}) loop.at(now + std::chrono::minutes(minute), [&] { stage.mail().arrive("INBOX"); });
                }});
    REQUIRE(done.size() == 3);
    THEN("what came meanwhile is delivered, and nothing twice") {
        CHECK(stage.wrong(upTo(13)) == Wrong{});
        CHECK(stage.mail().fetches == 13);
    }
    THEN("the log says when") {
        for (const auto* protocol : {"protocol=graph", "protocol=ews", "protocol=imap"}) CHECK(stage.log().find(protocol) != std::string::npos);
    }
}

SCENARIO("an operator has such a mailbox delivered again from its beginning", "[exchange]") {
    const auto* protocol = GENERATE("ews", "graph");
    ExchangeStage stage(10);
    stage.protocol = protocol;
    stage.start = "now";
    stage.mail().arrive("INBOX");
    stage.clock().jump(2s);
    REQUIRE(stage.once() == 0);
    stage.clock().jump(2s);
    for (int i = 0; i < 4; ++i) stage.mail().arrive("INBOX", i != 1);
    REQUIRE(stage.once() == 0);
    const auto before = stage.hooked();
    CHECK(before.size() == 4);
    stage.more = {"mailbox.box.enabled = false"};
    stage.live({.mode = Mode::service, .time = 1min, .begun = [&](Process& process) {
                    const auto ledger = listener::makeLedger(process.database(), stage.clock());
                    REQUIRE(process.wait(ledger->restart("box", {listener::Start::Kind::all})));
                }});
    stage.more.clear();
    REQUIRE(stage.once() == 0);
    THEN("all of it comes, what a sink has already under the id it has") {
        CHECK(stage.hooked().size() == 5);
        CHECK(stage.hook().repeats == 4);
        CHECK(stage.mail().fetches == 9);
        for (const auto& [serial, ids] : before) CHECK(stage.hooked().at(serial) == ids);
        auto wrong = stage.wrong(upTo(5));
        dropOctets(wrong, upTo(5));
        CHECK(wrong == Wrong{});
    }
}

SCENARIO("a look with another protocol tells what a move would do, and does nothing", "[exchange]") {
    ExchangeStage stage(9);
    stage.protocol = "imap";
    stage.folders = "INBOX,Orders";
    stage.mail().make("Orders");
    for (int i = 0; i < 6; ++i) stage.mail().arrive("INBOX", i != 2);
    stage.mail().arrive("Orders");
    REQUIRE(stage.once() == 0);
    stage.mail().removeByOthers("INBOX", 4);
    stage.mail().arrive("INBOX");
    stage.more = {"mailbox.box.enabled = false"};
    std::vector<listener::Compared> found;
    stage.live({.mode = Mode::service, .time = 1min, .begun = [&](Process& process) {
                    auto settings = listener::mailboxSettings(*process.configuration(), "box");
                    REQUIRE(listener::readBy(settings, "graph"));
                    const auto ledger = listener::makeLedger(process.database(), stage.clock());
                    const auto session = stage.mail().session(settings, process);
                    auto compared = process.wait(listener::compareFolders(*ledger, *session, settings));
                    REQUIRE(compared);
                    found = *compared;
                }});
    REQUIRE(found.size() == 2);
    CHECK(found[0].folder == "INBOX");
    CHECK(found[0].both == 5);
    CHECK(found[0].fresh == 1);
    CHECK(found[0].gone == 1);
    CHECK(found[0].beforeStart == 0);
    CHECK(found[1].both == 1);
    CHECK(found[1].fresh == 0);
    CHECK(stage.wrong(upTo(7)) == Wrong{});
    stage.more.clear();
    REQUIRE(stage.once() == 0);
    CHECK(stage.wrong(upTo(8)) == Wrong{});
}

namespace {

/// A history of chance: arrivals, moves by others, forgetful servers, moody sinks, deaths, and other protocols.
class Storm {
public:
    explicit Storm(std::uint64_t seed) : stage_(seed, std::getenv("POSTERN_TRACE") != nullptr) {
        auto& dice = stage_.dice();
        stage_.folders = dice.oneIn(2) ? "INBOX" : "INBOX,Orders";
        stage_.after = dice.oneIn(2) ? "leave" : dice.oneIn(2) ? "move:Done" : "seen";
        stage_.mail().make("Orders");
        stage_.mail().make("Done");
        if (dice.oneIn(3)) stage_.more = {"mailbox.box.max_per_round = 2"};
        changes_ = dice.oneIn(2);
        stage_.protocol = pick();
        stage_.mail().translates = dice.oneIn(2);
        for (auto i = dice.below(6); i > 0; --i) arrive();
    }

    Wrong play() {
        auto& dice = stage_.dice();
        for (auto lives = 2 + dice.below(5); lives > 0; --lives) {
            stage_.mail().moodOneIn = dice.oneIn(2) ? 30 : 0;
            stage_.hook().moodOneIn = dice.oneIn(2) ? 4 : 0;
            stage_.live({.mode = dice.oneIn(3) ? Mode::once : Mode::service,
                         .time = std::chrono::minutes(2 + dice.below(15)),
                         .deathAt = dice.oneIn(4) ? 0 : 1 + dice.below(dice.oneIn(2) ? 120 : 900),
                         .powerCut = dice.oneIn(3),
                         .begun = [this](Process& process) { schedule(process); }});
            if (!changes_ || !dice.oneIn(2)) continue;
            const auto before = std::exchange(stage_.protocol, pick());
            if (before == "imap" && stage_.protocol != before) sentByImap_ = sent_;
        }
        stage_.mail().moodOneIn = stage_.hook().moodOneIn = 0;
        stage_.live({.mode = Mode::service, .time = 240min});
        auto wrong = stage_.wrong(sent_);
        dropOctets(wrong, sentByImap_);
        if (stage_.after == "move:Done")
            for (const auto serial : sent_)
                if (std::none_of(stage_.mail().folders["Done"].items.begin(), stage_.mail().folders["Done"].items.end(),
                                 [serial](const auto& item) { return item.serial == serial; }))
                    wrong.push_back("message " + std::to_string(serial) + " is not in Done");
        return wrong;
    }

private:
    std::string pick() {
        const char* all[] = {"graph", "ews", "imap"};
        return all[stage_.dice().below(changes_ ? 3 : 2)];
    }
    void arrive() {
        auto& dice = stage_.dice();
        stage_.clock().jump(1s);  // of two alike that were received in one second nobody can tell which is which
        sent_.insert(stage_.mail().arrive(stage_.folders != "INBOX" && dice.oneIn(2) ? "Orders" : "INBOX", !dice.oneIn(5),
                                          dice.oneIn(60) ? 1'100'000 : dice.below(300)));
    }
    void move() {
        auto& dice = stage_.dice();
        if (stage_.folders == "INBOX" || stage_.after == "move:Done") return;
        const auto* from = dice.oneIn(2) ? "INBOX" : "Orders";
        const auto& items = stage_.mail().folders[from].items;
        if (!items.empty())
            stage_.mail().moveByOthers(from, items[dice.below(items.size())].serial, std::string(from) == "INBOX" ? "Orders" : "INBOX");
    }
    void schedule(Process& process) {
        auto& dice = stage_.dice();
        const auto some = [&] { return stage_.clock().steady() + std::chrono::milliseconds(dice.below(600'000)); };
        for (auto i = dice.below(6); i > 0; --i) process.loop().at(some(), [this] { arrive(); });
        for (auto i = dice.below(4); i > 0; --i) process.loop().at(some(), [this] { move(); });
        if (dice.oneIn(3)) process.loop().at(some(), [this] { stage_.mail().forgetTold("INBOX"); });
    }

    ExchangeStage stage_;
    bool changes_ = false;
    std::set<std::uint64_t> sent_{};
    std::set<std::uint64_t> sentByImap_{};  ///< before it was left
};

}  // namespace

SCENARIO("whatever happens, each message is behind each sink once", "[exchange]") {
    const auto first = setting("POSTERN_SEED", 1), count = setting("POSTERN_HISTORIES", 200);
    for (auto seed = first; seed < first + count; ++seed) {
        INFO("seed " << seed);
        CHECK(Storm(seed).play() == Wrong{});
    }
}
