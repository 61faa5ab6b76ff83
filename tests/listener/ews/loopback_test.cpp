#include "listener/ews/ews_mailbox.h"
#include "tests/auth/channel/world.h"
#include "tests/listener/ews/fixture.h"

#include <thread>

using namespace ewstest;
using namespace std::chrono_literals;

namespace {

using RealAccess = listenertest::FakeAccess<auth::Dialer&, FakeTokens>;

}  // namespace

SCENARIO("the same over real sockets: large mail, notifications, and a mailbox that is worked in meanwhile", "[ews][servers]") {
    servers::EwsServer server;
    World world;
    RealAccess access{*world.dialer};
    const auto index = std::make_shared<listenertest::KeptIndex>();
    simulation::SimDisk disk;
    const auto staging = *disk.directory("/staging", true);
    listener::ews::Settings settings;
    settings.alias = "sales";
    settings.url = "http://127.0.0.1:" + std::to_string(server.listen()) + "/EWS/Exchange.asmx";
    settings.user = server.user;
    settings.credential = "tenant";
    settings.application = true;
    std::string body(20'000'000, '\0');
    for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 131 % 251);
    for (int i = 1; i <= 30; ++i) server.deliver(server.inbox(), mail(std::to_string(i)));
    server.deliver(server.inbox(), mail("31", body));

    const auto mailbox = listener::ews::makeMailbox(settings, access, std::make_unique<listenertest::MemoryIndex>(index), world.log, "0.5.0",
                                                    std::make_shared<listener::RequestLimit>(*world.clock));
    const std::stop_source stop;
    REQUIRE(world.run(mailbox->open(stop.get_token())));
    REQUIRE(world.run(mailbox->select("INBOX", stop.get_token())));
    const auto listed = world.run(mailbox->list({}, stop.get_token()));
    REQUIRE(listed);
    Received received;
    REQUIRE(world.run(mailbox->fetch(listed->ordinals, received, *staging, stop.get_token())));
    REQUIRE(received.messages.size() == 31);
    CHECK(bytesOf(received.messages.back().content) == mail("31", body));

    const auto watch = [&] {
        listener::Watching watching{.folders = {"INBOX"}, .until = world.in(20s), .sweep = 5min, .wake = {}};
        return world.run(mailbox->watch(std::move(watching), stop.get_token()));
    };
    REQUIRE(*watch() == Fixture::Names{"INBOX"});
    std::thread sender([&server] { server.deliver(server.inbox(), mail("32")); });
    CHECK(*watch() == Fixture::Names{"INBOX"});
    sender.join();
    REQUIRE(world.run(mailbox->select("INBOX", stop.get_token())));
    CHECK(world.run(mailbox->list({.above = 31}, stop.get_token()))->ordinals == std::vector<std::uint64_t>{32});
    world.run(mailbox->close(stop.get_token()));
    CHECK(server.subscriptions() == 0);
    CHECK(server.problems() == Fixture::Names{});
    servers::checkSchema(server);
}

SCENARIO("requests and answers are those of Microsoft's schema", "[ews][schema]") {
    if (!servers::EwsServer::checksSchema()) {
        WARN("skipped: EWS_SCHEMA_DIR names no directory of the schema");
        SUCCEED();
        return;
    }
    servers::EwsServer server;
    servers::EwsRequest request;
    request.body = "<m:Nonsense xmlns:m=\"http://schemas.microsoft.com/exchange/services/2006/messages\"/>";
    server.answer(request);
    server.tokens.insert("");
    request.headers["authorization"] = "Bearer ";
    server.answer(request);
    CHECK_FALSE(server.schemaProblems().empty());  // the comparison does find something
}
