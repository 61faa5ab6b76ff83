#include "plugin/host/logging.h"

#include "plugin/host/timestamp.h"
#include "tests/plugin/host/host_fakes.h"

#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>
#include <Poco/Logger.h>

#include <catch2/catch.hpp>
#include <thread>

using namespace plugin;
using namespace plugin::host;

SCENARIO("a log line is read by people and by grep", "[log]") {
    const fakes::Clock clock;
    GIVEN("a message with fields of all kinds") {
        const std::vector<Field> fields{{"mailbox", "orders"}, {"count", 3},  {"text", "two words"},
                                        {"quote", "a\"b\\c"},  {"empty", ""}, {"break", "a\nb=c"}};
        THEN("the text form quotes what needs it") {
            REQUIRE(textLine(clock.wall(), Level::information, "listener.engine", "caught up", fields) ==
                    "2026-11-22T17:00:00.123Z information listener.engine caught up mailbox=orders count=3 text=\"two words\" quote=\"a\\\"b\\\\c\" "
                    "empty=\"\" "
                    "break=\"a\\nb=c\"");
        }
        THEN("the JSON form is one object with the same") {
            const auto line = jsonLine(clock.wall(), Level::error, "listener.engine", "caught up", fields);
            const auto object = Poco::JSON::Parser().parse(line).extract<Poco::JSON::Object::Ptr>();
            REQUIRE(object->getValue<std::string>("time") == "2026-11-22T17:00:00.123Z");
            REQUIRE(object->getValue<std::string>("level") == "error");
            REQUIRE(object->getValue<std::string>("logger") == "listener.engine");
            REQUIRE(object->getValue<std::string>("quote") == "a\"b\\c");
            REQUIRE(object->getValue<std::string>("break") == "a\nb=c");
            REQUIRE(line.find('\n') == std::string::npos);
        }
    }
    GIVEN("text that would forge a line, break UTF-8 or hide a name") {
        THEN("a message cannot begin a second line") {
            REQUIRE(textLine(clock.wall(), Level::notice, "a", "one\r\n2026 error", {}) == "2026-11-22T17:00:00.123Z notice a one\\r\\n2026 error");
        }
        THEN("octets that are no UTF-8 become U+FFFD, the rest stays") {
            const auto line = jsonLine(clock.wall(), Level::notice, "a", "m\xc3\xa4\xff\xed\xa0\x80", {});
            REQUIRE(line.find("m\xc3\xa4\xef\xbf\xbd") != std::string::npos);
            REQUIRE(line.find('\xff') == std::string::npos);
            REQUIRE(line.find('\xed') == std::string::npos);
        }
        THEN("a field named like one of ours is kept beside it") {
            const auto line = jsonLine(clock.wall(), Level::notice, "a", "m", {{"level", "x"}});
            REQUIRE(line.find("\"level\":\"notice\"") != std::string::npos);
            REQUIRE(line.find("\"level_\":\"x\"") != std::string::npos);
        }
    }
}

SCENARIO("levels have names, in both directions", "[log]") {
    const auto level = GENERATE(Level::error, Level::warning, Level::notice, Level::information, Level::debug, Level::trace);
    REQUIRE(levelNamed(levelName(level)) == level);
    REQUIRE_FALSE(levelNamed("loud"));
}

SCENARIO("a log file holds whole lines, whoever writes", "[log]") {
    fakes::Folder folder;
    fakes::Clock clock;
    auto log = makeHostLog({Level::information, false, folder / "postern.log"}, clock);
    REQUIRE(log);
    GIVEN("four threads that write at the same time") {
        {
            std::vector<std::jthread> threads;
            for (int i = 0; i < 4; ++i)
                threads.emplace_back([&log, i] {
                    for (int n = 0; n < 250; ++n) (*log)->information("test", "line", {{"thread", i}, {"number", n}, {"end", "here"}});
                });
        }
        (*log)->debug("test", "not at this level");
        REQUIRE((*log)->flush(std::chrono::seconds(30)));
        THEN("every line is whole and none is missing") {
            std::istringstream lines(fakes::content(folder / "postern.log"));
            int count = 0;
            for (std::string line; std::getline(lines, line); ++count) {
                REQUIRE(line.starts_with("2026-11-22T17:00:00.123Z information test line thread="));
                REQUIRE(line.ends_with(" end=here"));
            }
            REQUIRE(count == 1000);
        }
    }
    GIVEN("a file that logrotate has renamed") {
        (*log)->notice("test", "before", {});
        REQUIRE((*log)->flush(std::chrono::seconds(30)));
        std::filesystem::rename(folder / "postern.log", folder / "postern.log.1");
        clock.advance(std::chrono::seconds(2));
        WHEN("the next line is written") {
            (*log)->notice("test", "after", {});
            REQUIRE((*log)->flush(std::chrono::seconds(30)));
            THEN("it stands in a new file of the old name") {
                REQUIRE(fakes::content(folder / "postern.log").find("after") != std::string::npos);
                REQUIRE(fakes::content(folder / "postern.log.1").find("after") == std::string::npos);
            }
        }
    }
    GIVEN("a part of Poco that logs") {
        Poco::Logger::get("Some.Poco.Part").warning("something odd");
        REQUIRE((*log)->flush(std::chrono::seconds(30)));
        THEN("its line is there too") {
            REQUIRE(fakes::content(folder / "postern.log").find("warning poco something odd source=Some.Poco.Part") != std::string::npos);
        }
    }
}

SCENARIO("a log file that cannot be opened is an error that names it", "[log]") {
    fakes::Clock clock;
    const auto log = makeHostLog({Level::information, false, "/nonexistent/folder/postern.log"}, clock);
    REQUIRE_FALSE(log);
    REQUIRE(log.error().what.find("/nonexistent/folder/postern.log") != std::string::npos);
}

SCENARIO("a time that was written is read again, and nothing else", "[log]") {
    const fakes::Clock clock;
    REQUIRE(fromTimestamp(timestamp(clock.wall())) == clock.wall());
    const auto bad =
        GENERATE("", "2026-11-22", "2026-13-22T17:00:00.123Z", "2026-11-22T17:00:00.123Zx", "2026-11-22T17:61:00.123Z", "2026-11-31T17:00:00.123Z");
    REQUIRE_FALSE(fromTimestamp(bad));
}
