#include "plugin/admin/guard.h"

#include <catch2/catch.hpp>

using namespace plugin::admin;

SCENARIO("who is let in at the admin port", "[admin]") {
    const std::string token(64, 'a');
    const Door door{"127.0.0.2", 8025, token};
    struct Case {
        Asked asked;
        Entry entry;
    };
    const auto bearer = "Bearer " + token;
    const auto each = GENERATE_COPY(
        Case{{"GET", "/healthz", "127.0.0.1:8025"}, Entry::open}, Case{{"HEAD", "/metrics", "localhost:8025"}, Entry::open},
        Case{{"GET", "/readyz", "LOCALHOST:8025"}, Entry::open}, Case{{"GET", "/readyz", "[::1]:8025"}, Entry::open},
        Case{{"GET", "/readyz", "127.0.0.2:8025"}, Entry::open}, Case{{"GET", "/readyz", "127.0.0.3:8025"}, Entry::foreign},
        Case{{"GET", "/healthz", "127.0.0.1"}, Entry::foreign}, Case{{"GET", "/healthz", "127.0.0.1:80"}, Entry::foreign},
        Case{{"GET", "/healthz", "evil.example:8025"}, Entry::foreign}, Case{{"GET", "/healthz", "localhost.evil.example:8025"}, Entry::foreign},
        Case{{"GET", "/healthz"}, Entry::foreign}, Case{{"GET", "/healthz", ""}, Entry::foreign},
        Case{{"GET", "/healthz", "127.0.0.1:8025", "http://localhost:8025"}, Entry::foreign},
        Case{{"GET", "/healthz", "127.0.0.1:8025", ""}, Entry::foreign},
        Case{{"GET", "/x", "evil.example:8025", std::nullopt, bearer}, Entry::foreign},
        Case{{"POST", "/healthz", "127.0.0.1:8025"}, Entry::wrongMethod}, Case{{"GET", "/x", "127.0.0.1:8025"}, Entry::unproved},
        Case{{"GET", "/healthz/", "127.0.0.1:8025"}, Entry::unproved}, Case{{"GET", "/x", "127.0.0.1:8025", std::nullopt, bearer}, Entry::proved},
        Case{{"GET", "/x", "127.0.0.1:8025", std::nullopt, "bearer  " + token + " "}, Entry::proved},
        Case{{"GET", "/x", "127.0.0.1:8025", std::nullopt, bearer + "a"}, Entry::unproved},
        Case{{"GET", "/x", "127.0.0.1:8025", std::nullopt, "Bearer "}, Entry::unproved},
        Case{{"GET", "/x", "127.0.0.1:8025", std::nullopt, "Basic " + token}, Entry::unproved},
        Case{{"GET", "/x", "127.0.0.1:8025", std::nullopt, token}, Entry::unproved},
        Case{{"DELETE", "/x", "127.0.0.1:8025", std::nullopt, bearer}, Entry::wrongMethod});
    REQUIRE(admit(each.asked, door) == each.entry);
}

SCENARIO("an empty token lets nobody in", "[admin]") {
    REQUIRE(admit({"GET", "/x", "localhost:8025", std::nullopt, "Bearer "}, {"127.0.0.1", 8025, ""}) == Entry::unproved);
    REQUIRE(admit({"GET", "/healthz", "localhost"}, {"127.0.0.1", 80, ""}) == Entry::open);
}
