#include "auth/token/token_source.h"
#include "auth/channel/channel.h"
#include "fakes.h"
#include "plugin/runtime/runtime.h"
#include "scripted_endpoint.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <deque>
#include <functional>
#include <string>

using namespace auth;
using namespace std::chrono_literals;
using plugin::Code;
using plugin::Deadline;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

/// A token source whose time stands still until it is moved, on a real loop.
struct World {
    fakes::Clock clock{};
    fakes::Random random{};
    fakes::Log log{};
    fakes::Metrics metrics{};
    fakes::SecretReader secrets{};
    Endpoint endpoint{};
    std::unique_ptr<plugin::Clock> loopClock = plugin::makeSystemClock();
    std::exception_ptr bug{};
    std::unique_ptr<plugin::WorkerPool> workers = plugin::makeWorkerPool(2, [](std::exception_ptr) {});
    std::unique_ptr<plugin::EpollLoop> loop = plugin::makeEpollLoop(*loopClock, *workers, [this](std::exception_ptr escaped) { bug = escaped; });
    std::unique_ptr<TokenSource> tokens;
    Identity identity{"m", {}, {}};

    static std::map<std::string, std::string> settings() {
        return {{"credential.m.client_id", "app"},
                {"credential.m.client_secret", "${file:/secret}"},
                {"credential.m.token_endpoint", "https://idp.example/token?key=v"},
                {"credential.m.scopes", "mail"},
                {"credential.m.authentication", "body"},
                {"credential.pw.grant", "user_password"},
                {"credential.pw.password", "x"}};
    }
    static std::shared_ptr<const plugin::Configuration> snapshot(const std::map<std::string, std::string>& values) {
        std::map<std::string, plugin::Configuration::Setting, std::less<>> all;
        for (const auto& [key, value] : values) all[key] = {value, {}, true};
        return std::make_shared<const plugin::Configuration>(std::move(all));
    }
    plugin::CurrentConfiguration configuration{snapshot(settings())};
    void reload(std::map<std::string, std::string> changed) {
        for (const auto& [key, value] : settings()) changed.emplace(key, value);
        configuration.replace(snapshot(changed));
    }

    World() {
        secrets.put("/secret", "s3cret-value\n");
        tokens = makeTokenSource({configuration, endpoint, secrets, clock, random, log, metrics});
        endpoint.open.set();
    }
    ~World() {
        workers.reset();
        loop.reset();
        CHECK_FALSE(bug);
        CHECK(log.text().find("s3cret-value") == std::string::npos);
    }

    std::size_t asked() const { return endpoint.requests.size(); }
    Result<Token> token() { return run(tokens->token(identity, Deadline::max(), {})); }
    std::string text() {
        const auto got = token();
        return got ? std::string(got->secret->reveal()) : plugin::codeName(got.error().code);
    }
    /// Lets the loop work until the task is done, and nothing else either unless `only`.
    template <class T>
    T run(Task<T> task, bool only = false) {
        auto done = plugin::start(*loop, std::move(task));
        loop->spawn(quitAfter<T>(done, *loop, only));
        loop->run();
        return std::move(done->get());
    }

private:
    template <class T>
    static Task<void> quitAfter(std::shared_ptr<plugin::Shared<T>> done, plugin::EpollLoop& loop, bool only) {
        auto waiting = done->wait(Deadline::max(), {});
        co_await waiting;
        while (!only && loop.running() > 1) {
            auto turn = plugin::sleepUntil(loop.clock().steady() + 1ms, {});
            co_await turn;
        }
        loop.quit();
    }
};

std::chrono::milliseconds wait(const Result<Token>& failed) {
    REQUIRE_FALSE(failed);
    REQUIRE(failed.error().retryAfter);
    return *failed.error().retryAfter;
}

}  // namespace

