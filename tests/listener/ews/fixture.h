#pragma once

#include "auth/access.h"
#include "listener/ews/ews_mailbox.h"
#include "tests/listener/ews/memory_index.h"
#include "tests/servers/ews_server.h"
#include "tests/simulation/inline_loop.h"
#include "tests/simulation/sim_disk.h"

#include <catch2/catch.hpp>

#include <memory>
#include <string>
#include <vector>

namespace ewstest {

class RecordingLog final : public plugin::Log {
public:
    std::string text{};
    std::vector<std::string> told{};  ///< what people see with the usual level: the messages alone
    bool enabled(plugin::Level) const override { return true; }
    void write(plugin::Level level, std::string_view, std::string_view message, const std::vector<plugin::Field>& fields) override {
        if (level <= plugin::Level::information) told.emplace_back(message);
        text.append(message);
        for (const auto& field : fields) text.append(" ").append(field.key).append("=").append(field.value);
        text += '\n';
    }
};

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

class FakeAccess final : public auth::Access {
public:
    explicit FakeAccess(servers::EwsServer& server) : dialer_(server) {}
    Kind signInKind = Kind::token;
    std::string username{}, signInSecret = "geheim";
    ServerDialer& dialer() override { return dialer_; }
    FakeTokens& tokens() override { return tokens_; }
    plugin::Result<Kind> kind(std::string_view) const override { return signInKind; }
    plugin::Result<Password> password(std::string_view) override { return Password{username, auth::Secret{signInSecret}}; }
    plugin::Result<auth::Secret> secret(std::string_view written) override { return auth::Secret{written}; }

private:
    ServerDialer dialer_;
    FakeTokens tokens_{};
};

struct Received : listener::Receiver {
    std::vector<listener::Fetched> messages{};
    std::optional<plugin::Error> refuses{};
    std::optional<std::uint64_t> limit{};      ///< octets
    std::optional<std::size_t> enoughAfter{};  ///< messages
    std::optional<std::uint64_t> sizeLimit() const override { return limit; }
    bool enough() const override { return enoughAfter && messages.size() >= *enoughAfter; }
    plugin::Task<plugin::Result<void>> take(listener::Fetched message) override {
        if (refuses) co_return *refuses;
        messages.push_back(std::move(message));
        co_return plugin::Result<void>{};
    }
};

/// The bytes, from memory or from the file.
inline std::string bytesOf(const listener::Content& content) {
    if (content.inMemory() != nullptr) return *content.inMemory();
    if (content.file() == nullptr) return {};
    std::string bytes(static_cast<std::size_t>(content.size()), '\0');
    for (std::size_t at = 0; at < bytes.size();) {
        const auto got = content.file()->readAt(at, std::span<char>{bytes.data() + at, bytes.size() - at});
        if (!got || *got == 0) throw std::runtime_error("a staged message cannot be read");
        at += *got;
    }
    return bytes;
}

inline std::string mail(const std::string& number, const std::string& body = "Guten Tag\r\n") {
    return "Message-ID: <" + number + "@example.com>\r\nDate: Sun, 22 Nov 2026 12:00:00 +0000\r\nFrom: a@example.com\r\nSubject: " + number +
           "\r\n\r\n" + body;
}

/// One mailbox on a loop of its own, with its server in memory. At the end the server has nothing to object to, and all was by the schema.
struct Fixture {
    using Names = std::vector<std::string>;
    Fixture() {
        settings.alias = "sales";
        settings.url = "https://ews.contoso.example/EWS/Exchange.asmx";
        settings.user = server.user;
        settings.credential = "tenant";
        settings.application = true;
        staging = *disk.directory("/staging", true);
    }
    ~Fixture() {
        mailbox_.reset();
        if (std::uncaught_exceptions() > 0) return;
        CHECK(server.problems() == Names{});
        CHECK(server.schemaProblems() == Names{});
    }
    listener::Mailbox& mailbox() {
        if (!mailbox_)
            mailbox_ = listener::ews::makeMailbox(settings, access, std::make_unique<listenertest::MemoryIndex>(index), log, "0.3.0", limit);
        return *mailbox_;
    }
    /// The session is over, what is known stays.
    void renew() {
        mailbox_.reset();
        loop.clock().pass(std::chrono::milliseconds{1});
    }
    plugin::Result<void> open() { return loop.run(mailbox().open(stop.get_token())); }
    plugin::Result<listener::FolderView> select(std::string folder) { return loop.run(mailbox().select(std::move(folder), stop.get_token())); }
    plugin::Result<listener::Listing> list(listener::ListRequest request = {}) { return loop.run(mailbox().list(request, stop.get_token())); }
    plugin::Result<void> fetch(std::vector<std::uint64_t> ordinals) {
        return loop.run(mailbox().fetch(std::move(ordinals), received, *staging, stop.get_token()));
    }
    plugin::Result<void> after(listener::AfterAction action, std::vector<std::uint64_t> ordinals) {
        listener::AfterRequest request{.action = std::move(action), .ordinals = std::move(ordinals)};
        return loop.run(mailbox().after(std::move(request), {}, stop.get_token()));
    }
    plugin::Result<std::vector<listener::Identified>> identify() {
        std::vector<listener::Identified> found;
        auto taker = [&found](listener::Identified each) -> plugin::Result<void> {
            found.push_back(each);
            return {};
        };
        auto done = loop.run(mailbox().identify(taker, stop.get_token()));
        if (!done) return done.error();
        return found;
    }
    plugin::Result<Names> folders(Names patterns) { return loop.run(mailbox().folders(std::move(patterns), stop.get_token())); }
    /// For `watchFor`, unless `wakeAfter`.
    plugin::Result<Names> watch(Names names = {"INBOX"}, std::optional<std::chrono::seconds> wakeAfter = std::nullopt) {
        const auto now = loop.clock().steady();
        std::stop_source wake;
        if (wakeAfter) loop.at(now + *wakeAfter, [wake]() mutable { wake.request_stop(); });
        listener::Watching watching{.folders = std::move(names), .until = now + watchFor, .sweep = std::chrono::minutes{5}, .wake = wake.get_token()};
        return loop.run(mailbox().watch(std::move(watching), stop.get_token()));
    }
    void close() { loop.run(mailbox().close(stop.get_token())); }

    /// Opened, INBOX entered, with so many mails "1", "2", …
    void begin(std::size_t mails = 0) {
        for (std::size_t i = 1; i <= mails; ++i) ids.push_back(server.deliver(server.inbox(), mail(std::to_string(i))));
        REQUIRE(open());
        REQUIRE(select("INBOX"));
    }

    simulation::InlineLoop loop{};
    simulation::SimDisk disk{};
    std::shared_ptr<plugin::Directory> staging{};
    servers::EwsServer server{};
    FakeAccess access{server};
    RecordingLog log{};
    std::shared_ptr<listenertest::IndexData> index = std::make_shared<listenertest::IndexData>();
    std::shared_ptr<listener::RequestLimit> limit = std::make_shared<listener::RequestLimit>(loop.clock());
    listener::ews::Settings settings{};
    Received received{};
    std::vector<std::string> ids{};
    std::chrono::seconds watchFor{3600};
    std::stop_source stop{};

private:
    std::unique_ptr<listener::Mailbox> mailbox_{};
};

}  // namespace ewstest
