#include "plugin/host/metrics.h"

#include "tests/plugin/host/host_fakes.h"

#include <catch2/catch.hpp>
#include <limits>

using namespace plugin;
using namespace plugin::host;

SCENARIO("the metrics page is the text exposition format 0.0.4", "[metrics]") {
    fakes::Log log;
    auto metrics = makeMetricsRegistry(log);
    GIVEN("a counter and a gauge, with labels that need escaping") {
        metrics->describe("postern_messages_total", Metrics::Kind::counter, "Messages by\nresult \\ end");
        metrics->add("postern_messages_total", {{"mailbox", "a"}, {"result", "delivered"}}, 2);
        metrics->add("postern_messages_total", {{"mailbox", "a"}, {"result", "delivered"}}, 40);
        metrics->add("postern_messages_total", {{"mailbox", "q\"u\\o\nte"}, {"result", "delivered"}}, 1);
        metrics->describe("postern_age_seconds", Metrics::Kind::gauge, "Age");
        metrics->describe("postern_never_set", Metrics::Kind::gauge, "Not shown");
        metrics->set("postern_age_seconds", {}, 1.5);
        metrics->set("postern_age_seconds", {}, 0.25);
        THEN("it is this, to the letter") {
            REQUIRE(metrics->page() ==
                    "# HELP postern_age_seconds Age\n"
                    "# TYPE postern_age_seconds gauge\n"
                    "postern_age_seconds 0.25\n"
                    "# HELP postern_messages_total Messages by\\nresult \\\\ end\n"
                    "# TYPE postern_messages_total counter\n"
                    "postern_messages_total{mailbox=\"a\",result=\"delivered\"} 42\n"
                    "postern_messages_total{mailbox=\"q\\\"u\\\\o\\nte\",result=\"delivered\"} 1\n");
        }
    }
    GIVEN("values that are no plain numbers") {
        metrics->set("a", {}, std::numeric_limits<double>::infinity());
        metrics->set("b", {}, std::numeric_limits<double>::quiet_NaN());
        metrics->set("c", {}, 123456789012.0);
        THEN("they are written as the format wants them, untyped as nobody described them") {
            REQUIRE(metrics->page() == "# TYPE a untyped\na +Inf\n# TYPE b untyped\nb NaN\n# TYPE c untyped\nc 123456789012\n");
        }
    }
    GIVEN("collectors, of which some fail") {
        int asked = 0;
        const int id = metrics->addCollector([&] { metrics->set("asked", {}, ++asked); });
        metrics->addCollector([] { throw std::runtime_error("broken collector"); });
        metrics->addCollector([] { throw 7; });
        THEN("each page asks anew, a failure is counted and the page is whole") {
            REQUIRE(metrics->page().find("asked 1\n") != std::string::npos);
            const auto page = metrics->page();
            REQUIRE(page.find("asked 2\n") != std::string::npos);
            REQUIRE(page.find("postern_errors_total{mailbox=\"\",code=\"PO-9003\"} 4\n") != std::string::npos);
            REQUIRE(log.text().find("a collector failed") != std::string::npos);
        }
        WHEN("one is removed") {
            metrics->removeCollector(id);
            static_cast<void>(metrics->page());
            THEN("it is not asked again") { REQUIRE(asked == 0); }
        }
    }
}