SCENARIO("a token is asked for once and kept", "[token]") {
    World world;
    world.endpoint.answers = {tokenFor(3600, "first")};
    const auto token = world.token();
    REQUIRE(token);
    CHECK(token->secret->reveal() == "first");
    CHECK(token->type == "Bearer");
    CHECK(token->expiresIn == 3600s);
    CHECK(token->expiresAt == world.clock.wall() + 3600s);
    CHECK(token->number == 1);
    CHECK(world.text() == "first");
    CHECK(world.asked() == 1);
    THEN("the request is what the endpoint wants") {
        const auto& request = world.endpoint.requests.at(0);
        CHECK(request.find("POST /token?key=v HTTP/1.1\r\n") == 0);
        CHECK(request.find("\r\nContent-Type: application/x-www-form-urlencoded\r\n") != std::string::npos);
        CHECK(request.find("\r\nAccept: application/json\r\n") != std::string::npos);
        CHECK(request.find("Authorization") == std::string::npos);
        CHECK(request.ends_with("\r\n\r\ngrant_type=client_credentials&scope=mail&client_id=app&client_secret=s3cret-value"));
    }
    THEN("metrics tell its end and how it came") {
        CHECK(world.metrics.value("postern_token_requests_total,credential=m,result=ok") == 1);
        CHECK(world.metrics.value("postern_token_expiry_timestamp_seconds,credential=m") ==
              static_cast<double>(std::chrono::duration_cast<std::chrono::seconds>(token->expiresAt.time_since_epoch()).count()));
    }
    THEN("other scopes are another identity") {
        world.endpoint.answers = {tokenFor(3600, "other")};
        world.identity.scopes = "calendar";
        CHECK(world.text() == "other");
        CHECK(world.endpoint.requests.at(1).find("&scope=calendar&") != std::string::npos);
        world.identity.scopes.reset();
        CHECK(world.text() == "first");
    }
    THEN("another mailbox user is not, where the grant does not depend on it") {
        world.identity.user = "someone@example.com";
        CHECK(world.text() == "first");
    }
}

SCENARIO("a reload forgets the tokens of credentials that have changed, and no others", "[token]") {
    World world;
    world.endpoint.answers = {tokenFor(3600, "first"), tokenFor(3600, "second")};
    const auto first = world.token();
    REQUIRE(first);
    WHEN("something else changes") {
        world.reload({{"credential.other.client_id", "x"}, {"truststore.t.path", "/other"}});
        THEN("the token stays") { CHECK(world.text() == "first"); }
    }
    WHEN("where its secret is read changes") {
        world.secrets.put("/new", "s3cret-value-2\n");
        world.reload({{"credential.m.client_secret", "${file:/new}"}});
        THEN("another one is asked for, with it, and the old one counts for nothing any more") {
            CHECK(world.text() == "second");
            CHECK(world.endpoint.requests.at(1).ends_with("scope=mail&client_id=app&client_secret=s3cret-value-2"));
            world.tokens->refused(world.identity, *first);
            CHECK(world.text() == "second");
            CHECK(world.asked() == 2);
        }
    }
    WHEN("the truststore it names is another file") {
        world.reload({{"credential.m.truststore", "t"}, {"truststore.t.path", "/one"}});
        CHECK(world.text() == "second");
        world.endpoint.answers = {tokenFor(3600, "third")};
        world.reload({{"credential.m.truststore", "t"}, {"truststore.t.path", "/two"}});
        THEN("that is a change of the credential too") { CHECK(world.text() == "third"); }
    }
}

SCENARIO("a token is renewed ahead of its end, while it is used", "[token]") {
    World world;
    world.endpoint.answers = {tokenFor(3600, "first"), tokenFor(3600, "second")};
    CHECK(world.text() == "first");
    world.clock.advance(46min);  // 0.775 of an hour is 46.5 minutes
    CHECK(world.text() == "first");
    CHECK(world.asked() == 1);
    world.clock.advance(1min);
    THEN("who asks gets the old one at once, the next the new one") {
        CHECK(world.text() == "first");
        CHECK(world.asked() == 2);
        CHECK(world.text() == "second");
        CHECK(world.asked() == 2);
    }
}

SCENARIO("a token's life counts from before it was asked for", "[token]") {
    World world;
    world.endpoint.answers = {tokenFor(3600, "first"), tokenFor(3600, "second"), tokenFor(3600, "third")};
    world.endpoint.whenAsked = [&world] {
        if (world.asked() == 1) world.clock.advance(10min);
    };
    const auto asked = world.clock.wall();
    const auto token = world.token();
    REQUIRE(token);
    CHECK(token->expiresAt == asked + 60min);
    WHEN("45 minutes later it is 55 minutes old") {
        world.clock.advance(45min);
        THEN("it is in its last five minutes, and another is waited for") { CHECK(world.text() == "second"); }
    }
    WHEN("somebody sets the clock, whichever way") {
        world.clock.setWall(GENERATE(-48h, 48h));
        THEN("it serves as long as before: 35 minutes of its life are over after 25") {
            world.clock.advance(25min);
            CHECK(world.text() == "first");
            CHECK(world.asked() == 1);
        }
        THEN("and no longer") {
            world.clock.advance(45min);
            CHECK(world.text() == "second");
        }
    }
}

