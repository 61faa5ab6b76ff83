#include "plugin/admin/guard.h"

#include <catch2/catch.hpp>

using namespace plugin::admin;

SCENARIO("who is let in at the admin port", "[admin]") {
    const std::string token(64, 'a');
    const Door door{"127.0.0.2", 8025, digestOf(token)};
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

SCENARIO("the API lets in who has the token, from wherever, and to read", "[admin]") {
    const std::string token(64, 'a');
    const Door door{"192.0.2.7", 8025, digestOf(token)};
    const auto bearer = "Bearer " + token;
    const auto* const path = GENERATE("/api/v1/credentials", "/api/v1/credentials/healthz", "/api/", "/api/v1/../../healthz");
    const bool local = GENERATE(true, false);
    CAPTURE(path, local);
    const auto entry = [&](const char* method, const char* host, std::optional<std::string> origin, std::optional<std::string> authorization) {
        return admit({method, path, host, std::move(origin), std::move(authorization), local}, door);
    };
    constexpr auto* ours = "192.0.2.7:8025";
    CHECK(entry("GET", ours, std::nullopt, bearer) == Entry::proved);
    CHECK(entry("HEAD", ours, std::nullopt, bearer) == Entry::proved);
    CHECK(entry("GET", ours, std::nullopt, std::nullopt) == Entry::unproved);
    CHECK(entry("GET", ours, std::nullopt, "Bearer " + std::string(64, 'b')) == Entry::unproved);
    CHECK(entry("POST", ours, std::nullopt, std::nullopt) == Entry::unproved);
    CHECK(entry("POST", ours, std::nullopt, bearer) == Entry::wrongMethod);
    CHECK(entry("GET", ours, "https://192.0.2.7:8025", bearer) == Entry::foreign);
    CHECK(entry("GET", "evil.example:8025", std::nullopt, bearer) == Entry::foreign);
    CHECK(admit({"GET", path, ours, std::nullopt, "Bearer ", local}, Door{"192.0.2.7", 8025, ""}) == Entry::unproved);
}

SCENARIO("peers elsewhere are not told of mailboxes without the token", "[admin]") {
    const std::string token(64, 'a');
    const Door door{"192.0.2.7", 8025, digestOf(token)};
    const auto entry = [&](const char* path, std::optional<std::string> authorization, const char* method = "GET") {
        return admit({method, path, "192.0.2.7:8025", std::nullopt, std::move(authorization), false}, door);
    };
    CHECK(entry("/healthz", std::nullopt) == Entry::open);
    CHECK(entry("/readyz", std::nullopt) == Entry::brief);
    CHECK(entry("/readyz", "Bearer wrong") == Entry::brief);
    CHECK(entry("/readyz", std::nullopt, "POST") == Entry::wrongMethod);
    CHECK(entry("/metrics", std::nullopt) == Entry::unproved);
    CHECK(entry("/metrics", std::nullopt, "POST") == Entry::unproved);
    CHECK(entry("/readyz", "Bearer " + token) == Entry::open);
    CHECK(entry("/metrics", "Bearer " + token) == Entry::open);
    CHECK(admit({"GET", "/metrics", "evil.example", std::nullopt, "Bearer " + token, false}, door) == Entry::foreign);
}

SCENARIO("names that are ours from outside are good with any port, and only they", "[admin]") {
    const Door door{"192.0.2.7", 8443, std::string(64, 'a'), {"postern.example", "2001:db8::7"}, true};
    const auto entry = [&](const char* host) { return admit({"GET", "/healthz", host}, door); };
    for (const auto* ours :
         {"postern.example", "Postern.Example:443", "postern.example:9", "[2001:DB8::7]", "[2001:db8::7]:8443", "192.0.2.7:8443", "localhost:8443"}) {
        CAPTURE(ours);
        CHECK(entry(ours) == Entry::open);
    }
    for (const auto* foreign : {"postern.example.evil", "postern.example:", "postern.example:x", "postern.example:1234567", "postern.example@evil:1",
                                "evil.postern.example", "192.0.2.7", "2001:db8::7", "192.0.2.8:8443"}) {
        CAPTURE(foreign);
        CHECK(entry(foreign) == Entry::foreign);
    }
}

SCENARIO("a Host without a port means the port of its scheme", "[admin]") {
    const auto entry = [](std::uint16_t port, bool tls) { return admit({"GET", "/healthz", "localhost"}, {"127.0.0.1", port, "", {}, tls}); };
    CHECK(entry(443, true) == Entry::open);
    CHECK(entry(80, false) == Entry::open);
    CHECK(entry(80, true) == Entry::foreign);
    CHECK(entry(443, false) == Entry::foreign);
}

SCENARIO("browsers bring answers with GET to one path alone", "[admin]") {
    const Door door{"127.0.0.1", 8025, std::string(64, 'a'), {"postern.example"}, true, "/mail/oauth-callback"};
    const auto entry = [&](const char* method, const char* path) { return admit({method, path, "postern.example"}, door); };
    CHECK(entry("GET", "/mail/oauth-callback") == Entry::callback);
    CHECK(entry("POST", "/mail/oauth-callback") == Entry::wrongMethod);
    CHECK(entry("HEAD", "/mail/oauth-callback") == Entry::wrongMethod);
    CHECK(entry("GET", "/oauth-callback") == Entry::unproved);
    CHECK(entry("GET", "/mail/oauth-callback/") == Entry::unproved);
    CHECK(admit({"GET", "/mail/oauth-callback", "evil.example"}, door) == Entry::foreign);
    CHECK(admit({"GET", "/mail/oauth-callback", "postern.example", "https://evil.example"}, door) == Entry::foreign);
    CHECK(admit({"GET", "", "postern.example"}, {"127.0.0.1", 8025, "", {"postern.example"}}) == Entry::unproved);
}

SCENARIO("an empty token lets nobody in", "[admin]") {
    REQUIRE(admit({"GET", "/x", "localhost:8025", std::nullopt, "Bearer "}, {"127.0.0.1", 8025, ""}) == Entry::unproved);
    REQUIRE(admit({"GET", "/healthz", "localhost"}, {"127.0.0.1", 80, ""}) == Entry::open);
}
