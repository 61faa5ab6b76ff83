#pragma once

#include "auth/access.h"
#include "listener/delivery/http.h"
#include "tests/auth/channel/world.h"
#include "tests/listener/delivery/spool_fixture.h"
#include "tests/servers/webhook_receiver.h"

#include <catch2/catch.hpp>

#include <deque>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace webhooks {

using listener::Delivery;
using listener::HttpSettings;
using listener::Message;
using plugin::Code;
using plugin::Reaction;
using servers::WebhookReceiver;
using spooling::bytesOf;
using spooling::messageOf;
using Verdict = Delivery::Verdict;
using Reply = WebhookReceiver::Reply;

/// A date of its own, and steady time that can be moved on.
class TestClock final : public plugin::Clock {
public:
    explicit TestClock(const plugin::Clock& real) : real_(real) {}
    plugin::Steady steady() const override { return real_.steady() + passed_; }
    plugin::Wall wall() const override { return plugin::Wall{std::chrono::seconds{seconds}} + passed_; }
    void pass(std::chrono::seconds time) { passed_ += time; }
    static constexpr std::int64_t seconds = 1'793'500'000;  // Sun, 01 Nov 2026 02:26:40 GMT
private:
    const plugin::Clock& real_;
    std::chrono::seconds passed_{};
};

/// Gives what it is told, and remembers what was refused.
class FakeTokens final : public auth::TokenSource {
public:
    plugin::Task<plugin::Result<auth::Token>> token(auth::Identity identity, plugin::Deadline, std::stop_token) override {
        asked.push_back(identity.credential);
        if (failure) co_return *failure;
        auth::Token token{};
        token.secret = std::make_shared<const auth::Secret>(tokens.at(std::min(refusals.size(), tokens.size() - 1)));
        token.number = refusals.size() + 1;
        if (failureOnceRefused && !refusals.empty()) co_return *failureOnceRefused;
        co_return token;
    }
    void refused(const auth::Identity& identity, const auth::Token& token) override {
        CHECK(identity.credential == "crm");
        refusals.emplace_back(token.secret->reveal());
    }
    std::vector<std::string> tokens{"token-number-one-of-this-test", "token-number-two-of-this-test"};
    std::optional<plugin::Error> failure{}, failureOnceRefused{};
    std::vector<std::string> asked{}, refusals{};
};

/// Remembers where to, and dials without proxy and client certificate.
class WatchedDialer final : public auth::Dialer {
public:
    explicit WatchedDialer(auth::Dialer& real) : real_(real) {}
    plugin::Task<plugin::Result<std::unique_ptr<auth::Channel>>> dial(auth::Target target, plugin::Deadline deadline, std::stop_token stop) override {
        targets.push_back(target);
        target.proxy = target.keystore = target.keyAlias = "";
        auto dialling = real_.dial(target, deadline, stop);
        auto channel = co_await dialling;
        co_return channel;
    }
    std::vector<auth::Target> targets{};

private:
    auth::Dialer& real_;
};

class FakeAccess final : public auth::Access {
public:
    FakeAccess(auth::Dialer& dialer, auth::SecretReader& reader) : watched(dialer), reader_(reader) {}
    auth::Dialer& dialer() override { return watched; }
    auth::TokenSource& tokens() override { return source; }
    plugin::Result<Kind> kind(std::string_view) const override { return Kind::token; }
    plugin::Result<Password> password(std::string_view) override { throw std::logic_error("no passwords here"); }
    plugin::Result<auth::Secret> secret(std::string_view written) override {
        const auto parsed = auth::parseSecretSource(written);
        if (!parsed) return parsed.error();
        return auth::readSecret(*parsed, reader_);
    }
    WatchedDialer watched;
    FakeTokens source{};

private:
    auth::SecretReader& reader_;
};

/// A message in a file that nobody has written: its octets are made when they are read.
class MadeUpFile final : public plugin::File {
public:
    explicit MadeUpFile(std::uint64_t size) : size_(size) {}
    static char at(std::uint64_t offset) { return static_cast<char>((offset * 2654435761U) >> 13); }
    plugin::Result<void> append(std::string_view) override { throw std::logic_error("read only"); }
    plugin::Result<void> sync() override { return {}; }
    plugin::Result<std::size_t> readAt(std::uint64_t offset, std::span<char> into) const override {
        if (fails) return plugin::Error{Reaction::retryLater, Code::sinkUnavailable, "cannot read a file"};
        std::size_t done = 0;
        for (; done < into.size() && offset + done < size_; ++done) into[done] = at(offset + done);
        if (done > 0 && spoilt && offset + done == size_) into[done - 1] = static_cast<char>(into[done - 1] ^ 1);
        largest = std::max(largest, into.size());
        return done;
    }
    std::uint64_t size() const override { return size_; }
    bool fails = false, spoilt = false;
    mutable std::size_t largest = 0;  ///< of what was ever asked for at once

private:
    std::uint64_t size_;
};

inline Message stagedMessage(const std::shared_ptr<MadeUpFile>& file) {
    auto message = messageOf(1, "");
    listener::Sha256 hash;
    std::string piece(1 << 20, '\0');
    for (std::uint64_t offset = 0; offset < file->size();) {
        const auto got = file->readAt(offset, piece);
        hash.update(std::string_view(piece).substr(0, *got));
        offset += *got;
    }
    file->largest = 0;
    message.content = listener::Content(file, "/staging", hash.finish());
    return message;
}

/// A receiver, and a sink that sends to it.
class Path {
public:
    explicit Path(WebhookReceiver::Options options = {}, HttpSettings settings = {}, const std::map<std::string, std::string>& truststores = {})
        : receiver(timed(std::move(options))), world(truststores) {
        settings.name = "crm";
        if (settings.url.empty()) settings.url = receiver.url();
        sink = makeHttp(std::move(settings), access, clock);
    }
    ~Path() {
        sink.reset();
        for (const auto& problem : expectsProblems ? std::vector<std::string>() : receiver.problems()) FAIL_CHECK(problem);
    }

    std::vector<Delivery> deliver(const std::vector<Message>& messages) { return deliver(messages, world.soon()); }
    std::vector<Delivery> deliver(const std::vector<Message>& messages, plugin::Deadline deadline, std::stop_token stop = {}) {
        auto deliveries = spooling::deliveriesOf(messages);
        world.run(sink->deliver(deliveries, deadline, std::move(stop)));
        return deliveries;
    }
    Delivery deliver(const Message& message) { return deliver(std::vector{message}).front(); }
    Delivery deliver(const Message& message, Reply reply) {
        receiver.script({std::move(reply)});
        return deliver(message);
    }

    bool expectsProblems = false;
    WebhookReceiver receiver;
    World world;
    TestClock clock{*world.clock};
    FakeAccess access{*world.dialer, *world.secrets};
    std::unique_ptr<listener::Sink> sink{};

private:
    static WebhookReceiver::Options timed(WebhookReceiver::Options options) {
        options.now = [] { return TestClock::seconds; };
        return options;
    }
};

/// The one error of a message that was not delivered.
inline plugin::Error refusalOf(const Delivery& delivery) {
    CHECK(delivery.verdict() == Verdict::notDelivered);
    REQUIRE(delivery.error());
    return *delivery.error();
}

}  // namespace webhooks