SCENARIO("a token is renewed when its provider asks for it, if that is sooner", "[token]") {
    World world;
    world.endpoint.answers = {http(200, R"({"access_token":"first","token_type":"Bearer","expires_in":86400,"refresh_in":43200})"),
                              tokenFor(3600, "second")};
    CHECK(world.text() == "first");
    world.clock.advance(10h);
    CHECK(world.text() == "first");
    CHECK(world.asked() == 1);
    world.clock.advance(4h);  // give or take a tenth
    CHECK(world.text() == "first");
    CHECK(world.asked() == 2);
    CHECK(world.text() == "second");
}

SCENARIO("in its last five minutes a token is waited for", "[token]") {
    World world;
    world.endpoint.answers = {tokenFor(3600, "first"), tokenFor(3600, "second")};
    CHECK(world.text() == "first");
    world.clock.advance(55min);
    CHECK(world.text() == "second");
}

SCENARIO("a token still valid is used while renewal fails", "[token]") {
    World world;
    world.endpoint.answers = {tokenFor(3600, "first"), wrongSecret, "", ""};
    CHECK(world.text() == "first");
    world.clock.advance(47min);
    CHECK(world.text() == "first");
    CHECK(world.asked() == 2);
    CHECK(world.text() == "first");
    CHECK(world.asked() == 2);  // refused: not before a minute is over
    world.clock.advance(9min);  // its last stretch
    CHECK(world.text() == "first");
    CHECK(world.asked() == 3);
    CHECK(world.text() == "first");
    world.clock.advance(4min + 1s);  // its end
    const auto none = world.token();
    REQUIRE_FALSE(none);
    CHECK(none.error().code == Code::tokenEndpointUnreachable);
    CHECK(world.metrics.value("postern_token_requests_total,credential=m,result=refused") == 1);
    CHECK(world.metrics.value("postern_token_requests_total,credential=m,result=unreachable") == 2);
}

SCENARIO("a short token is used for half of its life", "[token]") {
    World world;
    world.endpoint.answers = {tokenFor(60, "first"), tokenFor(60, "second")};
    CHECK(world.text() == "first");
    world.clock.advance(20s);
    CHECK(world.text() == "first");
    CHECK(world.asked() == 1);
    world.clock.advance(10s);
    CHECK(world.text() == "second");
}

SCENARIO("a wrong secret is not hammered", "[token]") {
    World world;
    world.endpoint.answers = {wrongSecret, wrongSecret, wrongSecret, wrongSecret, wrongSecret};
    const auto steps = {1min, 5min, 15min, 60min, 60min};
    std::size_t asked = 0;
    for (const auto step : steps) {
        const auto refused = world.token();
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code == Code::tokenClientRefused);
        CHECK(refused.error().reaction == Reaction::askOperator);
        CHECK(refused.error().what.find("credential m, https://idp.example/token: ") == 0);
        CHECK(world.asked() == ++asked);
        CHECK(wait(refused) == step);
        world.clock.advance(step - 1s);
        const auto again = world.token();
        CHECK(world.asked() == asked);
        CHECK(wait(again) == 1s);
        CHECK(again.error().code == Code::tokenClientRefused);
        world.clock.advance(1s);
    }
}

SCENARIO("another secret is tried at once", "[token]") {
    World world;
    world.endpoint.answers = {wrongSecret, wrongSecret, tokenFor(3600, "mended")};
    CHECK(world.text() == "PO-3001");
    world.secrets.put("/secret", "s3cret-value-2");
    CHECK(world.text() == "PO-3001");
    CHECK(world.asked() == 2);
    CHECK(wait(world.token()) == 1min);  // the count begins anew
    world.secrets.put("/secret", "s3cret-value-3");
    CHECK(world.text() == "mended");
    CHECK(world.endpoint.requests.back().ends_with("client_secret=s3cret-value-3"));
    CHECK(world.log.text().find("after_failures=") != std::string::npos);
}

