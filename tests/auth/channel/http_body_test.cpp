#include "auth/channel/http_client.h"
#include "tests/auth/channel/trusting.h"
#include "tests/servers/tls_server.h"

#include <openssl/evp.h>

#include <algorithm>
#include <atomic>
#include <future>

using auth::HttpAnswer;
using auth::HttpBody;
using auth::HttpRequest;
using auth::HttpSession;
using plugin::Code;
using plugin::Reaction;
using servers::TlsServer;

namespace {

constexpr std::uint64_t mebibyte = 1U << 20;
constexpr const char* ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
constexpr const char* tooLarge = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 6\r\n\r\nso big";

using Digest = std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)>;
Digest digest() {
    Digest made(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
    EVP_DigestInit_ex(made.get(), EVP_sha256(), nullptr);
    return made;
}
std::string finish(const Digest& digest) {
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    EVP_DigestFinal_ex(digest.get(), bytes, &size);
    return {reinterpret_cast<char*>(bytes), size};
}

/// Octets that are another at each offset for long.
void fill(std::uint64_t offset, std::span<char> into) {
    for (auto& octet : into) {
        octet = static_cast<char>((offset * 2654435761U) >> 13);
        ++offset;
    }
}

/// A body, and what became of it.
struct Made {
    std::shared_ptr<HttpBody> body = std::make_shared<HttpBody>();
    std::uint64_t given = 0;  // octets, also those given a second time
    std::size_t largest = 0;  // that was asked for at once
    int beginnings = 0;       // reads from 0
    std::uint64_t ends = 0;   // has no more than that
    bool fails = false;       // instead of ending
};
std::shared_ptr<Made> make(std::uint64_t size, std::uint64_t ends) {
    auto made = std::make_shared<Made>();
    made->body->size = size;
    made->ends = ends;
    made->body->read = [raw = made.get()](std::uint64_t offset, std::span<char> into) -> plugin::Task<plugin::Result<std::size_t>> {
        auto& self = *raw;
        auto& loop = co_await plugin::thisLoop();
        co_await plugin::offload(loop, [] {});  // as a file would
        if (offset == 0) ++self.beginnings;
        self.largest = std::max(self.largest, into.size());
        if (offset == self.ends && self.fails) co_return plugin::Error{Reaction::setAside, Code::messageMissing, "the file has gone"};
        const auto all = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), self.ends - offset));
        fill(offset, into.first(all));
        self.given += all;
        co_return all;
    };
    return made;
}
std::shared_ptr<Made> make(std::uint64_t size) { return make(size, size); }

std::string digestOf(std::uint64_t size) {
    const auto sum = digest();
    std::vector<char> piece(mebibyte);
    for (std::uint64_t at = 0; at < size; at += piece.size()) {
        fill(at, piece);
        EVP_DigestUpdate(sum.get(), piece.data(), static_cast<std::size_t>(std::min<std::uint64_t>(piece.size(), size - at)));
    }
    return finish(sum);
}

/// Takes so many octets off the stream; answers their digest.
std::string swallow(TlsServer::Stream& stream, std::uint64_t bytes) {
    const auto sum = digest();
    while (bytes > 0) {
        const auto piece = stream.read(static_cast<std::size_t>(std::min<std::uint64_t>(bytes, 65536)));
        if (piece.empty()) throw std::runtime_error("the client ended the stream too early");
        EVP_DigestUpdate(sum.get(), piece.data(), piece.size());
        bytes -= piece.size();
    }
    return finish(sum);
}

/// One session that trusts the servers of these tests.
struct Client : Trusting {
    explicit Client(bool encrypted) : tls(encrypted) {}
    bool tls;
    HttpSession session{*world.dialer};

    TlsServer::Options options() const { return {.chain = tls ? std::vector{leaf()} : std::vector<servers::Certificate>{}}; }
    plugin::Result<HttpAnswer> put(const TlsServer& server, HttpRequest request, plugin::Deadline deadline, std::stop_token stop = {}) {
        if (request.method == "GET") request.method = "POST";
        request.url = (tls ? "https://127.0.0.1:" : "http://127.0.0.1:") + std::to_string(server.port());
        request.truststore = tls ? "own" : "";
        return world.run(session.request(std::move(request), deadline, std::move(stop)));
    }
    plugin::Result<HttpAnswer> put(const TlsServer& server, HttpRequest request) { return put(server, std::move(request), world.soon()); }
};

}  // namespace

