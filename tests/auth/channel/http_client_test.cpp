#include "auth/channel/http_client.h"
#include "tests/auth/channel/world.h"
#include "tests/servers/tls_server.h"

#include <atomic>
#include <future>

using auth::HttpAnswer;
using auth::HttpClient;
using auth::HttpRequest;
using auth::HttpSession;
using plugin::Code;
using plugin::Reaction;
using servers::TlsServer;

namespace {

/// A request as the server reads it: head, then as many bytes as it announces. "" = the client has gone.
std::string readRequest(TlsServer::Stream& stream) {
    auto head = stream.readUntil("\r\n\r\n");
    const std::string name = "\r\nContent-Length: ";
    if (const auto at = head.find(name); at != std::string::npos) head += stream.readExactly(std::stoul(head.substr(at + name.size())));
    return head;
}

std::string url(const TlsServer& server, const std::string& target = "/") { return "http://127.0.0.1:" + std::to_string(server.port()) + target; }

plugin::Result<HttpAnswer> ask(World& world, HttpRequest request) {
    HttpClient client(*world.dialer);
    return world.run(client.request(std::move(request), world.soon(), {}));
}

}  // namespace

SCENARIO("a request goes out as it should be", "[http]") {
    std::promise<std::string> request;
    const TlsServer server({}, [&](TlsServer::Stream& stream) {
        request.set_value(readRequest(stream));
        stream.write("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}");
        stream.read();
    });
    World world;
    GIVEN("a POST with a body") {
        auto answer = ask(world, {.method = "POST",
                                  .url = url(server, "/token?x=1"),
                                  .headers = {{"Authorization", "Basic eDp5"}},
                                  .body = "grant_type=client_credentials"});
        REQUIRE(answer);
        CHECK(answer->status == 200);
        CHECK(answer->body == "{}");
        CHECK(answer->headers.find("content-type") == "application/json");
        CHECK(request.get_future().get() == "POST /token?x=1 HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(server.port()) +
                                                "\r\nAuthorization: Basic eDp5\r\nAccept-Encoding: identity\r\nConnection: close\r\nContent-Length: "
                                                "29\r\n\r\ngrant_type=client_credentials");
    }
    GIVEN("a GET without one") {
        REQUIRE(ask(world, {.url = url(server)}));
        CHECK(request.get_future().get() ==
              "GET / HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(server.port()) + "\r\nAccept-Encoding: identity\r\nConnection: close\r\n\r\n");
    }
    GIVEN("headers that would forge others") {
        CHECK_THROWS_AS(ask(world, {.url = url(server), .headers = {{"X", "a\r\nY: b"}}}), std::logic_error);
        CHECK_THROWS_AS(ask(world, {.url = url(server), .headers = {{"X Y", "a"}}}), std::logic_error);
        CHECK_THROWS_AS(ask(world, {.url = url(server), .headers = {{"content-length", "5"}}}), std::logic_error);
    }
    GIVEN("a URL that is none") {
        auto answer = ask(world, {.url = "https://user:secret@h/"});
        REQUIRE_FALSE(answer);
        CHECK(answer.error().code == Code::channelHttpProtocol);
        CHECK(answer.error().reaction == Reaction::askOperator);
        CHECK(answer.error().what.find("secret") == std::string::npos);
    }
}

SCENARIO("HTTPS looks at the certificate", "[http][tls]") {
    const auto root = servers::makeCertificate({.commonName = "Test Root", .authority = true});
    const auto leaf = servers::makeCertificate({.commonName = "leaf", .addresses = {"127.0.0.1"}}, &root);
    const TlsServer server({.chain = {leaf}}, [](TlsServer::Stream& stream) {
        readRequest(stream);
        stream.write("HTTP/1.1 200 OK\r\n\r\nuntil the end");
        stream.goodbye();
    });
    const TemporaryFile truststore(root.pem());
    World world({{"own", truststore.path}});
    const auto address = "https://127.0.0.1:" + std::to_string(server.port()) + "/";
    GIVEN("the right truststore") {
        auto answer = ask(world, {.url = address, .truststore = "own"});
        REQUIRE(answer);
        CHECK(answer->body == "until the end");
    }
    GIVEN("the system's roots") {
        auto answer = ask(world, {.url = address});
        REQUIRE_FALSE(answer);
        CHECK(answer.error().code == Code::channelCertificateUntrusted);
    }
}

SCENARIO("a body that was cut is not taken for whole", "[http][tls]") {
    const auto root = servers::makeCertificate({.commonName = "Test Root", .authority = true});
    const auto leaf = servers::makeCertificate({.commonName = "leaf", .addresses = {"127.0.0.1"}}, &root);
    const auto* const head = GENERATE("HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
    const TlsServer server({.chain = {leaf}}, [&](TlsServer::Stream& stream) {
        readRequest(stream);
        stream.write(std::string(head) + "half");
        stream.cut();
    });
    const TemporaryFile truststore(root.pem());
    World world({{"own", truststore.path}});
    auto answer = ask(world, {.url = "https://127.0.0.1:" + std::to_string(server.port()), .truststore = "own"});
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == Code::channelClosed);
}

SCENARIO("any status is an answer", "[http]") {
    World world;
    const auto say = [&](const std::string& wire) {
        const TlsServer server({}, [&](TlsServer::Stream& stream) {
            readRequest(stream);
            stream.write(wire);
            stream.goodbye();
        });
        return ask(world, {.method = "POST", .url = url(server)});
    };
    GIVEN("429 with Retry-After") {
        auto answer = say("HTTP/1.1 429 Too Many Requests\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n");
        REQUIRE(answer);
        CHECK(answer->status == 429);
        CHECK(answer->headers.find("retry-after") == "120");
    }
    GIVEN("an HTML page") {
        auto answer = say("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n<html>you\r\n0\r\n\r\n");
        REQUIRE(answer);
        CHECK(answer->body == "<html>you");
    }
    GIVEN("a redirect") {
        auto answer = say("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
        REQUIRE(answer);
        CHECK(answer->status == 302);
    }
    GIVEN("what is no HTTP") {
        auto answer = say("220 mail.example.org ESMTP\r\n");
        REQUIRE_FALSE(answer);
        CHECK(answer.error().code == Code::channelHttpProtocol);
        CHECK(answer.error().reaction == Reaction::reconnect);
    }
    GIVEN("nothing at all") {
        auto answer = say("");
        REQUIRE_FALSE(answer);
        CHECK(answer.error().code == Code::channelClosed);
    }
    GIVEN("more than the limit") {
        auto answer = say("HTTP/1.1 200 OK\r\nContent-Length: 1048577\r\n\r\n");
        REQUIRE_FALSE(answer);
        CHECK(answer.error().code == Code::channelHttpProtocol);
    }
}

SCENARIO("a slow body is waited for until the deadline", "[http]") {
    const TlsServer server({}, [](TlsServer::Stream& stream) {
        readRequest(stream);
        stream.write("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nslow");
        stream.read();
    });
    World world;
    HttpClient client(*world.dialer);
    auto answer = world.run(client.request({.url = url(server)}, world.in(std::chrono::milliseconds(50)), {}));
    REQUIRE_FALSE(answer);
    CHECK(answer.error().code == Code::channelTimeout);
}

SCENARIO("a connection is kept while it can be", "[http]") {
    World world;
    HttpSession session(*world.dialer);
    const auto once = [&](HttpRequest request) { return world.run(session.request(std::move(request), world.soon(), {})); };
    GIVEN("a server that keeps it") {
        const TlsServer server({}, [](TlsServer::Stream& stream) {
            for (int i = 1; !readRequest(stream).empty(); ++i) {
                const auto body = std::to_string(i);
                stream.write("HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body);
            }
        });
        for (int i = 1; i <= 12; ++i) {
            auto answer = once({.method = "POST", .url = url(server), .body = "x"});
            REQUIRE(answer);
            REQUIRE(answer->body == std::to_string(i));
        }
        CHECK(server.accepted() == 1);
        THEN("another server gets another connection") {
            const TlsServer other({}, [](TlsServer::Stream& stream) {
                readRequest(stream);
                stream.write("HTTP/1.1 204 No Content\r\n\r\n");
                stream.read();
            });
            REQUIRE(once({.url = url(other)})->status == 204);
            CHECK(other.accepted() == 1);
        }
        THEN("a dropped one is dialled anew") {
            session.close();
            REQUIRE(once({.url = url(server)})->body == "1");
            CHECK(server.accepted() == 2);
        }
    }
    GIVEN("a server that says it will close") {
        const TlsServer server({}, [](TlsServer::Stream& stream) {
            readRequest(stream);
            stream.write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
            stream.read();
        });
        REQUIRE(once({.url = url(server)}));
        REQUIRE(once({.url = url(server)}));
        CHECK(server.accepted() == 2);
    }
    GIVEN("a server that closes the idle connection without a word") {
        const TlsServer server({}, [](TlsServer::Stream& stream) {
            readRequest(stream);
            stream.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            stream.goodbye();
        });
        REQUIRE(once({.method = "POST", .url = url(server)}));
        // Sent on the closed connection or on a new one, whichever the race brings: it is answered or known not to be.
        auto second = once({.method = "POST", .url = url(server), .headers = {{"Idempotency-Key", "1"}}});
        REQUIRE(second);
        CHECK(server.accepted() == 2);
    }
    GIVEN("a server that reads the second request and closes instead of answering") {
        std::atomic<int> requests{0};
        const TlsServer server({}, [&](TlsServer::Stream& stream) {
            const bool first = requests == 0;
            readRequest(stream);
            ++requests;
            stream.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
            if (!readRequest(stream).empty()) ++requests;
            if (!first) stream.write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        });
        REQUIRE(once({.method = "POST", .url = url(server)}));
        THEN("a POST is not repeated") {
            auto second = once({.method = "POST", .url = url(server)});
            REQUIRE_FALSE(second);
            CHECK(second.error().code == Code::channelClosed);
            CHECK(second.error().reaction == Reaction::reconnect);
            CHECK(requests == 2);
            AND_THEN("the next one goes over a new connection") { REQUIRE(once({.method = "POST", .url = url(server)})); }
        }
        THEN("a GET is sent once more") {
            REQUIRE(once({.url = url(server)}));
            CHECK(requests == 3);
            CHECK(server.accepted() == 2);
        }
    }
    GIVEN("a server that sends an answer nobody asked for") {
        const TlsServer server({}, [](TlsServer::Stream& stream) {
            readRequest(stream);
            stream.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ntrueHTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged");
            readRequest(stream);
        });
        REQUIRE(once({.url = url(server)})->body == "true");
        THEN("it is not taken for the next one's") {
            REQUIRE(once({.url = url(server)})->body == "true");
            CHECK(server.accepted() == 2);
        }
    }
}

SCENARIO("a body may be taken as a stream", "[http]") {
    const std::string part(100'000, 'z');
    const TlsServer server({}, [&](TlsServer::Stream& stream) {
        while (!readRequest(stream).empty()) {
            stream.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
            for (int i = 0; i < 30; ++i) stream.write("186A0\r\n" + part + "\r\n");
            stream.write("0\r\n\r\n");
        }
    });
    World world;
    HttpSession session(*world.dialer);
    const auto begin = [&] { return world.run(session.begin({.url = url(server), .limits = {.body = 1U << 30}}, world.soon(), {})); };
    auto answer = begin();
    REQUIRE(answer);
    CHECK(answer->status == 200);
    CHECK(answer->body.empty());
    std::vector<char> into(7777);
    GIVEN("all of it") {
        std::size_t all = 0;
        for (;;) {
            auto got = world.run(session.read(into, world.soon(), {}));
            REQUIRE(got);
            if (*got == 0) break;
            all += *got;
        }
        CHECK(all == 3'000'000);
        REQUIRE(begin());
        CHECK(server.accepted() == 1);
    }
    GIVEN("a part of it") {
        REQUIRE(world.run(session.read(into, world.soon(), {})));
        THEN("the rest costs the connection") {
            REQUIRE(begin());
            CHECK(server.accepted() == 2);
        }
    }
}

SCENARIO("waiting for more of a stream can be given up and begun again", "[http]") {
    std::promise<void> goOn;
    auto goesOn = goOn.get_future().share();
    const TlsServer server({}, [goesOn](TlsServer::Stream& stream) {
        readRequest(stream);
        stream.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n");
        goesOn.wait();
        stream.write("6\r\nsecond\r\n0\r\n\r\n");
        stream.read();
    });
    World world;
    HttpSession session(*world.dialer);
    REQUIRE(world.run(session.begin({.url = url(server)}, world.soon(), {})));
    std::vector<char> into(100);
    REQUIRE(*world.run(session.read(into, world.soon(), {})) == 5);
    CHECK(world.run(session.read(into, world.in(std::chrono::milliseconds(20)), {})).error().code == Code::channelTimeout);
    std::stop_source stopped;
    stopped.request_stop();
    CHECK(world.run(session.read(into, world.soon(), stopped.get_token())).error().code == Code::channelStopped);
    goOn.set_value();
    const auto got = world.run(session.read(into, world.soon(), {}));
    REQUIRE(got);
    CHECK(std::string(into.data(), *got) == "second");
    CHECK(*world.run(session.read(into, world.soon(), {})) == 0);
    CHECK(server.accepted() == 1);
}
