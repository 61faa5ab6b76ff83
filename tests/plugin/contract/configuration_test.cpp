#include "plugin/contract/configuration.h"

#include <catch2/catch.hpp>

#include <stdexcept>
#include <string>

using namespace std::chrono_literals;
using plugin::Configuration;

SCENARIO("durations need a unit", "[configuration]") {
    REQUIRE(plugin::parseDuration("30s") == 30s);
    REQUIRE(plugin::parseDuration("5m") == 5min);
    REQUIRE(plugin::parseDuration("2h") == 2h);
    REQUIRE(plugin::parseDuration("7d") == 168h);
    REQUIRE(plugin::parseDuration("1500ms") == 1500ms);
    REQUIRE(plugin::parseDuration("0s") == 0s);
    for (const char* bad :
         {"", "30", "s", "30 s", "-1s", "+1s", "1.5h", "30S", "1w", "99999999999999999999s", "9223372036854775807d", "0x1s", " 1s", "1s "}) {
        CAPTURE(bad);
        CHECK_FALSE(plugin::parseDuration(bad));
    }
}

SCENARIO("sizes need a unit, kB is 1000 and KiB 1024", "[configuration]") {
    REQUIRE(plugin::parseSize("0B") == 0U);
    REQUIRE(plugin::parseSize("1kB") == 1000U);
    REQUIRE(plugin::parseSize("10MB") == 10'000'000U);
    REQUIRE(plugin::parseSize("2GB") == 2'000'000'000U);
    REQUIRE(plugin::parseSize("1KiB") == 1024U);
    REQUIRE(plugin::parseSize("1MiB") == 1048576U);
    REQUIRE(plugin::parseSize("4GiB") == 4294967296U);
    for (const char* bad : {"", "10", "10KB", "10kb", "10 MB", "-1B", "1.5MB", "1TB", "9999999999999GB"}) {
        CAPTURE(bad);
        CHECK_FALSE(plugin::parseSize(bad));
    }
}

SCENARIO("whole numbers and truth values are written in one way", "[configuration]") {
    REQUIRE(plugin::parseInteger("-12") == -12);
    REQUIRE(plugin::parseInteger("007") == 7);
    REQUIRE(plugin::parseBoolean("true") == true);
    REQUIRE(plugin::parseBoolean("false") == false);
    for (const char* bad : {"", "1.0", "1e3", "0x10", " 1", "1 ", "+1", "9223372036854775808", "yes", "True"}) {
        CAPTURE(bad);
        CHECK_FALSE(plugin::parseInteger(bad));
        CHECK_FALSE(plugin::parseBoolean(bad));
    }
}

SCENARIO("lists are separated by commas, words by blanks", "[configuration]") {
    using Texts = std::vector<std::string>;
    REQUIRE(plugin::parseList("INBOX, Sent Items ,x") == Texts{"INBOX", "Sent Items", "x"});
    REQUIRE(plugin::parseList("a\\, b, c\\d") == Texts{"a, b", "c\\d"});
    REQUIRE(plugin::parseList(" , ,") == Texts{});
    REQUIRE(plugin::parseList("") == Texts{});
    REQUIRE(plugin::parseWords("  a/.default \t B ") == Texts{"a/.default", "B"});
    REQUIRE(plugin::parseWords("") == Texts{});
    REQUIRE(plugin::parseCommand("/bin/a") == Texts{"/bin/a"});
    REQUIRE(plugin::parseCommand(" /bin/a  b 'c d'\t\"e 'f'\" g'h 'i '' ") == Texts{"/bin/a", "b", "c d", "e 'f'", "gh i", ""});
    REQUIRE(plugin::parseCommand("'/my programs/a' $HOME \\'x y'") == Texts{"/my programs/a", "$HOME", "\\x y"});
    for (const auto* none : {"", " ", "a", "./a", "''", "/bin/a 'b", "/bin/a \"b'"}) REQUIRE_FALSE(plugin::parseCommand(none));
}

SCENARIO("a snapshot answers by key and type", "[configuration]") {
    const Configuration configuration({{"mailbox.b.port", {"993", {"f", 3}, true}},
                                       {"mailbox.b.rule.10", {"x -> y", {"f", 4}, true}},
                                       {"mailbox.a.enabled", {"true", {}, false}},
                                       {"mailbox.a.interval", {"5m", {}, false}},
                                       {"mailbox.shared", {"1", {}, false}},
                                       {"mailboxes.c.port", {"1", {}, false}},
                                       {"outbox.max_size", {"1GiB", {}, true}}});
    THEN("the aliases of a group are listed once, sorted") {
        REQUIRE(configuration.aliases("mailbox") == std::vector<std::string>{"a", "b"});
        REQUIRE(configuration.aliases("sink").empty());
    }
    THEN("values have their types") {
        REQUIRE(configuration.integer("mailbox.b.port") == 993);
        REQUIRE(configuration.boolean("mailbox.a.enabled"));
        REQUIRE(configuration.duration("mailbox.a.interval") == 5min);
        REQUIRE(configuration.size("outbox.max_size") == 1073741824U);
        REQUIRE(configuration.below("mailbox.b.") == std::map<std::string, std::string>{{"port", "993"}, {"rule.10", "x -> y"}});
        REQUIRE(configuration.place("mailbox.b.port").line == 3);
    }
    THEN("a text that is not there is empty, another type a bug") {
        REQUIRE(configuration.text("mailbox.b.host").empty());
        REQUIRE_FALSE(configuration.has("mailbox.b.host"));
        REQUIRE(configuration.list("mailbox.b.host").empty());
        REQUIRE(configuration.place("mailbox.b.host").line == 0);
        REQUIRE_THROWS_AS(configuration.integer("mailbox.b.host"), std::logic_error);
        REQUIRE_THROWS_AS(configuration.boolean("mailbox.b.port"), std::logic_error);
        REQUIRE_THROWS_AS(configuration.duration("mailbox.b.port"), std::logic_error);
    }
}