SCENARIO("a body is streamed from its source", "[http]") {
    Client client(GENERATE(false, true));
    GIVEN("a server that adds up what it gets") {
        std::string sum;
        std::string head;
        const TlsServer server(client.options(), [&](TlsServer::Stream& stream) {
            for (head = stream.readUntil("\r\n\r\n"); !head.empty(); head = stream.readUntil("\r\n\r\n")) {
                const auto length = head.substr(head.find("Content-Length: ") + 16);
                sum = swallow(stream, std::stoull(length));
                stream.write(ok);
            }
        });
        WHEN("64 MiB go there") {
            const auto made = make(64 * mebibyte);
            auto answer = client.put(server, {.source = made->body});
            THEN("all of them arrive, and no more than a piece at a time was in memory") {
                if (!answer) FAIL(describe(answer.error()));
                CHECK(answer->status == 200);
                CHECK(sum == digestOf(64 * mebibyte));
                CHECK(made->given == 64 * mebibyte);
                CHECK(made->largest == 64 * 1024);
                AND_THEN("the connection is kept") {
                    REQUIRE(client.put(server, {.source = make(100)->body}));
                    CHECK(sum == digestOf(100));
                    CHECK(server.accepted() == 1);
                }
            }
        }
        WHEN("nothing goes there") {
            REQUIRE(client.put(server, {.source = make(0)->body}));
            THEN("the length says so") { CHECK(sum == digestOf(0)); }
        }
        WHEN("a large body is held in memory") {
            std::string body(8 * mebibyte, '\0');
            fill(0, body);
            REQUIRE(client.put(server, {.body = body}));
            CHECK(sum == digestOf(8 * mebibyte));
        }
        WHEN("there are two bodies") { CHECK_THROWS_AS(client.put(server, {.body = "x", .source = make(1)->body}), std::logic_error); }
    }
}

SCENARIO("an answer may come before the body is sent", "[http]") {
    Client client(GENERATE(false, true));
    const auto made = make(64 * mebibyte);
    GIVEN("a server that refuses and takes nothing more") {
        const bool closes = GENERATE(false, true);
        std::promise<void> over;
        auto isOver = over.get_future().share();
        const TlsServer server(client.options(), [&, closes](TlsServer::Stream& stream) {
            stream.readUntil("\r\n\r\n");
            stream.write(tooLarge);
            if (!closes) isOver.wait();
        });
        WHEN("it is sent what it does not want") {
            const bool inMemory = GENERATE(false, true);
            auto answer = inMemory ? client.put(server, {.body = std::string(32 * mebibyte, 'x')}) : client.put(server, {.source = made->body});
            THEN("its answer arrives, and no time is lost on the rest") {
                if (!answer) FAIL(describe(answer.error()));
                CHECK(answer->status == 413);
                CHECK(answer->body == "so big");
                CHECK(made->given < 64 * mebibyte);
            }
            AND_THEN("the next request goes over another connection") {
                REQUIRE(client.put(server, {.body = "x"})->status == 413);
                CHECK(server.accepted() == 2);
            }
        }
        over.set_value();
    }
    GIVEN("a server that says yes at once and takes it all") {
        std::string sum;
        const TlsServer server(client.options(), [&](TlsServer::Stream& stream) {
            stream.readUntil("\r\n\r\n");
            stream.write(ok);
            sum = swallow(stream, 64 * mebibyte);
            stream.readUntil("\r\n\r\n");
            stream.write(ok);
            stream.read();
        });
        auto answer = client.put(server, {.source = made->body});
        THEN("it is sent to its end") {
            if (!answer) FAIL(describe(answer.error()));
            CHECK(answer->status == 200);
            REQUIRE(client.put(server, {.body = ""}));
            CHECK(sum == digestOf(64 * mebibyte));
            CHECK(server.accepted() == 1);
        }
    }
    GIVEN("a server that says yes at once and closes") {
        const TlsServer server(client.options(), [&](TlsServer::Stream& stream) {
            stream.readUntil("\r\n\r\n");
            stream.write(ok);
        });
        auto answer = client.put(server, {.headers = {{"Idempotency-Key", "1"}}, .source = made->body});
        THEN("that is no success") {
            REQUIRE_FALSE(answer);
            CHECK(answer.error().code == Code::channelClosed);
            CHECK(answer.error().reaction == Reaction::reconnect);
        }
    }
}

