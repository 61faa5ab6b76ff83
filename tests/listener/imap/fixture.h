#pragma once

#include "auth/access.h"
#include "listener/imap/imap_mailbox.h"
#include "tests/servers/memory_channel.h"
#include "tests/simulation/inline_loop.h"
#include "tests/simulation/sim_disk.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace imaptest {

/// The check value of Google's and Microsoft's documentation.
inline constexpr std::string_view user = "someuser@example.com";
inline constexpr std::string_view token = "ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg";
inline constexpr std::string_view xoauth2 =
    "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==";

class RecordingLog final : public plugin::Log {
public:
    std::string text{};
    std::size_t warnings = 0;
    bool enabled(plugin::Level) const override { return true; }
    void write(plugin::Level level, std::string_view, std::string_view message, const std::vector<plugin::Field>& fields) override {
        if (level == plugin::Level::warning) ++warnings;
        text.append(message);
        for (const auto& field : fields) text.append(" ").append(field.key).append("=").append(field.value);
        text += '\n';
    }
};

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

class FakeAccess final : public auth::Access {
public:
    explicit FakeAccess(std::shared_ptr<servers::Peer> peer, servers::Link link) : dialer_(std::move(peer), link) {}
    Kind signInKind = Kind::token;
    std::string username{}, signInSecret = "geheim";
    servers::MemoryDialer& dialer() override { return dialer_; }
    FakeTokens& tokens() override { return tokens_; }
    plugin::Result<Kind> kind(std::string_view) const override { return signInKind; }
    plugin::Result<Password> password(std::string_view) override { return Password{username, auth::Secret{signInSecret}}; }
    plugin::Result<auth::Secret> secret(std::string_view written) override { return auth::Secret{written}; }

private:
    servers::MemoryDialer dialer_;
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

/// One mailbox on a loop of its own, with its server in memory.
struct Fixture {
    explicit Fixture(std::shared_ptr<servers::Peer> peer, servers::Link link = {}) : access(std::move(peer), link) {
        settings.alias = "sales";
        settings.target.host = "imap.example.com";
        settings.target.port = 993;
        settings.user = user;
        settings.credential = "tenant";
        staging = *disk.directory("/staging", true);
        access.tokens().clock = &loop.clock();
    }
    listener::Mailbox& mailbox() {
        if (!mailbox_) mailbox_ = listener::imap::makeMailbox(settings, access, log, "0.1.0");
        return *mailbox_;
    }
    plugin::Result<void> open() { return loop.run(mailbox().open(stop.get_token())); }
    plugin::Result<listener::FolderView> select(std::string folder) { return loop.run(mailbox().select(std::move(folder), stop.get_token())); }
    plugin::Result<listener::Listing> list(listener::ListRequest request = {}) { return loop.run(mailbox().list(request, stop.get_token())); }
    plugin::Result<void> fetch(std::vector<std::uint64_t> ordinals) {
        return loop.run(mailbox().fetch(std::move(ordinals), received, *staging, stop.get_token()));
    }
    plugin::Result<void> after(listener::AfterRequest request) {
        const listener::Copied record = [this](std::vector<std::uint64_t> ordinals) { return note(std::move(ordinals)); };
        return loop.run(mailbox().after(std::move(request), record, stop.get_token()));
    }
    using Folders = std::vector<std::string>;
    plugin::Result<Folders> folders(Folders patterns) { return loop.run(mailbox().folders(std::move(patterns), stop.get_token())); }
    /// For an hour, unless `wakeAfter`.
    plugin::Result<Folders> watch(Folders names, std::chrono::seconds sweep = std::chrono::minutes{5},
                                  std::optional<std::chrono::seconds> wakeAfter = std::nullopt) {
        const auto now = loop.clock().steady();
        std::stop_source wake;
        if (wakeAfter) loop.at(now + *wakeAfter, [wake]() mutable { wake.request_stop(); });
        listener::Watching watching{.folders = std::move(names), .until = now + watchFor, .sweep = sweep, .wake = wake.get_token()};
        return loop.run(mailbox().watch(std::move(watching), stop.get_token()));
    }
    void close() { loop.run(mailbox().close(stop.get_token())); }

    plugin::Task<plugin::Result<void>> note(std::vector<std::uint64_t> ordinals) {
        copied.insert(copied.end(), ordinals.begin(), ordinals.end());
        co_return plugin::Result<void>{};
    }

    simulation::InlineLoop loop{};
    simulation::SimDisk disk{};
    std::shared_ptr<plugin::Directory> staging{};
    FakeAccess access;
    RecordingLog log{};
    listener::imap::Settings settings{};
    Received received{};
    std::vector<std::uint64_t> copied{};
    std::chrono::seconds watchFor{3600};
    std::stop_source stop{};

private:
    std::unique_ptr<listener::Mailbox> mailbox_{};
};

/// The bytes, from memory or from the file.
inline std::string bytesOf(const listener::Content& content) {
    if (content.inMemory() != nullptr) return *content.inMemory();
    std::string bytes(static_cast<std::size_t>(content.size()), '\0');
    for (std::size_t at = 0; at < bytes.size();) {
        const auto got = content.file()->readAt(at, std::span<char>{bytes.data() + at, bytes.size() - at});
        if (!got || *got == 0) throw std::runtime_error("a staged message cannot be read");
        at += *got;
    }
    return bytes;
}

}  // namespace imaptest