SCENARIO("the second client secret is tried at once when the first is refused, and used from then on", "[token]") {
    World world;
    world.secrets.put("/next", "s3cret-value-next");
    world.reload({{"credential.m.client_secret_next", "${file:/next}"}});
    const auto sent = [&](std::size_t request) {
        const auto& body = world.endpoint.requests.at(request);
        return body.ends_with("client_secret=s3cret-value-next") ? "next" : "first";
    };
    world.endpoint.answers = {wrongSecret, tokenFor(3600, "one"), tokenFor(3600, "two"), tokenFor(3600, "three")};
    CHECK(world.text() == "one");
    CHECK(world.asked() == 2);
    CHECK(sent(0) == std::string("first"));
    CHECK(sent(1) == std::string("next"));
    CHECK(world.log.text().find("in_use=client_secret_next") != std::string::npos);
    world.clock.advance(2h);
    CHECK(world.text() == "two");
    CHECK(world.asked() == 3);
    CHECK(sent(2) == std::string("next"));
    THEN("a change of the file begins with the first again") {
        world.secrets.put("/secret", "s3cret-value-2");
        world.clock.advance(2h);
        CHECK(world.text() == "three");
        CHECK(world.asked() == 4);
        CHECK(sent(3) == std::string("first"));
    }
    THEN("the first is tried when the second is refused later on") {
        world.endpoint.answers = {wrongSecret, tokenFor(3600, "three")};
        world.clock.advance(2h);
        CHECK(world.text() == "three");
        CHECK(sent(3) == std::string("next"));
        CHECK(sent(4) == std::string("first"));
        CHECK(world.log.text().find("in_use=client_secret\n") != std::string::npos);
    }
}

SCENARIO("two client secrets that are both refused are not hammered", "[token]") {
    World world;
    world.secrets.put("/next", "s3cret-value-next");
    world.reload({{"credential.m.client_secret_next", "${file:/next}"}});
    world.endpoint.answers = {wrongSecret, wrongSecret, wrongSecret, tokenFor(3600, "mended")};
    CHECK(wait(world.token()) == 1min);
    CHECK(world.asked() == 2);
    CHECK(world.text() == "PO-3001");
    CHECK(world.asked() == 2);
    world.secrets.put("/next", "s3cret-value-good");
    CHECK(world.text() == "mended");
    CHECK(world.asked() == 4);
}

SCENARIO("a second client secret that cannot be read changes nothing", "[token]") {
    World world;
    world.reload({{"credential.m.client_secret_next", "${file:/next}"}});
    world.endpoint.answers = {wrongSecret};
    CHECK(world.text() == "PO-3001");
    CHECK(world.asked() == 1);
}

SCENARIO("a grant that has to be kept needs a place for it", "[token]") {
    World world;
    world.reload({{"credential.m.grant", "refresh_token"}, {"credential.m.refresh_token", "x"}});
    const auto none = world.token();
    REQUIRE_FALSE(none);
    CHECK(none.error().code == Code::tokenCredentialIncomplete);
    CHECK(world.asked() == 0);
}

SCENARIO("a secret that cannot be read costs no request", "[token]") {
    World world;
    world.secrets.remove("/secret");
    const auto none = world.token();
    REQUIRE_FALSE(none);
    CHECK(none.error().code == Code::configSecretSource);
    CHECK(none.error().what == "credential m: the file /secret cannot be read");
    CHECK(world.asked() == 0);
    world.secrets.put("/secret", "s3cret-value");
    world.endpoint.answers = {tokenFor(3600, "there")};
    CHECK(world.text() == "there");
}

SCENARIO("an endpoint that is away or busy is asked again, ever more slowly", "[token]") {
    World world;
    world.endpoint.answers = {"", http(503, "{}"), "", "", http(429, "{}", "Retry-After: 77\r\n"), tokenFor(3600, "back")};
    CHECK(wait(world.token()) == 1s);
    CHECK(world.asked() == 1);
    CHECK(world.token().error().reaction == Reaction::retryLater);
    CHECK(world.asked() == 1);
    for (const auto expected : {1s, 2s, 4s}) {  // fakes::Random gives the middle: half of 2, 4, 8
        world.clock.advance(5s);
        CHECK(wait(world.token()) == expected);
    }
    world.clock.advance(5s);
    CHECK(wait(world.token()) == 77s);
    world.clock.advance(76s);
    CHECK(world.text() == "PO-3007");
    CHECK(world.asked() == 5);
    world.clock.advance(1s);
    CHECK(world.text() == "back");
}

