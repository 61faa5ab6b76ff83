#pragma once

#include "auth/access.h"
#include "listener/graph/graph_mailbox.h"
#include "tests/listener/memory_index.h"
#include "tests/servers/graph_server.h"
#include "tests/simulation/inline_loop.h"
#include "tests/simulation/sim_disk.h"

#include <catch2/catch.hpp>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace graphtest {

using plugin::Code;
using plugin::Reaction;
using servers::GraphServer;
using servers::GraphStore;
using Numbers = std::vector<std::uint64_t>;
using Names = std::vector<std::string>;

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

/// The same numbers in each run.
class CountingRandom final : public plugin::Random {
public:
    void fill(std::span<std::uint8_t> bytes) override {
        for (auto& byte : bytes) byte = static_cast<std::uint8_t>(state_ = state_ * 1103515245U + 12345U, state_ >> 16);
    }

private:
    std::uint32_t state_ = 1;
};

/// Another token each time one is refused.
class FakeTokens final : public auth::TokenSource {
public:
    std::vector<std::string> tokens{"graph-token-of-this-test"};
    std::size_t refusals = 0, asked = 0;
    std::optional<plugin::Error> failure{};
    std::string protocol{};
    plugin::Task<plugin::Result<auth::Token>> token(auth::Identity identity, plugin::Deadline, std::stop_token) override {
        ++asked;
        protocol = identity.protocol;
        if (failure) co_return *failure;
        auth::Token answer;
        answer.secret = std::make_shared<const auth::Secret>(tokens.at(std::min(refusals, tokens.size() - 1)));
        answer.type = "Bearer";
        answer.number = refusals + 1;
        co_return answer;
    }
    void refused(const auth::Identity& identity, const auth::Token& token) override {
        CHECK(identity.protocol == "graph");
        CHECK(token.number == refusals + 1);
        ++refusals;
    }
};

/// Dials a connection of its own each time.
class GraphDialer final : public auth::Dialer {
public:
    explicit GraphDialer(GraphServer& graph) : graph_(graph) {}
    servers::Link link{};
    std::vector<auth::Target> targets{};
    plugin::Task<plugin::Result<std::unique_ptr<auth::Channel>>> dial(auth::Target target, plugin::Deadline, std::stop_token) override {
        targets.push_back(std::move(target));
        auto& loop = co_await plugin::thisLoop();
        co_return std::unique_ptr<auth::Channel>{std::make_unique<servers::MemoryChannel>(loop, graph_.connect(), link)};
    }

private:
    GraphServer& graph_;
};

class FakeAccess final : public auth::Access {
public:
    explicit FakeAccess(GraphServer& graph) : dialer_(graph) {}
    Kind signInKind = Kind::token;
    GraphDialer& dialer() override { return dialer_; }
    FakeTokens& tokens() override { return tokens_; }
    plugin::Result<Kind> kind(std::string_view) const override { return signInKind; }
    plugin::Result<Password> password(std::string_view) override { throw std::logic_error("no passwords here"); }
    plugin::Result<auth::Secret> secret(std::string_view) override { throw std::logic_error("no secrets here"); }

private:
    GraphDialer dialer_;
    FakeTokens tokens_{};
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

inline std::string mail(const std::string& subject, std::size_t size = 40) {
    std::string text = "Message-ID: <" + subject +
                       "@example.com>\r\nDate: Sun, 22 Nov 2026 08:15:00 +0000\r\nFrom: a@example.com\r\nSubject: " + subject + "\r\n\r\n";
    while (text.size() < size) text += "Guten Tag\r\n";
    return text;
}

/// One mailbox on a loop of its own, with Graph in memory. Nothing it sent may have been wrong.
struct Fixture {
    Fixture() : Fixture(GraphServer::Options()) {}
    explicit Fixture(GraphServer::Options options) : graph(inMemory(std::move(options))), access(graph) {
        settings.alias = "intake";
        settings.url = graph.url();
        settings.user = "intake@contoso.com";
        settings.credential = "tenant";
        staging = *disk.directory("/staging", true);
    }
    ~Fixture() {
        if (!mayBeWrong) CHECK(graph.problems() == Names{});
    }
    static GraphServer::Options inMemory(GraphServer::Options options) {
        options.listens = false;
        return options;
    }

    listener::Mailbox& mailbox() {
        if (!mailbox_) mailbox_ = listener::graph::makeMailbox(settings, access, std::make_unique<MemoryIndex>(kept), random, log, "0.4.0", limit);
        return *mailbox_;
    }
    /// Another session, with what is kept.
    void again() { mailbox_.reset(); }
    plugin::Result<void> open() { return loop.run(mailbox().open(stop.get_token())); }
    plugin::Result<listener::FolderView> select(std::string folder = "INBOX") {
        return loop.run(mailbox().select(std::move(folder), stop.get_token()));
    }
    plugin::Result<listener::Listing> list(listener::ListRequest request = {}) { return loop.run(mailbox().list(request, stop.get_token())); }
    plugin::Result<void> fetch(Numbers ordinals) { return loop.run(mailbox().fetch(std::move(ordinals), received, *staging, stop.get_token())); }
    plugin::Result<void> after(listener::AfterAction::Kind kind, Numbers ordinals, std::string target = "", Numbers copied = {}) {
        const listener::Copied record = [](Numbers) -> plugin::Task<plugin::Result<void>> { throw std::logic_error("nothing is copied by Graph"); };
        listener::AfterRequest request{.action = {kind, std::move(target)}, .ordinals = std::move(ordinals), .copied = std::move(copied)};
        return loop.run(mailbox().after(std::move(request), record, stop.get_token()));
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
    void enter(std::string folder = "INBOX") {
        const auto opened = open();
        INFO((opened ? "" : describe(opened.error())));
        REQUIRE(opened);
        const auto selected = select(std::move(folder));
        INFO((selected ? "" : describe(selected.error())));
        REQUIRE(selected);
    }
    std::vector<std::string> ids() const {
        std::vector<std::string> found;
        for (const auto& message : received.messages) found.push_back(message.position.text);
        return found;
    }

    simulation::InlineLoop loop{};
    simulation::SimDisk disk{};
    std::shared_ptr<plugin::Directory> staging{};
    GraphServer graph;
    FakeAccess access;
    RecordingLog log{};
    CountingRandom random{};
    std::shared_ptr<KeptIndex> kept = std::make_shared<KeptIndex>();
    std::shared_ptr<listener::RequestLimit> limit = std::make_shared<listener::RequestLimit>(loop.clock());
    listener::graph::Settings settings{};
    Received received{};
    std::stop_source stop{};
    bool mayBeWrong = false;

private:
    std::unique_ptr<listener::Mailbox> mailbox_{};
};

}  // namespace graphtest
