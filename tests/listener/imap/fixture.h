#pragma once

#include "auth/access.h"
#include "listener/imap/imap_mailbox.h"
#include "tests/listener/session_fixture.h"
#include "tests/servers/memory_channel.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace imaptest {

using listenertest::bytesOf;
using listenertest::Received;
using listenertest::RecordingLog;

/// The check value of Google's and Microsoft's documentation.
inline constexpr std::string_view user = "someuser@example.com";
inline constexpr std::string_view token = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg";
inline constexpr std::string_view xoauth2 =
    "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==";

class FakeTokens final : public auth::TokenSource {
public:
    std::size_t refusals = 0;
    std::chrono::seconds life{3600};
    const plugin::Clock* clock = nullptr;
    plugin::Task<plugin::Result<auth::Token>> token(auth::Identity, plugin::Deadline, std::stop_token) override {
        auth::Token answer;
        answer.secret = std::make_shared<const auth::Secret>(imaptest::token);
        answer.type = "Bearer";
        answer.number = refusals + 1;
        answer.expiresAt = (clock != nullptr ? clock->wall() : plugin::Wall{}) + life;
        co_return answer;
    }
    void refused(const auth::Identity&, const auth::Token&) override { ++refusals; }
};

using FakeAccess = listenertest::FakeAccess<servers::MemoryDialer, FakeTokens>;

/// One mailbox with its server in memory.
struct Fixture : listenertest::SessionFixture {
    explicit Fixture(std::shared_ptr<servers::Peer> peer, servers::Link link = {}) : access(std::move(peer), link) {
        settings.alias = "sales";
        settings.target.host = "imap.example.com";
        settings.target.port = 993;
        settings.user = user;
        settings.credential = "tenant";
        access.tokens().clock = &loop.clock();
    }
    ~Fixture() override { end(); }

    FakeAccess access;
    listener::imap::Settings settings{};

private:
    std::unique_ptr<listener::Mailbox> make() override { return listener::imap::makeMailbox(settings, access, log, "0.1.0"); }
};

}  // namespace imaptest
