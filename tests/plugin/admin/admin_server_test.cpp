#include "tests/plugin/admin/open_port.h"

#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>
#include <Poco/Net/StreamSocket.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

using namespace plugin;
using namespace plugin::admin;
using fakes::Counters;
using fakes::Port;

SCENARIO("the admin port answers what is open, and guards the rest", "[admin]") {
    Port port;
    GIVEN("a service that is up") {
        THEN("health, readiness and metrics are told") {
            REQUIRE(port.ask("/healthz").status == 200);
            REQUIRE(port.ask("/readyz?verbose").status == 200);
            const auto metrics = port.ask("/metrics");
            REQUIRE(metrics.status == 200);
            REQUIRE(metrics.body == "postern_up 1\n");
            REQUIRE(metrics.head.getContentType() == "text/plain; version=0.0.4; charset=utf-8");
        }
        THEN("HEAD has the same head and no body") {
            const auto head = port.ask("/metrics", "HEAD");
            REQUIRE(head.status == 200);
            REQUIRE(head.body.empty());
            REQUIRE(head.head.getContentLength() == 13);
        }
        THEN("other methods are refused") {
            const auto posted = port.ask("/healthz", "POST");
            REQUIRE(posted.status == 405);
            REQUIRE(posted.head.get("Allow") == "GET, HEAD");
        }
        THEN("other paths want the token and are then not found") {
            REQUIRE(port.ask("/console").status == 401);
            REQUIRE(port.ask("/console", "GET", {{"Authorization", "Bearer " + std::string(64, 'b')}}).status == 401);
            REQUIRE(port.ask("/console", "GET", {{"Authorization", "Bearer " + port.token}}).status == 404);
        }
        THEN("pages of browsers and other names are refused") {
            REQUIRE(port.ask("/healthz", "GET", {{"Origin", "http://localhost"}}).status == 403);
            REQUIRE(port.ask("/healthz", "GET", {{"Host", "evil.example"}}).status == 403);
            REQUIRE(port.ask("/healthz", "GET", {{"Host", "localhost:1"}}).status == 403);
        }
        THEN("two names are none") {
            REQUIRE(port.raw(port.head("/healthz", "GET", "host: " + port.server->address() + "\r\n")).starts_with("HTTP/1.1 400 "));
        }
    }
    GIVEN("something that is missing") {
        port.missing = {"package mail-listener: PO-8002 \"foreign\"", "/srv/\xff is no UTF-8"};
        const auto answer = port.ask("/readyz");
        THEN("readiness names it") {
            REQUIRE(answer.status == 503);
            const auto object = Poco::JSON::Parser().parse(answer.body).extract<Poco::JSON::Object::Ptr>();
            REQUIRE_FALSE(object->getValue<bool>("ready"));
            REQUIRE(object->getArray("reasons")->getElement<std::string>(0) == port.missing.front());
            REQUIRE(object->getArray("reasons")->getElement<std::string>(1) == "/srv/\xef\xbf\xbd is no UTF-8");
        }
        THEN("health does not depend on it") { REQUIRE(port.ask("/healthz").status == 200); }
    }
    GIVEN("a loop that does not answer") {
        port.alive = false;
        THEN("health says so") { REQUIRE(port.ask("/healthz").status == 503); }
    }
    GIVEN("a page that cannot be made") {
        port.broken = true;
        const auto answer = port.ask("/metrics");
        THEN("that is 500, logged and counted, and the port goes on") {
            REQUIRE(answer.status == 500);
            REQUIRE(port.counters.added == 1);
            REQUIRE(port.log.text().find("a request could not be answered") != std::string::npos);
            REQUIRE(port.ask("/healthz").status == 200);
        }
        THEN("HEAD of it has no body either") {
            const auto head = port.raw(port.head("/metrics", "HEAD"));
            REQUIRE(head.starts_with("HTTP/1.1 500 "));
            REQUIRE(head.ends_with("\r\n\r\n"));
        }
    }
    GIVEN("bytes that are no request") {
        Poco::Net::StreamSocket socket{Poco::Net::SocketAddress(port.server->address())};
        const std::string nonsense(10000, 'x');
        socket.sendBytes(nonsense.data(), static_cast<int>(nonsense.size()));
        THEN("the port goes on") { REQUIRE(port.ask("/healthz").status == 200); }
    }
}