SCENARIO("a source that cannot give what it promised ends the request", "[http]") {
    Client client(GENERATE(false, true));
    std::atomic<bool> believed{false};
    const TlsServer server(client.options(), [&](TlsServer::Stream& stream) {
        const auto head = stream.readUntil("\r\n\r\n");
        if (head.empty()) return;
        swallow(stream, std::stoull(head.substr(head.find("Content-Length: ") + 16)));
        believed = true;
        stream.write(ok);
        stream.read();
    });
    const auto ends = GENERATE(std::uint64_t{0}, 3 * mebibyte);
    const auto made = make(4 * mebibyte, ends);
    GIVEN("one that fails after " + std::to_string(ends)) {
        made->fails = true;
        auto answer = client.put(server, {.headers = {{"Idempotency-Key", "1"}}, .source = made->body});
        THEN("its error is the answer") {
            REQUIRE_FALSE(answer);
            CHECK(answer.error().code == Code::messageMissing);
            CHECK(answer.error().reaction == Reaction::setAside);
            CHECK(made->beginnings == 1);
        }
    }
    GIVEN("one that ends after " + std::to_string(ends)) {
        auto answer = client.put(server, {.headers = {{"Idempotency-Key", "1"}}, .source = made->body});
        THEN("that is an error") {
            REQUIRE_FALSE(answer);
            CHECK(answer.error().code == Code::channelHttpProtocol);
            CHECK(answer.error().reaction == Reaction::retryLater);
            CHECK(answer.error().what.find("ended after " + std::to_string(ends) + " of 4194304 octets") != std::string::npos);
        }
    }
    GIVEN("one with a bug") {
        made->body->read = [](std::uint64_t, std::span<char> into) -> plugin::Task<plugin::Result<std::size_t>> { co_return into.size() + 1; };
        CHECK_THROWS_AS(client.put(server, {.source = made->body}), std::logic_error);
    }
    CHECK_FALSE(believed);
    REQUIRE(client.put(server, {.body = "x"}));
    CHECK(server.accepted() == 2);  // what was begun was not gone on with
}

SCENARIO("a body from a source is sent once more like any other", "[http]") {
    Client client(GENERATE(false, true));
    std::atomic<int> connections{0};
    std::string sum;
    const TlsServer server(client.options(), [&](TlsServer::Stream& stream) {
        const bool first = ++connections == 1;
        stream.readUntil("\r\n\r\n");
        if (first) {
            stream.write(ok);
            stream.readUntil("\r\n\r\n");
            swallow(stream, mebibyte);
            stream.goodbye();
            return;
        }
        sum = swallow(stream, 2 * mebibyte);
        stream.write(ok);
        stream.read();
    });
    REQUIRE(client.put(server, {}));
    const auto made = make(2 * mebibyte);
    GIVEN("a server that closes the kept connection within the request") {
        WHEN("it may be repeated") {
            auto answer = client.put(server, {.headers = {{"Idempotency-Key", "1"}}, .source = made->body});
            THEN("it is, from the beginning") {
                if (!answer) FAIL(describe(answer.error()));
                CHECK(made->beginnings == 2);
                CHECK(sum == digestOf(2 * mebibyte));
            }
        }
        WHEN("it may not") {
            auto answer = client.put(server, {.source = made->body});
            REQUIRE_FALSE(answer);
            CHECK(answer.error().code == Code::channelClosed);
            CHECK(made->beginnings == 1);
        }
    }
}

SCENARIO("a body nobody takes is not waited for without end", "[http]") {
    Client client(GENERATE(false, true));
    std::promise<void> over;
    auto isOver = over.get_future().share();
    const TlsServer server(client.options(), [&](TlsServer::Stream& stream) {
        stream.readUntil("\r\n\r\n");
        isOver.wait();
    });
    const auto made = make(64 * mebibyte);
    GIVEN("a deadline") {
        auto answer = client.put(server, {.source = made->body}, client.world.in(std::chrono::milliseconds(300)));
        REQUIRE_FALSE(answer);
        CHECK(answer.error().code == Code::channelTimeout);
    }
    GIVEN("somebody who gives up") {
        std::stop_source stop;
        made->body->read = [&stop](std::uint64_t offset, std::span<char> into) -> plugin::Task<plugin::Result<std::size_t>> {
            if (offset > 0) stop.request_stop();
            co_return into.size();
        };
        auto answer = client.put(server, {.source = made->body}, client.world.soon(), stop.get_token());
        REQUIRE_FALSE(answer);
        CHECK(answer.error().code == Code::channelStopped);
        CHECK(answer.error().reaction == Reaction::retryLater);
    }
    over.set_value();
}
