#include "tests/listener/ews/fixture.h"

#include <algorithm>

using namespace ewstest;
using namespace std::chrono_literals;
using plugin::Code;

namespace {

/// One of several sessions with the fixture's mailbox: they share its limit, and nothing else.
struct Other {
    Other(Fixture& fixture, std::size_t number) {
        auto settings = fixture.settings;
        settings.alias += std::to_string(number);
        mailbox = listener::ews::makeMailbox(settings, fixture.access, std::make_unique<listenertest::MemoryIndex>(index), fixture.log, "0.3.0",
                                             fixture.limit);
    }
    std::shared_ptr<listenertest::KeptIndex> index = std::make_shared<listenertest::KeptIndex>();
    Received received{};
    std::unique_ptr<listener::Mailbox> mailbox{};
};

plugin::Task<plugin::Result<void>> readAll(Other& other, std::shared_ptr<plugin::Directory> staging, std::stop_token stop) {
    auto opened = co_await other.mailbox->open(stop);
    if (!opened) co_return opened;
    auto selected = co_await other.mailbox->select("INBOX", stop);
    if (!selected) co_return selected.error();
    auto listing = co_await other.mailbox->list({}, stop);
    if (!listing) co_return listing.error();
    auto fetched = co_await other.mailbox->fetch(std::move(listing->ordinals), other.received, *staging, stop);
    co_return fetched;
}

}  // namespace

SCENARIO("however many sessions read one mailbox, its server never has more than four requests of ours", "[ews]") {
    Fixture fixture;
    for (int i = 1; i <= 60; ++i) fixture.server.deliver(fixture.server.inbox(), mail(std::to_string(i)));
    fixture.server.delay = 1s;
    std::vector<std::unique_ptr<Other>> others;
    std::vector<std::shared_ptr<plugin::Shared<plugin::Result<void>>>> ends;
    const auto sessions = GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{5});
    for (std::size_t i = 0; i < sessions; ++i) {
        others.push_back(std::make_unique<Other>(fixture, i));
        ends.push_back(plugin::start(fixture.loop, readAll(*others.back(), fixture.staging, fixture.stop.get_token())));
    }
    GIVEN("time") {
        fixture.loop.runUntilIdle();
        for (std::size_t i = 0; i < sessions; ++i) {
            REQUIRE(ends[i]->isSet());
            CHECK(ends[i]->get());
            CHECK(others[i]->received.messages.size() == 60);
        }
        CHECK(fixture.server.mostAtOnce() == std::min<std::size_t>(sessions, 4));  // the next batch is asked for once the one before is answered
    }
    GIVEN("a service that ends") {
        fixture.loop.at(fixture.loop.clock().steady() + 3500ms, [&fixture] { fixture.stop.request_stop(); });
        fixture.loop.runUntilIdle();
        for (const auto& end : ends) {
            REQUIRE(end->isSet());
            CHECK(end->get().error().code == Code::channelStopped);
        }
    }
}

SCENARIO("who has waited long for a place comes with the token of that moment", "[ews]") {
    Fixture fixture;
    fixture.begin(1);
    std::optional<listener::RequestLimit::Place> all;
    all.emplace(std::move(*fixture.loop.run(fixture.limit->enter(4, {}))));
    fixture.loop.at(fixture.loop.clock().steady() + 10min, [&] {
        fixture.access.tokens().current = "token-2";
        fixture.server.tokens = {"token-2"};
        all.reset();
    });
    CHECK(fixture.fetch({1}));
    CHECK(fixture.received.messages.size() == 1);
    CHECK(fixture.access.tokens().refusedOnes.empty());
}

SCENARIO("an answer that stays open takes no place from those who ask", "[ews]") {
    Fixture fixture;
    fixture.begin();
    REQUIRE(fixture.watch());
    std::vector<std::unique_ptr<Other>> watching;
    for (std::size_t i = 0; i < 5; ++i) {
        watching.push_back(std::make_unique<Other>(fixture, i));
        auto& mailbox = *watching.back()->mailbox;
        REQUIRE(fixture.loop.run(mailbox.open({})));
        listener::Watching wait{.folders = {"INBOX"}, .until = fixture.loop.clock().steady() + 60s, .sweep = 300s};
        const auto news = fixture.loop.run(mailbox.watch(std::move(wait), {}));
        CHECK(news);
    }
    CHECK(fixture.server.subscriptions() == 6);
    CHECK(fixture.select("INBOX"));
}