SCENARIO("what is odd about a request changes nothing for the next one", "[admin]") {
    Port port;
    const auto token = "Authorization: Bearer " + port.token + "\r\n";
    struct Odd {
        const char* what;
        std::string request;
        const char* status;
    };
    const std::vector<Odd> all{
        Odd{"two at once", port.head("/healthz") + port.head("/metrics"), "200"},
        Odd{"a body", port.head("/healthz", "POST", "Content-Length: 17\r\n") + "GET /metrics HTTP/", "405"},
        Odd{"a body in chunks", port.head("/healthz", "GET", "Transfer-Encoding: chunked\r\n") + "5\r\nGET /\r\n0\r\n\r\n", "200"},
        Odd{"of the whole server", port.head("*", "OPTIONS"), "401"},
        Odd{"of the whole server, with the token", port.head("*", "OPTIONS", token), "405"},
        Odd{"an escape that is broken", port.head("/api/v1/credentials/%4", "GET", token), "400"},
        Odd{"an escape that is broken in what is no API", port.head("/healthz%zz", "GET", token), "404"},
        Odd{"a method nobody knows", port.head("/healthz", "BREW"), "405"},
        Odd{"more fields than are read",
            port.head("/healthz", "GET",
                      [] {
                          std::string fields;
                          for (int i = 0; i < 200; ++i) fields += "X-" + std::to_string(i) + ": y\r\n";
                          return fields;
                      }()),
            "400"},
        Odd{"a Host header that says nothing", "GET /healthz HTTP/1.1\r\nHost\r\n\r\n", "403"},
        Odd{"no name", "GET /healthz HTTP/1.0\r\n\r\n", "403"}};
    for (const auto& odd : all) {
        CAPTURE(odd.what);
        const auto answer = port.raw(odd.request);
        CHECK(answer.substr(0, answer.find("\r\n")).find(std::string(" ") + odd.status + " ") != std::string::npos);
        CHECK(answer.find("HTTP/1.", 1) == std::string::npos);  // no more than one is answered
        CHECK(port.ask("/healthz").status == 200);
    }
    CHECK(port.counters.added == 0);
}

namespace {

/// Somebody who sends a head, an octet now and then, and never its end.
class Dripping {
public:
    explicit Dripping(const Port& port) : socket_(Poco::Net::SocketAddress(port.server->address())), thread_([this] { drip(); }) {}
    Dripping(const Dripping&) = delete;
    Dripping& operator=(const Dripping&) = delete;
    ~Dripping() {
        over_ = true;
        thread_.join();
    }

private:
    void drip() {
        try {
            const std::string head = "GET /healthz HTTP/1.1\r\nX-Slow: ";
            socket_.sendBytes(head.data(), static_cast<int>(head.size()));
            while (!over_) {
                socket_.sendBytes("x", 1);
                std::this_thread::sleep_for(std::chrono::milliseconds(200));
            }
        } catch (const Poco::Exception&) {  // it was cut off
        }
    }
    std::atomic<bool> over_{false};
    Poco::Net::StreamSocket socket_;
    std::thread thread_;
};

}  // namespace

