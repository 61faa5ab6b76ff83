#include "tests/listener/imap/fixture.h"
#include "tests/servers/transcript.h"

#include <catch2/catch.hpp>

using namespace imaptest;
using plugin::Reaction;

namespace {

std::string text(int number) {
    const auto n = std::to_string(number);
    return "Message-ID: <" + n + "@example.com>\r\nSubject: mail " + n + "\r\n\r\nA1 OK this is not the end\r\n* 9 EXISTS\r\n)\r\n";
}

std::shared_ptr<servers::Transcript> serverOf(const std::string& name) {
    return std::make_shared<servers::Transcript>(IMAP_TRANSCRIPTS "/" + name + ".txt");
}

/// A whole day of a mailbox: what the engine does with one, until something fails.
plugin::Result<void> day(Fixture& fixture) {
    if (auto opened = fixture.open(); !opened) return opened;
    if (auto selected = fixture.select("Inbox"); !selected) return selected.error();
    const auto listing = fixture.list({.above = 4});
    if (!listing) return listing.error();
    if (auto fetched = fixture.fetch(listing->ordinals); !fetched) return fetched;
    listener::AfterRequest request{{listener::AfterAction::Kind::move, "Done"}, listing->ordinals, {}};
    if (auto done = fixture.after(request); !done) return done;
    if (fixture.mailbox().pushes()) {
        const auto news = fixture.watch({"Inbox"});
        if (!news) return news.error();
        if (news->empty() == fixture.mailbox().pushes()) throw std::logic_error("news from a server that tells nothing, or none from one that does");
        if (!news->empty()) {
            if (auto selected = fixture.select("Inbox"); !selected) return selected.error();
            const auto more = fixture.list({.above = 9});
            if (!more) return more.error();
            if (more->ordinals != std::vector<std::uint64_t>{10}) throw std::logic_error("the mail that was told of is not there");
        }
    }
    fixture.close();
    return {};
}

const std::vector<std::string> allServers{"dovecot", "exchange_online", "gmail", "minimal", "courier", "cyrus", "bad_for_anything"};

}  // namespace

SCENARIO("a day with each server ends well, however its octets arrive", "[imap]") {
    const auto name = GENERATE(from_range(allServers));
    const auto chunk = GENERATE(std::size_t{0}, std::size_t{1}, std::size_t{13});
    const auto pauses = GENERATE(false, true);
    GIVEN(name + " in chunks of " + std::to_string(chunk) + (pauses ? " with pauses" : "")) {
        const auto server = serverOf(name);
        Fixture fixture{server, {.chunk = chunk, .pauses = pauses}};
        const auto result = day(fixture);
        INFO(server->failure());
        INFO((result ? std::string{} : describe(result.error())));
        THEN("all of it was said, and three messages came as they were sent") {
            REQUIRE(result);
            REQUIRE(server->failure().empty());
            REQUIRE(server->isOver());
            REQUIRE(fixture.received.messages.size() == 3);
            for (std::size_t i = 0; i < 3; ++i) {
                const int uid = std::array{5, 6, 9}[i];
                const auto& message = fixture.received.messages[i];
                REQUIRE(message.position.ordinal == static_cast<std::uint64_t>(uid));
                REQUIRE(message.position.text.ends_with(":" + std::to_string(uid)));
                REQUIRE(bytesOf(message.content) == text(uid));
                REQUIRE(message.head.messageId == "<" + std::to_string(uid) + "@example.com>");
            }
            REQUIRE(fixture.log.text.find(token) == std::string::npos);
            REQUIRE(fixture.log.text.find(xoauth2) == std::string::npos);
        }
    }
}

SCENARIO("a link that breaks anywhere is a clean error, and no message is handed out short", "[imap]") {
    const auto name = GENERATE(from_range(allServers));
    GIVEN(name) {
        const auto whole = serverOf(name);
        Fixture fixture{whole};
        REQUIRE(day(fixture));
        const auto length = whole->sent();
        THEN("each cut is survived") {
            std::size_t failures = 0;
            for (std::size_t cut = 0; cut < length; ++cut) {
                const auto server = serverOf(name);
                Fixture broken{server, {.cutAfter = cut}};
                const auto result = day(broken);
                INFO("cut after " << cut << " octets; " << server->failure());
                if (!result) {
                    ++failures;
                    CHECK(result.error().reaction == Reaction::reconnect);
                    CHECK(result.error().what.find(token) == std::string::npos);
                }
                CHECK(server->failure().empty());
                for (const auto& message : broken.received.messages)
                    CHECK(bytesOf(message.content) == text(static_cast<int>(message.position.ordinal)));
                const auto again = broken.list();
                if (!result) CHECK((!again && again.error().reaction == Reaction::reconnect));
            }
            REQUIRE(failures > length / 2);
        }
    }
}

SCENARIO("what the servers told is what the caller gets", "[imap]") {
    GIVEN("Dovecot") {
        Fixture fixture{serverOf("dovecot")};
        REQUIRE(fixture.open());
        REQUIRE(fixture.mailbox().server() == "Dovecot");
        const auto view = fixture.select("INBOX");
        REQUIRE(view->validity == 1781234567u);
        REQUIRE(view->next == 10u);
        REQUIRE(view->exists == 4u);
        const auto listing = fixture.list({.above = 4});
        REQUIRE(listing->ordinals == std::vector<std::uint64_t>{5, 6, 9});
        REQUIRE(listing->upTo == 9);
        REQUIRE_FALSE(listing->more);
        REQUIRE(fixture.fetch(listing->ordinals));
        REQUIRE(fixture.received.messages[0].position.text == "1781234567:5");
        REQUIRE(fixture.received.messages[1].flags == std::vector<std::string>{"$Label1"});
        REQUIRE(fixture.received.messages[1].received == fixture.received.messages[0].received);
    }
    GIVEN("a server that says neither UIDNEXT nor a date") {
        Fixture fixture{serverOf("minimal")};
        REQUIRE(day(fixture));
        REQUIRE(fixture.received.messages[1].received == fixture.loop.clock().wall());
        REQUIRE(fixture.copied == std::vector<std::uint64_t>{5, 6, 9});
        REQUIRE(fixture.log.warnings == 1);
    }
    GIVEN("Courier, which does not even answer STATUS") {
        Fixture fixture{serverOf("courier")};
        REQUIRE(fixture.open());
        REQUIRE(fixture.select("INBOX")->next == 10u);
    }
}

SCENARIO("Exchange's moods are told as what they are, and none of them costs the token", "[imap]") {
    const auto mood = GENERATE(as<std::string>{}, "not_connected", "throttled_sign_in", "throttled_search", "throttled_fetch", "throttled_bye");
    GIVEN(mood) {
        const auto server = serverOf("exchange_" + mood);
        Fixture fixture{server};
        const auto result = day(fixture);
        INFO(server->failure());
        REQUIRE_FALSE(result);
        INFO(describe(result.error()));
        REQUIRE(server->failure().empty());
        REQUIRE(fixture.access.tokens().refusals == 0);
        if (mood == "not_connected") {
            REQUIRE(result.error().code == plugin::Code::mailboxAccess);
            REQUIRE(result.error().reaction == Reaction::askOperator);
        } else {
            REQUIRE(result.error().code == plugin::Code::mailboxThrottled);
            REQUIRE(result.error().reaction == Reaction::retryLater);
            REQUIRE(result.error().retryAfter == std::chrono::milliseconds{299910});
        }
        REQUIRE(fixture.received.messages.size() == (mood == "throttled_fetch" ? 1 : 0));
    }
}
