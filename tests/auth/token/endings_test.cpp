#include "auth/endings.h"
#include "auth/token/credential_state.h"
#include "grants_world.h"
#include "tests/servers/keystores.h"

#include <catch2/catch.hpp>

using namespace auth;
using namespace std::chrono_literals;

namespace {

const plugin::Wall end = std::chrono::sys_days(std::chrono::year(2027) / 1 / 31);

std::size_t lines(const std::string& text, const std::string& with) {
    std::size_t count = 0;
    for (auto at = text.find(with); at != std::string::npos; at = text.find(with, at + 1)) ++count;
    return count;
}

/// A world whose time begins so long before `end`.
struct Calendar {
    explicit Calendar(std::map<std::string, std::string> settings) : world(std::move(settings)) { to(60 * 24h); }
    void to(std::chrono::hours before) { world.pass(end - before - world.loop.clock().wall()); }
    void look() { world.loop.run(endings.look()); }
    std::set<std::string> soon() const {
        std::set<std::string> names;
        for (const auto& ending : endings.soon()) names.insert(ending.what());
        return names;
    }
    double metric(const std::string& name) const { return world.metrics.value("postern_" + name); }

    GrantsWorld world;
    Endings endings{{world.configuration, world.secrets, world.loop.clock(), world.log, world.metrics, world.processes.front().database.get()}};
};

double seconds(plugin::Wall time) { return static_cast<double>(std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count()); }

/// Ends so many days from the real now: certificates are made with the machine's clock.
std::string keystore(int days) {
    const auto certificate = servers::makeCertificate({.commonName = "postern", .endsInSeconds = days * 86'400});
    return certificate.pem() + certificate.keyPem();
}

}  // namespace

SCENARIO("a day is year, month and day", "[endings]") {
    CHECK(parseDay("2027-01-31") == end);
    CHECK(parseDay("2028-02-29"));
    for (const auto* bad : {"", "2027-1-31", "2027-02-29", "2027-13-01", "31.01.2027", "2027-01-31T00:00Z", "-027-01-31", "2027-01--1", "0000-01-01"})
        CHECK_FALSE(parseDay(bad));
}

SCENARIO("the stages of an end are 30, 14, 7 and 1 days", "[endings]") {
    struct Row {
        std::chrono::hours left;
        std::optional<int> reached;
    };
    const auto row =
        GENERATE(Row{31 * 24h, std::nullopt}, Row{30 * 24h + 1h, std::nullopt}, Row{30 * 24h, 30}, Row{14 * 24h + 1h, 30}, Row{14 * 24h, 14},
                 Row{7 * 24h + 1h, 14}, Row{7 * 24h, 7}, Row{25h, 7}, Row{24h, 1}, Row{1h, 1}, Row{0h, 0}, Row{-100h, 0});
    CHECK(daysReached(end, end - row.left) == row.reached);
}

SCENARIO("the end of a secret is told of once a stage", "[endings]") {
    Calendar calendar({{"credential.m.secret_expires", "2027-01-31"}, {"credential.other.client_id", "x"}});
    for (auto left = 60 * 24h; left > -48h; left -= 1h) {
        calendar.to(left);
        calendar.look();
    }
    const auto& log = calendar.world.log;
    CHECK(lines(log.text(), "the client secret of credential m ends soon: make another") == 4);
    for (const auto* stage : {"within_days=30\n", "within_days=14\n", "within_days=7\n", "within_days=1\n"}) CHECK(lines(log.text(), stage) == 1);
    CHECK(lines(log.text(), "the client secret of credential m has ended") == 1);
    CHECK(lines(log.text(), "credential other") == 0);
    CHECK(calendar.metric("credential_secret_expiry_timestamp_seconds,credential=m") == seconds(end));
    CHECK(calendar.soon() == std::set<std::string>{"the client secret of credential m"});
    THEN("another day in the configuration begins anew") {
        calendar.world.configuration.replace(GrantsWorld::snapshot({{"credential.m.secret_expires", "2027-02-10"}}));
        calendar.look();
        CHECK(lines(log.text(), "within_days=14\n") == 2);
    }
    THEN("one far away is told of no more") {
        calendar.world.configuration.replace(GrantsWorld::snapshot({{"credential.m.secret_expires", "2028-02-10"}}));
        calendar.look();
        CHECK(calendar.soon().empty());
    }
}

SCENARIO("the end of a keystore's certificate is told of", "[endings]") {
    Calendar calendar(
        {{"keystore.client.type", "pem"}, {"keystore.client.path", "/client.pem"}, {"keystore.client.password", "${command:/bin/pass}"}});
    auto& world = calendar.world;
    const auto today = std::chrono::system_clock::now();
    world.secrets.put("/client.pem", keystore(20));
    world.pass(std::chrono::duration_cast<std::chrono::nanoseconds>(today - world.loop.clock().wall()));
    calendar.look();
    CHECK(calendar.soon() == std::set<std::string>{"the certificate of keystore and key client/client"});
    CHECK(lines(world.log.text(), "within_days=30\n") == 1);
    CHECK(std::abs(calendar.metric("keystore_certificate_expiry_timestamp_seconds,keystore=client,key=client") - seconds(today + 20 * 24h)) < 600);
    WHEN("time passes") {
        world.pass(14 * 24h);
        calendar.look();
        THEN("the next stage is told of, and the file that has not changed is not read again") {
            CHECK(lines(world.log.text(), "within_days=7\n") == 1);
            CHECK(world.secrets.ran().size() == 1);
        }
    }
    WHEN("another certificate takes its place") {
        world.secrets.put("/client.pem", keystore(700));
        calendar.look();
        THEN("nothing is near any more") { CHECK(calendar.soon().empty()); }
    }
    WHEN("two keys take its place, in one file") {
        world.secrets.put("/client.pem", keystore(20) + keystore(25));
        calendar.look();
        THEN("both certificates are told of, by the numbers of their keys") {
            CHECK(calendar.soon() ==
                  std::set<std::string>{"the certificate of keystore and key client/1", "the certificate of keystore and key client/2"});
            CHECK(std::abs(calendar.metric("keystore_certificate_expiry_timestamp_seconds,keystore=client,key=2") - seconds(today + 25 * 24h)) < 600);
        }
    }
    WHEN("the file cannot be read for a while") {
        world.secrets.put("/client.pem", "half written");
        calendar.look();
        THEN("what was known of it stays") { CHECK(calendar.soon().size() == 1); }
    }
    WHEN("it is configured no more") {
        world.configuration.replace(GrantsWorld::snapshot({}));
        calendar.look();
        THEN("it is told of no more") { CHECK(calendar.soon().empty()); }
    }
}

SCENARIO("a sign-in that nobody uses ends when its provider says so", "[endings]") {
    struct Row {
        const char *title, *key, *value;
        int days;
    };
    const auto row =
        GENERATE(Row{"a provider that is known", "credential.m.provider", "microsoft365", 90},
                 Row{"another one", "credential.m.provider", "google", 180}, Row{"a limit of its own", "credential.m.refresh_idle_limit", "24h", 1});
    GIVEN(row.title) {
        Calendar calendar(std::map<std::string, std::string>{{row.key, row.value}});
        auto& world = calendar.world;
        REQUIRE(world.token());
        calendar.look();
        CHECK(calendar.metric("credential_sign_in_expiry_timestamp_seconds,credential=m") == seconds(world.loop.clock().wall() + row.days * 24h));
        CHECK(calendar.soon().empty());
        THEN("it is told of once it is near") {
            world.pass(row.days > 2 ? (row.days - 1) * 24h + 1h : row.days * 24h);
            calendar.look();
            CHECK(calendar.soon() == std::set<std::string>{"the unused sign-in of credential m"});
            AND_THEN("no more once it is used") {
                REQUIRE(world.token());
                calendar.look();
                CHECK(calendar.soon().empty());
            }
        }
    }
    GIVEN("one that is used every day, with a limit of few days") {
        const auto* const limit = GENERATE("24h", "2d", "7d", "14d", "30d");
        Calendar calendar(std::map<std::string, std::string>{{"credential.m.refresh_idle_limit", limit}});
        auto& world = calendar.world;
        for (int hour = 0; hour < 100; ++hour) {
            if (hour % 12 == 0) REQUIRE(world.token());
            world.pass(1h);
            calendar.look();
            CHECK(calendar.soon().empty());
        }
        CHECK(lines(world.log.text(), "the unused sign-in") == 0);
    }
    GIVEN("a provider nothing is known of") {
        Calendar calendar({});
        REQUIRE(calendar.world.token());
        calendar.world.pass(1000 * 24h);
        calendar.look();
        CHECK(calendar.soon().empty());
    }
}

SCENARIO("a credential shows its ends, with the stage that is told of", "[endings]") {
    Calendar calendar({{"credential.m.secret_expires", "2027-01-31"}, {"credential.m.refresh_idle_limit", "20d"}});
    auto& world = calendar.world;
    const auto shown = [&] {
        auto states =
            world.loop.run(auth::credentialStates(world.configuration.get(), world.processes.front().database.get(), "m", world.loop.clock().wall()));
        REQUIRE(states);
        return std::move(states->front().endings);
    };
    GIVEN("nobody who has signed in") {
        const auto endings = shown();
        REQUIRE(endings.size() == 1);
        CHECK(Ending(endings.front()) == Ending{Ending::Kind::secret, "m", end});
        CHECK_FALSE(endings.front().stage);
    }
    GIVEN("a sign-in") {
        calendar.to(14 * 24h);
        REQUIRE(world.token());
        const auto used = world.loop.clock().wall();
        const auto stages = [&] {
            const auto endings = shown();
            REQUIRE(endings.size() == 2);
            CHECK(Ending(endings.front()) == Ending{Ending::Kind::secret, "m", end});
            CHECK(Ending(endings.back()) == Ending{Ending::Kind::signIn, "m", used + 20 * 24h});
            return std::pair(endings.front().stage, endings.back().stage);
        };
        using Stages = std::pair<std::optional<int>, std::optional<int>>;
        CHECK(stages() == Stages{14, std::nullopt});  // 30 days have been reached in the first half of its life
        world.pass(13 * 24h);
        CHECK(stages() == Stages{1, 7});
        world.pass(8 * 24h);
        CHECK(stages() == Stages{0, 0});
        THEN("they are those the log tells of") {
            calendar.look();
            CHECK(calendar.soon() == std::set<std::string>{"the client secret of credential m", "the unused sign-in of credential m"});
        }
        THEN("its use puts the end off, and who is forgotten has none") {
            REQUIRE(world.token());
            CHECK(shown().back().end == world.loop.clock().wall() + 20 * 24h);
            REQUIRE(world.loop.run(world.processes[0].grants->forget("m")));
            CHECK(shown().size() == 1);
        }
    }
}
