// What the admin port answers and tells where something beneath it breaks.
#include "plugin/admin/answering.h"
#include "tests/plugin/host/host_fakes.h"

#include <catch2/catch.hpp>

#include <stdexcept>

using plugin::admin::Answering;
using plugin::admin::Request;

namespace {

class BrokenLog final : public plugin::Log {
public:
    bool enabled(plugin::Level) const override { return true; }
    void write(plugin::Level, std::string_view, std::string_view, const std::vector<plugin::Field>&) override {
        ++asked;
        throw std::runtime_error("the log broke");
    }
    int asked = 0;
};

/// Where whoever asks whether the program is alive meets a bug.
plugin::admin::AdminParts parts(plugin::Log& log, plugin::Metrics& counters) {
    return {[]() -> bool { throw std::runtime_error("health broke"); },
            [] { return std::vector<std::string>(); },
            [] { return std::string(); },
            std::string(64, 'a'),
            log,
            counters};
}

const Request health{{"GET", "/healthz", "127.0.0.1:8025"}, "", "127.0.0.1"};

}  // namespace

SCENARIO("a bug in what the admin port shows is told, counted, and answered with 500", "[admin]") {
    fakes::Counters counters;
    GIVEN("a log") {
        fakes::Log log;
        Answering answering(parts(log, counters), 8025);
        const auto answer = answering.answer(health);
        CHECK(answer.status == 500);
        CHECK(answer.body.starts_with("PO-"));
        CHECK(log.text() == "a request could not be answered\n");
        CHECK(counters.added == 1);
    }
    GIVEN("a log that breaks as well") {
        BrokenLog log;
        Answering answering(parts(log, counters), 8025);
        THEN("the port goes on") {
            CHECK(answering.answer(health).status == 500);
            CHECK(answering.answer(health).status == 500);
            CHECK(log.asked == 2);
        }
    }
}

SCENARIO("a bug beside the answer is told and counted, and nothing is thrown", "[admin]") {
    fakes::Counters counters;
    fakes::Log log;
    Answering answering(parts(log, counters), 8025);
    try {
        throw std::runtime_error("a bug");
    } catch (...) {
        answering.tell("an answer could not be sent");
    }
    CHECK(log.text() == "an answer could not be sent\n");
    CHECK(counters.added == 1);
}
