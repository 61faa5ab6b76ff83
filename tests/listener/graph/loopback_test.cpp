#include "listener/graph/graph_mailbox.h"
#include "tests/auth/channel/world.h"
#include "tests/listener/graph/fixture.h"
#include "tests/listener/graph/real_access.h"

using namespace graphtest;

namespace {

struct Loopback {
    explicit Loopback(GraphServer::Options options, const std::map<std::string, std::string>& truststores = {})
        : graph(std::move(options)), world(truststores), access(*world.dialer) {
        settings.alias = "intake";
        settings.url = graph.url();
        settings.user = "intake@contoso.com";
        settings.credential = "tenant";
        staging = *disk.directory("/staging", true);
        mailbox = listener::graph::makeMailbox(settings, access, std::make_unique<MemoryIndex>(kept), random, world.log, "0.5.0", limit);
    }
    GraphServer graph;
    World world;
    RealAccess access;
    simulation::SimDisk disk{};
    std::shared_ptr<plugin::Directory> staging{};
    CountingRandom random{};
    std::shared_ptr<KeptIndex> kept = std::make_shared<KeptIndex>();
    std::shared_ptr<listener::RequestLimit> limit = std::make_shared<listener::RequestLimit>(*world.clock);
    listener::graph::Settings settings{};
    Received received{};
    std::unique_ptr<listener::Mailbox> mailbox{};
};

using Opening = std::shared_ptr<plugin::Shared<plugin::Result<void>>>;
plugin::Task<void> untilAll(std::vector<Opening>* opened) {
    for (const auto& each : *opened) {
        auto waiting = each->wait(plugin::Deadline::max(), {});
        co_await waiting;
    }
}

}  // namespace

