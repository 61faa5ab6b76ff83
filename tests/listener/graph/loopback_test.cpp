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
        mailbox = listener::graph::makeMailbox(settings, access, std::make_unique<MemoryIndex>(kept), random, world.log, "0.4.0");
    }
    GraphServer graph;
    World world;
    RealAccess access;
    simulation::SimDisk disk{};
    std::shared_ptr<plugin::Directory> staging{};
    CountingRandom random{};
    std::shared_ptr<KeptIndex> kept = std::make_shared<KeptIndex>();
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
        sessions.push_back(
            listener::graph::makeMailbox(settings, access, std::make_unique<MemoryIndex>(std::make_shared<KeptIndex>()), random, world.log, "0.4.0"));
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
                                                        loopback.random, loopback.world.log, "0.4.0");
        REQUIRE(loopback.world.run(loopback.mailbox->open({})));
        REQUIRE(loopback.world.run(loopback.mailbox->select("INBOX", {})));
        REQUIRE(loopback.world.run(loopback.mailbox->fetch({1}, loopback.received, *loopback.staging, {})));
        CHECK(loopback.received.messages.size() == 1);
    }
    CHECK(loopback.graph.problems() == Names{});
}