SCENARIO("a refused token is replaced once, then a minute passes", "[token]") {
    World world;
    world.endpoint.answers = {tokenFor(3600, "first"), tokenFor(3600, "second"), tokenFor(3600, "third")};
    const auto first = world.token();
    REQUIRE(first);
    world.tokens->refused(world.identity, *first);
    const auto second = world.token();
    REQUIRE(second);
    CHECK(second->secret->reveal() == "second");
    CHECK(second->number == 2);
    WHEN("the old one is refused once more, by somebody late") {
        world.tokens->refused(world.identity, *first);
        CHECK(world.text() == "second");
        CHECK(world.asked() == 2);
    }
    WHEN("the new one is refused too") {
        world.clock.advance(20s);
        world.tokens->refused(world.identity, *second);
        const auto tooSoon = world.token();
        REQUIRE_FALSE(tooSoon);
        CHECK(tooSoon.error().code == Code::tokenRenewalTooSoon);
        CHECK(tooSoon.error().reaction == Reaction::retryLater);
        CHECK(wait(tooSoon) == 40s);
        CHECK(world.asked() == 2);
        world.clock.advance(40s);
        CHECK(world.text() == "third");
    }
    WHEN("it is refused and the endpoint fails") {
        world.clock.advance(2min);
        world.endpoint.answers = {"", tokenFor(3600, "third")};
        world.tokens->refused(world.identity, *second);
        THEN("the refused one is not used again") {
            CHECK(world.text() == "PO-3008");
            world.clock.advance(1s);
            CHECK(world.text() == "third");
        }
    }
}

SCENARIO("a request goes on when the one who began it leaves", "[token]") {
    World world;
    world.endpoint.answers = {tokenFor(3600, "first")};
    world.endpoint.open.reset();
    GIVEN("a caller who is stopped while the endpoint thinks") {
        std::stop_source stop;
        world.endpoint.whenAsked = [&stop] { stop.request_stop(); };
        const auto left = world.run(world.tokens->token(world.identity, Deadline::max(), stop.get_token()), true);
        REQUIRE_FALSE(left);
        CHECK(left.error().code == Code::channelStopped);
        CHECK(left.error().reaction == Reaction::retryLater);
        THEN("the next caller gets its answer") {
            world.endpoint.open.set();
            CHECK(world.text() == "first");
            CHECK(world.asked() == 1);
        }
    }
    GIVEN("a caller whose time is over") {
        const auto late = world.run(world.tokens->token(world.identity, world.loopClock->steady(), {}), true);
        REQUIRE_FALSE(late);
        CHECK(late.error().code == Code::tokenEndpointUnreachable);
        world.endpoint.open.set();
        CHECK(world.text() == "first");
        CHECK(world.asked() == 1);
    }
    GIVEN("a loop that ends while the endpoint thinks") {
        std::stop_source stop;
        world.endpoint.whenAsked = [&stop] { stop.request_stop(); };
        CHECK_FALSE(world.run(world.tokens->token(world.identity, Deadline::max(), stop.get_token()), true));
        world.endpoint.whenAsked = {};
        world.endpoint.open.set();
        world.endpoint.answers = {tokenFor(3600, "on another loop")};
        world.loop = plugin::makeEpollLoop(*world.loopClock, *world.workers, [&world](std::exception_ptr escaped) { world.bug = escaped; });
        THEN("the way is free for another request") { CHECK(world.text() == "on another loop"); }
    }
}

SCENARIO("credentials without a token say so", "[token]") {
    World world;
    world.identity.credential = "pw";
    CHECK(world.token().error().code == Code::tokenCredentialIncomplete);
    world.identity.credential = "nobody";
    CHECK(world.token().error().code == Code::tokenCredentialIncomplete);
    CHECK(world.token().error().what == "there is no credential named nobody");
}