SCENARIO("a mailbox is read through real sockets, three requests at a time", "[graph]") {
    Loopback loopback({});
    for (int i = 0; i < 60; ++i) loopback.graph.deliver(mail("m" + std::to_string(i), static_cast<std::size_t>(i) * 2'000));
    REQUIRE(loopback.world.run(loopback.mailbox->open({})));
    REQUIRE(loopback.world.run(loopback.mailbox->select("INBOX", {})));
    const auto listing = loopback.world.run(loopback.mailbox->list({}, {}));
    REQUIRE(listing);
    REQUIRE(listing->ordinals.size() == 60);
    loopback.graph.gather(3);
    REQUIRE(loopback.world.run(loopback.mailbox->fetch(listing->ordinals, loopback.received, *loopback.staging, {})));
    REQUIRE(loopback.received.messages.size() == 60);
    for (const auto& message : loopback.received.messages)
        CHECK(bytesOf(message.content) == loopback.graph.change([&](GraphStore& store) { return store.find(message.position.text)->bytes; }));
    CHECK(loopback.graph.connections() == 3);
    CHECK(loopback.graph.mostAtOnce() == 3);
    loopback.world.run(loopback.mailbox->close({}));
    CHECK(loopback.graph.problems() == Names{});
}

SCENARIO("a fifth request at a time is refused by the server of the tests", "[graph]") {
    GraphServer graph;
    graph.gather(8);
    World world;
    RealAccess access(*world.dialer);
    std::vector<std::unique_ptr<listener::Mailbox>> sessions;
    CountingRandom random;
    listener::graph::Settings settings{.alias = "intake", .url = graph.url(), .user = "intake@contoso.com", .credential = "tenant"};
    std::vector<Opening> opened;
    for (int i = 0; i < 8; ++i) {
        sessions.push_back(listener::graph::makeMailbox(settings, access, std::make_unique<MemoryIndex>(std::make_shared<KeptIndex>()), random,
                                                        world.log, "0.5.0", std::make_shared<listener::RequestLimit>(*world.clock)));
        opened.push_back(plugin::start(*world.loop, sessions.back()->open({})));
    }
    world.run(untilAll(&opened));
    const auto throttled = std::count_if(opened.begin(), opened.end(), [](const Opening& each) {
        const auto& result = each->get();
        return !result && result.error().code == Code::mailboxThrottled && result.error().retryAfter == std::chrono::seconds{1};
    });
    CHECK(throttled >= 1);
    CHECK(graph.mostAtOnce() == 8);
}

namespace {

/// Reads all of INBOX, marks it as read, and reads it again. Parameters outlive the task.
plugin::Task<plugin::Result<void>> workOn(listener::Mailbox& mailbox, Received& received, plugin::Directory& staging) {
    auto opened = co_await mailbox.open({});
    if (!opened) co_return opened;
    for (int times = 0; times < 2; ++times) {
        auto selected = co_await mailbox.select("INBOX", {});
        if (!selected) co_return selected.error();
        auto listing = co_await mailbox.list({}, {});
        if (!listing) co_return listing.error();
        listener::AfterRequest seen{.action = {listener::AfterAction::Kind::seen}, .ordinals = listing->ordinals};
        auto fetched = co_await mailbox.fetch(std::move(listing->ordinals), received, staging, {});
        if (!fetched) co_return fetched;
        auto marked = co_await mailbox.after(std::move(seen), {}, {});
        if (!marked) co_return marked;
    }
    co_return plugin::Result<void>{};
}

}  // namespace

SCENARIO("however many sessions read one mailbox, Graph never has more than four requests of ours", "[graph]") {
    Loopback loopback({});
    for (int i = 0; i < 30; ++i) loopback.graph.deliver(mail("m" + std::to_string(i)));
    loopback.graph.slow(std::chrono::milliseconds(2));
    loopback.graph.gather(4);
    std::vector<std::unique_ptr<listener::Mailbox>> sessions;
    std::vector<Received> received(6);
    std::vector<Opening> ends;
    for (auto& each : received) {
        sessions.push_back(listener::graph::makeMailbox(loopback.settings, loopback.access,
                                                        std::make_unique<MemoryIndex>(std::make_shared<KeptIndex>()), loopback.random,
                                                        loopback.world.log, "0.5.0", loopback.limit));
        ends.push_back(plugin::start(*loopback.world.loop, workOn(*sessions.back(), each, *loopback.staging)));
    }
    loopback.world.run(untilAll(&ends));
    for (std::size_t i = 0; i < ends.size(); ++i) {
        const auto& end = ends[i]->get();
        INFO((end ? "" : describe(end.error())));
        CHECK(end);
        CHECK(received[i].messages.size() == 60);
    }
    CHECK(loopback.graph.mostAtOnce() == 4);
    CHECK(loopback.graph.problems() == Names{});
}

SCENARIO("Graph is spoken to under TLS, and its certificate is looked at", "[graph]") {
    const auto authority = servers::makeCertificate({.commonName = "Test CA", .authority = true});
    const TemporaryFile file(authority.pem());
    GraphServer::Options options;
    options.chain = {servers::makeCertificate({.commonName = "localhost", .names = {"localhost"}}, &authority)};
    Loopback loopback(options, {{"test", file.path}});
    loopback.graph.deliver(mail("m"));
    GIVEN("nobody we trust") {
        const auto opened = loopback.world.run(loopback.mailbox->open({}));
        REQUIRE(!opened);
        CHECK(opened.error().code == Code::channelCertificateUntrusted);
        CHECK(loopback.graph.requests().empty());
    }
    GIVEN("an authority of our own") {
        loopback.settings.truststore = "test";
        loopback.mailbox = listener::graph::makeMailbox(loopback.settings, loopback.access, std::make_unique<MemoryIndex>(loopback.kept),
                                                        loopback.random, loopback.world.log, "0.5.0", loopback.limit);
        REQUIRE(loopback.world.run(loopback.mailbox->open({})));
        REQUIRE(loopback.world.run(loopback.mailbox->select("INBOX", {})));
        REQUIRE(loopback.world.run(loopback.mailbox->fetch({1}, loopback.received, *loopback.staging, {})));
        CHECK(loopback.received.messages.size() == 1);
    }
    CHECK(loopback.graph.problems() == Names{});
}
