#pragma once

#include "auth/access.h"
#include "listener/ews/ews_mailbox.h"
#include "tests/listener/memory_index.h"
#include "tests/listener/session_fixture.h"
#include "tests/servers/ews_schema_check.h"

#include <catch2/catch.hpp>

#include <memory>
#include <string>
#include <vector>

namespace ewstest {

using listenertest::bytesOf;
using listenertest::Received;

class FakeTokens final : public auth::TokenSource {
public:
    std::string current = "token-1";
    std::vector<std::string> refusedOnes{};
    std::vector<std::string> protocols{};
    plugin::Task<plugin::Result<auth::Token>> token(auth::Identity identity, plugin::Deadline, std::stop_token) override {
        protocols.push_back(identity.protocol);
        auth::Token answer;
        answer.secret = std::make_shared<const auth::Secret>(current);
        answer.type = "Bearer";
        co_return answer;
    }
    void refused(const auth::Identity&, const auth::Token& token) override { refusedOnes.emplace_back(token.secret->reveal()); }
};

/// A connection of its own each time, as to a real server.
class ServerDialer final : public auth::Dialer {
public:
    explicit ServerDialer(servers::EwsServer& server) : server_(server) {}
    servers::Link link{};
    std::optional<plugin::Error> refuses{};
    std::size_t dialled = 0;
    plugin::Task<plugin::Result<std::unique_ptr<auth::Channel>>> dial(auth::Target, plugin::Deadline, std::stop_token) override {
        ++dialled;
        if (refuses) co_return *refuses;
        auto& loop = co_await plugin::thisLoop();
        co_return std::unique_ptr<auth::Channel>{std::make_unique<servers::MemoryChannel>(loop, server_.connect(), link)};
    }

private:
    servers::EwsServer& server_;
};

using FakeAccess = listenertest::FakeAccess<ServerDialer, FakeTokens>;

inline std::string mail(const std::string& number, const std::string& body = "Guten Tag\r\n") {
    return "Message-ID: <" + number + "@example.com>\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\nFrom: a@example.com\r\nSubject: " + number +
           "\r\n\r\n" + body;
}

/// One mailbox with its server in memory. At the end the server has nothing to object to, and all was by the schema, where there is one.
struct Fixture : listenertest::SessionFixture {
    using Names = listenertest::Names;
    Fixture() {
        settings.alias = "sales";
        settings.url = "https://ews.contoso.example/EWS/Exchange.asmx";
        settings.user = server.user;
        settings.credential = "tenant";
        settings.application = true;
    }
    ~Fixture() override {
        end();
        if (std::uncaught_exceptions() > 0) return;
        CHECK(server.problems() == Names{});
        servers::checkSchema(server);
    }

    /// Opened, INBOX entered, with so many mails "1", "2", …
    void begin(std::size_t mails = 0) {
        for (std::size_t i = 1; i <= mails; ++i) ids.push_back(server.deliver(server.inbox(), mail(std::to_string(i))));
        REQUIRE(open());
        REQUIRE(select("INBOX"));
    }

    servers::EwsServer server{};
    FakeAccess access{server};
    std::shared_ptr<listenertest::KeptIndex> index = std::make_shared<listenertest::KeptIndex>();
    std::shared_ptr<listener::RequestLimit> limit = std::make_shared<listener::RequestLimit>(loop.clock());
    listener::ews::Settings settings{};
    Names ids{};

private:
    std::unique_ptr<listener::Mailbox> make() override {
        return listener::ews::makeMailbox(settings, access, std::make_unique<listenertest::MemoryIndex>(index), log, "0.5.0", limit);
    }
};

}  // namespace ewstest