SCENARIO("who sends more than is read gets an answer all the same", "[admin]") {
    Port port;
    const std::string much(500'000, 'x');
    for (const auto& [request, status] :
         {std::pair{port.head("/healthz", "POST", "Content-Length: 500000\r\n") + much, "HTTP/1.1 405 "},
          std::pair{port.head("/" + much), "HTTP/1.1 400 "}, std::pair{port.head("/healthz", "GET", "X-Much: " + much + "\r\n"), "HTTP/1.1 400 "}}) {
        CAPTURE(status);
        CHECK(port.raw(request).starts_with(status));
        CHECK(port.ask("/healthz").status == 200);
    }
}

SCENARIO("those who are slow on purpose do not keep others out", "[admin]") {
    const Port port;
    std::vector<std::unique_ptr<Dripping>> slow;
    for (int i = 0; i < 24; ++i) slow.push_back(std::make_unique<Dripping>(port));
    CHECK(port.ask("/healthz").status == 200);
}

SCENARIO("the admin port is closed though somebody does not come to an end with a request", "[admin]") {
    Port port;
    const Dripping slow(port);
    REQUIRE(port.ask("/healthz").status == 200);
    port.server.reset();  // comes back
    SUCCEED();
}

SCENARIO("the admin port is opened on this machine alone", "[admin]") {
    fakes::Log log;
    Counters counters;
    const auto open = [&](const std::string& host, std::uint16_t number) {
        return openAdminPort(host, number,
                             {[] { return true; }, [] { return std::vector<std::string>{}; }, [] { return std::string(); }, "", log, counters});
    };
    GIVEN("an address others could reach, or none at all") {
        const auto refused = open(GENERATE("0.0.0.0", "192.0.2.1", "::", "example.com", ""), 0);
        REQUIRE_FALSE(refused);
        REQUIRE(refused.error().code == Code::adminAddress);
        REQUIRE(refused.error().reaction == Reaction::askOperator);
    }
    GIVEN("a port that is taken") {
        const Port first;
        const Poco::Net::SocketAddress address(first.server->address());
        const auto refused = open("127.0.0.1", address.port());
        REQUIRE_FALSE(refused);
        REQUIRE(refused.error().what.find(std::to_string(address.port())) != std::string::npos);
    }
    GIVEN("localhost") { REQUIRE(Port("localhost").ask("/healthz").status == 200); }
}

SCENARIO("a browser brings the answer to a sign-in, and sees a page that says nothing of it", "[admin]") {
    Port port;
    const std::string path = "/oauth-callback?code=<secret>&state=s%26t";
    GIVEN("one that is waited for") {
        const auto answer = port.ask(path);
        CHECK(answer.status == 200);
        CHECK(port.queries == std::vector<std::string>{"code=<secret>&state=s%26t"});
        CHECK(answer.body.find("Postern has its answer") != std::string::npos);
        CHECK(answer.head.getContentType() == "text/html; charset=utf-8");
        CHECK(answer.head.get("Cache-Control") == "no-store");
        CHECK(answer.head.get("Referrer-Policy") == "no-referrer");
        CHECK(answer.head.get("Content-Security-Policy").find("default-src 'none'") == 0);
        CHECK(answer.body.find("secret") == std::string::npos);
        CHECK(port.log.text().find("secret") == std::string::npos);
    }
    GIVEN("one that nobody waits for") {
        port.brought = Brought::unknown;
        const auto answer = port.ask(path);
        CHECK(answer.status == 400);
        CHECK(answer.body.find("postern login") != std::string::npos);
        CHECK(answer.body.find("secret") == std::string::npos);
        THEN("after many of them no more is looked for, for a while") {
            for (int i = 0; i < 19; ++i) CHECK(port.ask(path).status == 400);
            port.brought = Brought::taken;
            CHECK(port.ask(path).status == 429);
            CHECK(port.queries.size() == 20);
            AND_THEN("but what could be the answer to a sign-in is") {
                CHECK(port.ask("/oauth-callback?code=c&state=0123456789-_abcdefghij").status == 200);
            }
        }
    }
    GIVEN("one that cannot be put down now") {
        port.brought = Brought::unavailable;
        CHECK(port.ask(path).status == 503);
    }
    GIVEN("other methods, and pages of other sites that ask") {
        const auto posted = port.ask(path, "POST");
        CHECK(posted.status == 405);
        CHECK(posted.head.get("Allow") == "GET");
        CHECK(port.ask(path, "HEAD").status == 405);
        CHECK(port.ask(path, "GET", {{"Origin", "https://idp.example"}}).status == 403);
        CHECK(port.queries.empty());
    }
    GIVEN("an answer as long as none is") {
        CHECK(port.ask("/oauth-callback?code=" + std::string(17'000, 'x')).status >= 400);
        CHECK(port.queries.empty());
    }
}

SCENARIO("a state of ours is told by its form", "[admin]") {
    const std::string state = "state=0123456789-_abcdefghij";
    CHECK(couldBeOurs(state));
    CHECK(couldBeOurs("code=x&" + state + "&iss=y"));
    for (const auto& other : {std::string(), std::string("code=x"), state + "k", state.substr(0, 27), state + "&" + state, "x" + state,
                              "state=&" + state, std::string("state=0123456789-_abcdefghi%"), std::string("state=0123456789-_abcdefgh.j")}) {
        CAPTURE(other);
        CHECK_FALSE(couldBeOurs(other));
    }
}

SCENARIO("what is spent comes back with time", "[admin]") {
    Budget budget(2);
    const auto now = std::chrono::steady_clock::now();
    CHECK_FALSE(budget.isSpent(now));
    budget.spend(now);
    budget.spend(now + std::chrono::seconds(1));
    CHECK(budget.isSpent(now + std::chrono::seconds(2)));
    CHECK_FALSE(budget.isSpent(now + std::chrono::seconds(10)));
}
