#include "listener/imap/connection.h"

#include "tests/simulation/inline_loop.h"

#include <catch2/catch.hpp>

#include <memory>
#include <string>

using namespace listener::imap;
using namespace std::chrono_literals;
using plugin::Result;
using plugin::Task;

namespace {

/// Sends `size` octets of `text`, again and again, each time after `pause`.
class Repeating final : public auth::Channel {
public:
    Repeating(std::string text, std::chrono::seconds pause) : text_(std::move(text)), pause_(pause) {}
    Task<Result<std::size_t>> read(std::span<char> into, plugin::Deadline deadline, std::stop_token stop) override {
        auto& loop = co_await plugin::thisLoop();
        const auto due = loop.clock().steady() + pause_;
        auto pause = plugin::sleepUntil(std::min(deadline, due), stop);
        co_await pause;
        if (due > deadline) co_return plugin::Error{plugin::Reaction::reconnect, plugin::Code::channelTimeout, "no octet in time"};
        const auto count = std::min(into.size(), text_.size());
        std::copy_n(text_.begin(), count, into.begin());
        co_return count;
    }
    Task<Result<void>> write(std::string_view, plugin::Deadline, std::stop_token) override { co_return Result<void>{}; }
    std::string security() const override { return "plain"; }

private:
    std::string text_;
    std::chrono::seconds pause_;
};

Task<Result<void>> readOn(Connection& connection, int responses) {
    for (int i = 0; i < responses; ++i) {
        auto next = co_await connection.next({});
        if (!next) co_return next.error();
    }
    co_return Result<void>{};
}

}  // namespace

SCENARIO("a trickle of octets is no sign of life, whole responses are", "[imap]") {
    simulation::InlineLoop loop;
    const auto begun = loop.clock().steady();
    GIVEN("a server that sends one octet a second and never ends its line") {
        Connection connection(std::make_unique<Repeating>("x", 1s), loop, "mail.example:993", 60s);
        const auto result = loop.run(readOn(connection, 1));
        REQUIRE_FALSE(result);
        REQUIRE(result.error().code == plugin::Code::channelTimeout);
        REQUIRE(loop.clock().steady() - begun == 60s);
    }
    GIVEN("a server that is slow, but says something whole every fifty seconds") {
        Connection connection(std::make_unique<Repeating>("* OK still here\r\n", 50s), loop, "mail.example:993", 60s);
        REQUIRE(loop.run(readOn(connection, 100)));
    }
}

SCENARIO("the answer to a command comes to an end", "[imap]") {
    simulation::InlineLoop loop;
    std::string many;
    for (int i = 0; i < 3000; ++i) many += "* OK and on\r\n";
    Connection connection(std::make_unique<Repeating>(many, 0s), loop, "mail.example:993", 60s);
    const auto result = loop.run(readOn(connection, 2'000'000));
    REQUIRE_FALSE(result);
    REQUIRE(result.error().code == plugin::Code::mailboxTooLarge);
}
