#include "auth/secret_expiry.h"
#include "fakes.h"

#include <catch2/catch.hpp>

using namespace auth;
using namespace std::chrono_literals;

namespace {

const plugin::Wall end = std::chrono::sys_days(std::chrono::year(2027) / 1 / 31);

/// A clock that shows the day one wants.
class Calendar final : public plugin::Clock {
public:
    plugin::Steady steady() const override { return {}; }
    plugin::Wall wall() const override { return now; }
    plugin::Wall now = end - std::chrono::days(60);
};

std::size_t lines(const std::string& text, const std::string& with) {
    std::size_t count = 0;
    for (auto at = text.find(with); at != std::string::npos; at = text.find(with, at + 1)) ++count;
    return count;
}

}  // namespace

SCENARIO("a day is year, month and day", "[expiry]") {
    CHECK(parseDay("2027-01-31") == end);
    CHECK(parseDay("2028-02-29"));
    for (const auto* bad : {"", "2027-1-31", "2027-02-29", "2027-13-01", "31.01.2027", "2027-01-31T00:00Z", "-027-01-31", "2027-01--1", "0000-01-01"})
        CHECK_FALSE(parseDay(bad));
}

SCENARIO("the stages of an end are 30, 14, 7 and 1 days", "[expiry]") {
    struct Row {
        std::chrono::hours left;
        std::optional<int> reached;
    };
    const auto row =
        GENERATE(Row{31 * 24h, std::nullopt}, Row{30 * 24h + 1h, std::nullopt}, Row{30 * 24h, 30}, Row{14 * 24h + 1h, 30}, Row{14 * 24h, 14},
                 Row{7 * 24h + 1h, 14}, Row{7 * 24h, 7}, Row{25h, 7}, Row{24h, 1}, Row{1h, 1}, Row{0h, 0}, Row{-100h, 0});
    CHECK(daysReached(end, end - row.left) == row.reached);
}

SCENARIO("the end of a secret is told of once a stage", "[expiry]") {
    Calendar clock;
    fakes::Log log;
    fakes::Metrics metrics;
    plugin::CurrentConfiguration configuration{std::make_shared<const plugin::Configuration>(
        fakes::configuration({{"credential.m.secret_expires", "2027-01-31"}, {"credential.other.client_id", "x"}}))};
    SecretExpiry expiry(configuration, clock, log, metrics);
    for (; clock.now < end + 48h; clock.now += 1h) expiry.look();
    CHECK(lines(log.text(), "a client secret ends soon") == 4);
    for (const auto* stage : {"within_days=30\n", "within_days=14\n", "within_days=7\n", "within_days=1\n"}) CHECK(lines(log.text(), stage) == 1);
    CHECK(lines(log.text(), "a client secret has ended") == 1);
    CHECK(lines(log.text(), "credential=m") == 5);
    CHECK(metrics.value("postern_credential_secret_expiry_timestamp_seconds,credential=m") ==
          static_cast<double>(std::chrono::duration_cast<std::chrono::seconds>(end.time_since_epoch()).count()));
    THEN("another day in the configuration begins anew") {
        configuration.replace(std::make_shared<const plugin::Configuration>(fakes::configuration({{"credential.m.secret_expires", "2027-02-10"}})));
        expiry.look();
        CHECK(lines(log.text(), "within_days=14\n") == 2);
    }
}
