#pragma once

#include "auth/access.h"
#include "listener/graph/graph_mailbox.h"
#include "tests/listener/memory_index.h"
#include "tests/listener/session_fixture.h"
#include "tests/servers/graph_server.h"

#include <catch2/catch.hpp>

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace graphtest {

using listenertest::bytesOf;
using listenertest::KeptIndex;
using listenertest::MemoryIndex;
using listenertest::Names;
using listenertest::Numbers;
using listenertest::Received;
using plugin::Code;
using plugin::Reaction;
using servers::GraphServer;
using servers::GraphStore;

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

using FakeAccess = listenertest::FakeAccess<GraphDialer, FakeTokens>;

inline std::string mail(const std::string& subject, std::size_t size = 40) {
    std::string text = "Message-ID: <" + subject +
                       "@example.com>\r\nDate: Sun, 22 Nov 2026 08:15:00 +0000\r\nFrom: a@example.com\r\nSubject: " + subject + "\r\n\r\n";
    while (text.size() < size) text += "Guten Tag\r\n";
    return text;
}

/// One mailbox with Graph in memory. Nothing it sent may have been wrong.
struct Fixture : listenertest::SessionFixture {
    Fixture() : Fixture(GraphServer::Options()) {}
    explicit Fixture(GraphServer::Options options) : graph(inMemory(std::move(options))), access(graph) {
        settings.alias = "intake";
        settings.url = graph.url();
        settings.user = "intake@contoso.com";
        settings.credential = "tenant";
    }
    ~Fixture() override {
        end();
        if (!mayBeWrong) CHECK(graph.problems() == Names{});
    }
    static GraphServer::Options inMemory(GraphServer::Options options) {
        options.listens = false;
        return options;
    }

    plugin::Result<void> after(listener::AfterAction::Kind kind, Numbers ordinals, std::string target = "", Numbers before = {}) {
        auto done = SessionFixture::after(
            listener::AfterRequest{.action = {kind, std::move(target)}, .ordinals = std::move(ordinals), .copied = std::move(before)});
        CHECK(copied.empty());  // nothing is copied by Graph
        return done;
    }
    void enter(std::string folder = "INBOX") {
        const auto opened = open();
        INFO((opened ? "" : describe(opened.error())));
        REQUIRE(opened);
        const auto selected = select(std::move(folder));
        INFO((selected ? "" : describe(selected.error())));
        REQUIRE(selected);
    }
    Names ids() const {
        Names found;
        for (const auto& message : received.messages) found.push_back(message.position.text);
        return found;
    }

    GraphServer graph;
    FakeAccess access;
    CountingRandom random{};
    std::shared_ptr<KeptIndex> kept = std::make_shared<KeptIndex>();
    std::shared_ptr<listener::RequestLimit> limit = std::make_shared<listener::RequestLimit>(loop.clock());
    listener::graph::Settings settings{};
    bool mayBeWrong = false;

private:
    std::unique_ptr<listener::Mailbox> make() override {
        return listener::graph::makeMailbox(settings, access, std::make_unique<MemoryIndex>(kept), random, log, "0.5.0", limit);
    }
};

}  // namespace graphtest
