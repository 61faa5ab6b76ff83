#include "listener/ews/ews_mailbox.h"
#include "listener/message/sha256.h"
#include "plugin/contract/text.h"
#include "tests/auth/channel/world.h"
#include "tests/listener/ews/fixture.h"
#include "tests/servers/process.h"

#include <cstdlib>
#include <fstream>
#include <thread>

using namespace ewstest;
using namespace std::chrono_literals;

namespace {

class RealAccess final : public auth::Access {
public:
    explicit RealAccess(auth::Dialer& real) : dialer_(real) {}
    auth::Dialer& dialer() override { return dialer_; }
    auth::TokenSource& tokens() override { return tokens_; }
    plugin::Result<Kind> kind(std::string_view) const override { return Kind::token; }
    plugin::Result<Password> password(std::string_view) override { throw std::logic_error("no password here"); }
    plugin::Result<auth::Secret> secret(std::string_view) override { throw std::logic_error("no secret here"); }

private:
    auth::Dialer& dialer_;
    FakeTokens tokens_{};
};

}  // namespace

SCENARIO("the same over real sockets: large mail, notifications, and a mailbox that is worked in meanwhile", "[ews][servers]") {
    servers::EwsServer server;
    World world;
    RealAccess access{*world.dialer};
    const auto index = std::make_shared<listenertest::IndexData>();
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

    const auto mailbox = listener::ews::makeMailbox(settings, access, std::make_unique<listenertest::MemoryIndex>(index), world.log, "0.3.0",
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
    CHECK(server.schemaProblems() == Fixture::Names{});
}

SCENARIO("requests and answers are those of Microsoft's schema", "[ews][schema]") {
    if (!servers::EwsServer::checksSchema()) {
        WARN("EWS_SCHEMA_DIR does not name the directory of the schema: nothing was compared with it");
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

SCENARIO("another client reads the same mailbox from the server of these tests", "[ews][servers]") {
    if (std::system("/usr/bin/python3 -c 'import exchangelib' 2>/dev/null") != 0) {
        WARN("python3-exchangelib is not installed: nobody else has looked at the server of these tests");
        SUCCEED();
        return;
    }
    servers::EwsServer server;
    server.basicUser = server.user;
    server.basicPassword = "geheim";
    server.impersonation = servers::EwsServer::Impersonation::forbidden;
    const auto first = mail("1"), second = mail("2");
    server.deliver(server.inbox(), first);
    server.store().markRead(server.deliver(server.inbox(), second));
    const auto port = std::to_string(server.listen());
    std::atomic<bool> over{false};
    std::thread sender([&] {  // a third one, once the client listens
        while (!over) {
            const auto asked = server.operations();
            if (std::find(asked.begin(), asked.end(), "GetStreamingEvents") != asked.end()) {
                server.deliver(server.inbox(), mail("3"));
                return;
            }
            std::this_thread::sleep_for(20ms);
        }
    });
    const servers::TemporaryDirectory place;
    const auto told = (place / "told").string();
    const auto command = std::string("timeout 60 /usr/bin/python3 ") + POSTERN_TEST_SERVERS + "/ews_client.py " + port + " " + server.user +
                         " geheim >'" + told + "' 2>&1";
    const int ran = std::system(command.c_str());
    over = true;
    sender.join();
    std::ifstream in(told);
    const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
    INFO(text);
    CHECK(ran == 0);
    const auto line = [](const std::string& bytes, const std::string& isRead) {
        return "item " + plugin::hexText(listener::sha256(bytes)) + " " + isRead + " 2026-11-22T12:00:00+00:00\n";
    };
    CHECK(text.find("inbox Posteingang\nsynced 2 True True\n" + line(first, "False") + line(second, "True") + "subscribed True\ntold ") == 0);
    CHECK(text.find("then 1 create\n") != std::string::npos);
    CHECK(server.schemaProblems() == Fixture::Names{});
}
