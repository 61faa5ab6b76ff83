#include "listener/message/sha256.h"
#include "tests/simulation/exchange_stage.h"

#include <catch2/catch.hpp>

using namespace simulation;
using namespace std::chrono_literals;
using plugin::Mode;

SCENARIO("whenever a process ends, what is set aside is what the ledger says it is", "[exchange]") {
    const auto* protocol = GENERATE("ews", "graph");
    GIVEN(std::string(protocol) + ", a message too large for all its sinks, and a kill at every second effect") {
        std::uint64_t n = 1;
        for (bool reached = true; reached; n += 2) {
            ExchangeStage stage(n);
            stage.protocol = protocol;
            stage.more = {"sink.s.max_size = 2kB", "sink.hook.max_size = 2kB"};
            stage.mail().arrive("INBOX");
            stage.mail().arrive("INBOX", true, 5000);
            reached = stage.live({.deathAt = n}) >= n;
            stage.once();
            stage.more.push_back("mailbox.box.enabled = false");
            std::vector<listener::LedgerRow> rows;
            stage.live({.mode = Mode::service, .time = 1min, .begun = [&](Process& process) {
                            const auto ledger = listener::makeLedger(process.database(), stage.clock());
                            auto found = process.wait(ledger->rows({.state = listener::MessageState::quarantined}));
                            REQUIRE(found);
                            rows = std::move(*found);
                        }});
            INFO("ended at effect " << n);
            REQUIRE(rows.size() == 1);
            const auto files = stage.quarantined();
            REQUIRE(files.size() == 1);
            CHECK(files.begin()->first == rows.front().id + ".eml");
            CHECK(listener::sha256(files.begin()->second) == rows.front().sha256);
        }
        THEN("each was looked at") { CHECK(n > 60); }
    }
}

SCENARIO("a full outbox holds up no mailbox for one message that its sink does not have, while it takes the others", "[exchange]") {
    ExchangeStage stage(5);
    stage.protocol = "graph";
    stage.more = {"outbox.max_size = 2kB", "mailbox.box.max_per_round = 5"};
    stage.mail().arrive("INBOX", true, 3000);
    REQUIRE(stage.once() == 0);
    const auto large = *stage.spooled().at(1).begin();
    stage.hook().always = Badly::serverError;
    for (int i = 0; i < 40; ++i) stage.mail().arrive("INBOX", true, 800);
    stage.live({.mode = Mode::service, .time = 10min});
    REQUIRE(stage.spooled().size() == 6);
    stage.deliver = "s";
    std::unique_ptr<listener::OutboxLedger> outbox;
    stage.live({.mode = Mode::service, .time = 60min, .begun = [&](Process& process) {
                    outbox = listener::makeOutboxLedger(process.database(), stage.clock());
                    const auto replayed = process.wait(outbox->replay({.ids = {large}}, "s"));
                    REQUIRE(replayed);
                    REQUIRE(replayed->toFetch == 1);  // and there is no room for it
                }});
    THEN("the mailbox is read to its end") { CHECK(stage.spooled().size() == 41); }
}

SCENARIO("what is fetched once more for a replay is rendered anew, and the log says so", "[exchange]") {
    ExchangeStage stage(11);
    stage.protocol = GENERATE(as<std::string>{}, "ews", "graph");
    stage.mail().arrive("INBOX");
    REQUIRE(stage.once() == 0);
    const auto id = *stage.hooked().at(1).begin();
    std::unique_ptr<listener::OutboxLedger> outbox;
    stage.live({.mode = Mode::service, .time = 5min, .begun = [&](Process& process) {
                    outbox = listener::makeOutboxLedger(process.database(), stage.clock());
                    const auto replayed = process.wait(outbox->replay({.ids = {id}}, "hook"));
                    REQUIRE(replayed);
                    REQUIRE(replayed->toFetch == 1);
                }});
    CHECK(stage.mail().fetches == 2);
    CHECK(stage.hook().repeats == 1);
    CHECK(stage.log().find("the server has rendered a message anew") != std::string::npos);
}
