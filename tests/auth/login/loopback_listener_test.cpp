#include "auth/login/loopback_listener.h"
#include "tests/auth/channel/world.h"
#include "tests/servers/process.h"

#include <Poco/Net/SocketAddress.h>
#include <Poco/Net/StreamSocket.h>

#include <thread>

using namespace auth::login;

namespace {

/// Sends the bytes and takes what comes until the other side ends it.
std::string talk(const std::string& address, const std::string& bytes) {
    Poco::Net::StreamSocket socket{Poco::Net::SocketAddress(address)};
    socket.setReceiveTimeout(Poco::Timespan(20, 0));
    socket.sendBytes(bytes.data(), static_cast<int>(bytes.size()));
    std::string answer;
    char buffer[4096];
    for (int got = socket.receiveBytes(buffer, sizeof buffer); got > 0; got = socket.receiveBytes(buffer, sizeof buffer))
        answer.append(buffer, static_cast<std::size_t>(got));
    return answer;
}

/// The listener at work while `visitors` is; the queries it was asked about.
std::vector<std::string> served(World& world, LoopbackListener& listener, const std::function<void()>& visitors) {
    std::vector<std::string> queries;
    std::stop_source stop;
    std::exception_ptr failure;
    std::jthread visitor([&] {
        try {
            visitors();
        } catch (...) {
            failure = std::current_exception();
        }
        stop.request_stop();
    });
    world.run(listener.serve(
        [&](std::string_view query) {
            queries.emplace_back(query);
            return Page{200, "thanks <b>"};
        },
        stop.get_token()));
    visitor.join();
    if (failure) std::rethrow_exception(failure);
    return queries;
}

std::string portOf(const std::string& uri) {
    const auto colon = uri.rfind(':');
    return uri.substr(colon + 1, uri.find('/', colon) - colon - 1);
}

}  // namespace

SCENARIO("what this machine can listen at is told from what it cannot", "[login]") {
    const auto plain = parseLoopbackUri("http://localhost/oauth-callback");
    REQUIRE(plain);
    CHECK(plain->port == 0);
    CHECK(plain->path == "/oauth-callback");
    CHECK(plain->withPort(4711) == "http://localhost:4711/oauth-callback");
    CHECK(parseLoopbackUri("http://localhost")->withPort(1) == "http://localhost:1");
    CHECK(parseLoopbackUri("http://localhost")->path == "/");
    CHECK(parseLoopbackUri("http://127.0.0.1:8400/cb?a=b")->port == 8400);
    CHECK(parseLoopbackUri("http://127.0.0.1:8400/cb?a=b")->withPort(8400) == "http://127.0.0.1:8400/cb?a=b");
    CHECK(parseLoopbackUri("http://127.0.0.1:8400/cb?a=b")->query == "a=b");
    CHECK(parseLoopbackUri("http://[::1]/")->host == "::1");
    for (const auto* other :
         {"https://localhost/cb", "http://localhost.example/cb", "http://localhost@example/cb", "http://localhost:0/cb", "http://localhost:70000/cb",
          "http://localhost:/cb", "http://localhost:80x/cb", "https://postern.example/oauth-callback", "com.example.app:/cb"})
        CHECK_FALSE(parseLoopbackUri(other));
}

SCENARIO("only a GET of HTTP/1 has a target", "[login]") {
    CHECK(targetOfGet("GET /cb?code=a HTTP/1.1") == "/cb?code=a");
    for (const auto* other : {"POST /cb HTTP/1.1", "GET http://localhost/cb HTTP/1.1", "GET /cb", "GET /cb HTTP/2", "get /cb HTTP/1.1", ""})
        CHECK_FALSE(targetOfGet(other));
}

SCENARIO("the browser is answered on its path alone, by either address of localhost", "[login][loopback]") {
    World world;
    auto opened = LoopbackListener::open(*world.loop, *parseLoopbackUri("http://localhost/oauth-callback"));
    REQUIRE(opened);
    const auto port = portOf((*opened)->uri());
    std::string right, sixth, elsewhere, posted;
    const bool hasSix = servers::run({"sh", "-c", "grep -q '^00000000000000000000000000000001' /proc/net/if_inet6"}).status == 0;
    const auto queries = served(world, **opened, [&] {
        elsewhere = talk("127.0.0.1:" + port, "GET /favicon.ico HTTP/1.1\r\nHost: x\r\n\r\n");
        talk("127.0.0.1:" + port, "GET /oauth-callback/ HTTP/1.1\r\nHost: x\r\n\r\n");
        posted = talk("127.0.0.1:" + port, "POST /oauth-callback?code=p HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n");
        right = talk("127.0.0.1:" + port, "GET /oauth-callback?code=a HTTP/1.1\r\nHost: localhost\r\n\r\n");
        if (hasSix) sixth = talk("[::1]:" + port, "GET /oauth-callback HTTP/1.1\r\nHost: localhost\r\n\r\n");
    });
    CHECK(elsewhere.starts_with("HTTP/1.1 404 "));
    CHECK(posted.starts_with("HTTP/1.1 404 "));
    CHECK(right.starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(right.find("thanks &lt;b&gt;") != std::string::npos);
    CHECK(right.find("Content-Security-Policy: default-src 'none'\r\n") != std::string::npos);
    CHECK(right.find("Cache-Control: no-store\r\n") != std::string::npos);
    if (hasSix) CHECK(sixth.starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(queries == (hasSix ? std::vector<std::string>{"code=a", ""} : std::vector<std::string>{"code=a"}));
}

SCENARIO("those who say nothing, or too much, keep nobody else out", "[login][loopback]") {
    World world;
    auto opened = LoopbackListener::open(*world.loop, *parseLoopbackUri("http://127.0.0.1/cb"));
    REQUIRE(opened);
    const auto address = "127.0.0.1:" + portOf((*opened)->uri());
    std::string right;
    const auto queries = served(world, **opened, [&] {
        Poco::Net::StreamSocket silent{Poco::Net::SocketAddress(address)};  // as browsers open one ahead of need
        try {
            talk(address, "GET /cb?code=" + std::string(60'000, 'a'));
        } catch (const Poco::Exception&) {  // cut while it was still talking
        }
        right = talk(address, "GET /cb?code=b HTTP/1.1\r\n\r\n");
    });
    CHECK(right.starts_with("HTTP/1.1 200 OK\r\n"));
    CHECK(queries == std::vector<std::string>{"code=b"});
}

SCENARIO("a port that is written is taken as it is, and only once", "[login][loopback]") {
    World world;
    auto first = LoopbackListener::open(*world.loop, *parseLoopbackUri("http://127.0.0.1/cb"));
    REQUIRE(first);
    auto second = LoopbackListener::open(*world.loop, *parseLoopbackUri((*first)->uri()));
    REQUIRE_FALSE(second);
    CHECK(second.error().code == plugin::Code::channelUnreachable);
    CHECK(second.error().what.find("127.0.0.1:" + portOf((*first)->uri())) != std::string::npos);
    const auto uri = (*first)->uri();
    first->reset();
    auto third = LoopbackListener::open(*world.loop, *parseLoopbackUri(uri));
    REQUIRE(third);
    CHECK((*third)->uri() == uri);
}
