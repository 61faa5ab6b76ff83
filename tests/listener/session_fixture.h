#pragma once

#include "auth/access.h"
#include "listener/mailbox.h"
#include "tests/simulation/inline_loop.h"
#include "tests/simulation/sim_disk.h"

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// What tests of one session share, whatever it speaks.
namespace listenertest {

using Numbers = std::vector<std::uint64_t>;
using Names = std::vector<std::string>;

class RecordingLog final : public plugin::Log {
public:
    std::string text{};
    std::vector<std::string> told{};  ///< what people see with the usual level: the messages alone
    std::size_t warnings = 0;
    bool enabled(plugin::Level) const override { return true; }
    void write(plugin::Level level, std::string_view, std::string_view message, const std::vector<plugin::Field>& fields) override {
        if (level == plugin::Level::warning) ++warnings;
        if (level <= plugin::Level::information) told.emplace_back(message);
        text.append(message);
        for (const auto& field : fields) text.append(" ").append(field.key).append("=").append(field.value);
        text += '\n';
    }
};

/// A credential, with the dialer and the tokens a test brings.
template <class Dialer, class Tokens>
class FakeAccess final : public auth::Access {
public:
    template <class... Arguments>
    explicit FakeAccess(Arguments&&... arguments) : dialer_(std::forward<Arguments>(arguments)...) {}
    Kind signInKind = Kind::token;
    std::string username{}, signInSecret = "geheim";
    Dialer& dialer() override { return dialer_; }
    Tokens& tokens() override { return tokens_; }
    plugin::Result<Kind> kind(std::string_view) const override { return signInKind; }
    plugin::Result<Password> password(std::string_view) override { return Password{username, auth::Secret{signInSecret}}; }
    plugin::Result<auth::Secret> secret(std::string_view written) override { return auth::Secret{written}; }

private:
    Dialer dialer_;
    Tokens tokens_{};
};

struct Received : listener::Receiver {
    std::vector<listener::Fetched> messages{};
    std::optional<plugin::Error> refuses{};
    std::optional<std::uint64_t> limit{};      ///< octets
    std::optional<std::size_t> enoughAfter{};  ///< messages
    bool throws = false;
    std::optional<std::uint64_t> sizeLimit() const override { return limit; }
    bool enough() const override { return enoughAfter && messages.size() >= *enoughAfter; }
    plugin::Task<plugin::Result<void>> take(listener::Fetched message) override {
        if (throws) throw std::logic_error("a bug of the receiver's");
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

/// A session on a loop of its own, as something that is asked and answers at once.
class SessionFixture {
public:
    SessionFixture() : staging(*disk.directory("/staging", true)) {}
    SessionFixture(const SessionFixture&) = delete;
    SessionFixture& operator=(const SessionFixture&) = delete;
    virtual ~SessionFixture() = default;

    listener::Mailbox& mailbox() {
        if (!mailbox_) mailbox_ = make();
        return *mailbox_;
    }
    /// The session is over, what is known stays.
    void renew() {
        mailbox_.reset();
        loop.clock().pass(std::chrono::milliseconds{1});
    }

    plugin::Result<void> open() { return loop.run(mailbox().open(stop.get_token())); }
    plugin::Result<listener::FolderView> select(std::string folder = "INBOX") {
        return loop.run(mailbox().select(std::move(folder), stop.get_token()));
    }
    plugin::Result<listener::Listing> list(listener::ListRequest request = {}) { return loop.run(mailbox().list(request, stop.get_token())); }
    plugin::Result<void> fetch(Numbers ordinals) { return loop.run(mailbox().fetch(std::move(ordinals), received, *staging, stop.get_token())); }
    plugin::Result<void> after(listener::AfterRequest request) {
        const listener::Copied record = [this](Numbers ordinals) { return note(std::move(ordinals)); };
        return loop.run(mailbox().after(std::move(request), record, stop.get_token()));
    }
    plugin::Result<void> after(listener::AfterAction action, Numbers ordinals) {
        return after(listener::AfterRequest{.action = std::move(action), .ordinals = std::move(ordinals)});
    }
    plugin::Result<Names> folders(Names patterns) { return loop.run(mailbox().folders(std::move(patterns), stop.get_token())); }
    plugin::Result<std::vector<listener::Identified>> identify() {
        std::vector<listener::Identified> found;
        const listener::IdentifiedTaker taker = [&found](listener::Identified each) -> plugin::Result<void> {
            found.push_back(each);
            return {};
        };
        auto done = loop.run(mailbox().identify(taker, stop.get_token()));
        if (!done) return done.error();
        return found;
    }
    /// For `watchFor`, unless `wakeAfter`.
    plugin::Result<Names> watch(Names names = {"INBOX"}, std::chrono::seconds sweep = std::chrono::minutes{5},
                                std::optional<std::chrono::seconds> wakeAfter = std::nullopt) {
        const auto now = loop.clock().steady();
        std::stop_source wake;
        if (wakeAfter) loop.at(now + *wakeAfter, [wake]() mutable { wake.request_stop(); });
        listener::Watching watching{.folders = std::move(names), .until = now + watchFor, .sweep = sweep, .wake = wake.get_token()};
        return loop.run(mailbox().watch(std::move(watching), stop.get_token()));
    }
    void close() { loop.run(mailbox().close(stop.get_token())); }

    simulation::InlineLoop loop{};
    simulation::SimDisk disk{};
    std::shared_ptr<plugin::Directory> staging;
    RecordingLog log{};
    Received received{};
    Numbers copied{};  ///< what a session said it had copied
    std::chrono::seconds watchFor{3600};
    std::stop_source stop{};

protected:
    virtual std::unique_ptr<listener::Mailbox> make() = 0;
    void end() { mailbox_.reset(); }  ///< for who is made before what the session uses goes

private:
    plugin::Task<plugin::Result<void>> note(Numbers ordinals) {
        copied.insert(copied.end(), ordinals.begin(), ordinals.end());
        co_return plugin::Result<void>{};
    }

    std::unique_ptr<listener::Mailbox> mailbox_{};
};

}  // namespace listenertest
