#include "auth/channel/http_parser.h"

#include <catch2/catch.hpp>

using auth::HttpLimits;
using auth::HttpParser;
using auth::parseHttpUrl;

namespace {

struct Outcome {
    HttpParser parser;
    std::string body{};
    std::size_t used = 0;
};

/// The answer as it is read when the network delivers it in pieces of this size and then ends.
Outcome read(std::string_view wire, std::size_t piece = std::string_view::npos, HttpLimits limits = {},
             HttpParser::To to = HttpParser::To::ordinary) {
    Outcome outcome{HttpParser(limits, to)};
    while (outcome.used < wire.size()) {
        auto input = wire.substr(outcome.used, piece);
        while (!input.empty()) {
            const auto fed = outcome.parser.feed(input);
            outcome.body += fed.body;
            outcome.used += fed.used;
            input.remove_prefix(fed.used);
            if (fed.used == 0) return outcome;
        }
    }
    outcome.parser.end();
    return outcome;
}

std::string whyNot(std::string_view wire, HttpLimits limits = {}) {
    const auto outcome = read(wire, std::string_view::npos, limits);
    return outcome.parser.phase() == HttpParser::Phase::malformed ? std::string(outcome.parser.why()) : "it is fine";
}

}  // namespace

SCENARIO("an answer is read the same however the network cuts it", "[http]") {
    struct Row {
        const char* name;
        std::string wire;
        int status;
        std::string body;
        bool reusable;
    };
    const auto row = GENERATE(values<Row>({
        {"a length", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", true},
        {"an empty body", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", true},
        {"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nA;x=\"y\"\r\n, world!!!\r\n0\r\n\r\n", 200, "hello, world!!!",
         true},
        {"chunks with a trailer", "HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n1 ; q\r\na\r\n000\r\nX-Sum: 1\r\n\r\n", 200, "a", true},
        {"line ends inside a body", "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n\r\n\r\n0\r\n\r", 200, "\r\n\r\n0\r\n\r", true},
        {"until the end", "HTTP/1.1 200 OK\r\nX: y\r\n\r\nall of this", 200, "all of this", false},
        {"version 1.0", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok", false},
        {"a server that closes", "HTTP/1.1 200 OK\r\nConnection: foo , CLOSE\r\nContent-Length: 2\r\n\r\nok", 200, "ok", false},
        {"no reason", "HTTP/1.1 404\r\nContent-Length: 0\r\n\r\n", 404, "", true},
        {"no content", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", true},
        {"not modified with a length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n", 304, "", true},
        {"interim answers",
         "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\n!", 201, "!",
         true},
    }));
    GIVEN(row.name) {
        for (std::size_t piece = 1; piece <= row.wire.size(); ++piece) {
            const auto outcome = read(row.wire, piece);
            INFO("pieces of " << piece << " bytes; " << outcome.parser.why());
            REQUIRE(outcome.parser.phase() == HttpParser::Phase::done);
            REQUIRE(outcome.parser.status() == row.status);
            REQUIRE(outcome.body == row.body);
            REQUIRE(outcome.parser.reusable() == row.reusable);
            REQUIRE(outcome.used == row.wire.size());
        }
    }
}

SCENARIO("an answer that stops early is never taken for whole", "[http]") {
    const auto wire = GENERATE(as<std::string>{}, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
                               "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\n");
    for (std::size_t cut = 0; cut < wire.size(); ++cut) {
        const auto outcome = read(std::string_view(wire).substr(0, cut));
        INFO("cut at " << cut);
        REQUIRE(outcome.parser.phase() == HttpParser::Phase::malformed);
    }
}

SCENARIO("what comes after an answer is not touched", "[http]") {
    const std::string first = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    const auto outcome = read(first + "HTTP/1.1 200 OK\r\n");
    REQUIRE(outcome.parser.phase() == HttpParser::Phase::done);
    REQUIRE(outcome.used == first.size());
}

SCENARIO("header fields are found in any case", "[http]") {
    const auto outcome =
        read("HTTP/1.1 429 Too Many Requests\r\nRETRY-after:\t 17 \r\nX-Empty:\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 0\r\n\r\n");
    const auto& headers = outcome.parser.headers();
    REQUIRE(outcome.parser.status() == 429);
    REQUIRE(headers.find("Retry-After") == "17");
    REQUIRE(headers.find("x-empty") == "");
    REQUIRE(headers.find("Set-Cookie") == "a");
    REQUIRE(headers.all("set-cookie") == std::vector<std::string_view>{"a", "b"});
    REQUIRE_FALSE(headers.find("Retry"));
}

SCENARIO("an answer two parties could read in two ways is refused", "[http]") {
    const std::string ok = "HTTP/1.1 200 OK\r\n";
    REQUIRE(whyNot(ok + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n") == "it has both Transfer-Encoding and Content-Length");
    REQUIRE(whyNot(ok + "Content-Length: 1\r\nContent-Length: 1\r\n\r\nx") == "it has more than one Content-Length");
    for (const auto* length : {"1, 1", "+1", "-1", "0x1", "", "1 1", "99999999999999999999"})
        REQUIRE(whyNot(ok + "Content-Length: " + length + "\r\n\r\nx") == "its Content-Length is no number");
    for (const auto* coding : {"gzip, chunked", "chunked, chunked", "identity", "xchunked", ""})
        REQUIRE(whyNot(ok + "Transfer-Encoding: " + coding + "\r\n\r\n0\r\n\r\n") == "its transfer coding is not just chunked");
    REQUIRE(whyNot("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n") == "it has Transfer-Encoding in HTTP/1.0");
    REQUIRE(whyNot(ok + "X: a\r\n b\r\n\r\n") == "a header field is folded");
    REQUIRE(whyNot(ok + "Content-Length : 1\r\n\r\nx") == "a header field's name has a character no name has");
    REQUIRE(whyNot(ok + "X(: 1\r\n\r\nx") == "a header field's name has a character no name has");
    REQUIRE(whyNot(ok + ": 1\r\n\r\nx") == "a header field has no name");
    REQUIRE(whyNot(ok + "nothing\r\n\r\nx") == "a header field has no name");
    REQUIRE(whyNot("HTTP/1.1 200 OK\nContent-Length: 0\n\n") == "a line does not end with CR LF");
    REQUIRE(whyNot(ok + "X: a\rContent-Length: 1\r\n\r\nx") == "a line has a control character");
    REQUIRE(whyNot(ok + std::string("X: a\0b\r\n\r\n", 10)) == "a line has a control character");
    const auto chunked = ok + "Transfer-Encoding: chunked\r\n\r\n";
    for (const auto* size : {"", "x", "-1", "0x1", "1 1", " 1", "1 ", "10000000000000000", "1,"})
        REQUIRE(whyNot(chunked + size + "\r\na\r\n0\r\n\r\n") == "a chunk's size is no number");
    REQUIRE(whyNot(chunked + "1\r\nab\r\n0\r\n\r\n") == "a chunk is longer than it said");
    REQUIRE(whyNot(chunked + "1\r\nabc\r\n0\r\n\r\n") == "a chunk is longer than it said");
    REQUIRE(whyNot(chunked + "0\r\n folded\r\n\r\n") == "a header field is folded");
}

SCENARIO("what is not HTTP is refused", "[http]") {
    for (const auto* wire : {"* OK IMAP4rev1 ready\r\n", "HTTP/2 200\r\n", "HTTP/1.1 20 OK\r\n", "HTTP/1.1 2000 OK\r\n", "HTTP/1.1  200 OK\r\n",
                             "HTTP/1.2 200 OK\r\n", "HTTP/1.1 099 X\r\n", "http/1.1 200 OK\r\n", "\r\nHTTP/1.1 200 OK\r\n", "HTTP/1.1 200OK\r\n"})
        REQUIRE(whyNot(wire) == "it does not begin with an HTTP/1 status line");
    REQUIRE(whyNot("HTTP/1.1 101 Switching Protocols\r\n\r\n") == "it switches to a protocol nobody asked for");
    REQUIRE(whyNot("HTTP/1.1 600 X\r\n\r\n") == "its status is none of HTTP's");
}

SCENARIO("an answer keeps to its limits", "[http]") {
    const std::string ok = "HTTP/1.1 200 OK\r\n";
    const HttpLimits limits{.header = 64, .body = 10};
    GIVEN("a head of exactly the limit, and one byte more") {
        const auto rest = 64 - ok.size() - 7;  // "X: " and two line ends
        REQUIRE(whyNot(ok + "X: " + std::string(rest, 'a') + "\r\n\r\n", limits) == "it is fine");
        REQUIRE(whyNot(ok + "X: " + std::string(rest + 1, 'a') + "\r\n\r\n", limits) == "the head is longer than any we accept");
    }
    GIVEN("a head that never ends") { REQUIRE(whyNot(std::string(65, 'H'), limits) == "the head is longer than any we accept"); }
    GIVEN("interim answers without end") {
        std::string wire;
        for (int i = 0; i < 10; ++i) wire += "HTTP/1.1 100\r\n\r\n";
        REQUIRE(whyNot(wire, limits) == "the head is longer than any we accept");
    }
    GIVEN("bodies of the limit and one byte more") {
        REQUIRE(whyNot(ok + "Content-Length: 10\r\n\r\n0123456789", limits) == "it is fine");
        REQUIRE(whyNot(ok + "Content-Length: 11\r\n\r\n", limits) == "the body is longer than any we accept");
        REQUIRE(whyNot(ok + "\r\n0123456789", limits) == "it is fine");
        REQUIRE(whyNot(ok + "\r\n01234567890", limits) == "the body is longer than any we accept");
    }
    GIVEN("chunks of the limit and one byte more") {
        const auto chunked = ok + "Transfer-Encoding: chunked\r\n\r\n";
        const HttpLimits wider{.header = 100, .body = 10};
        REQUIRE(whyNot(chunked + "5\r\n01234\r\n5\r\n56789\r\n0\r\n\r\n", wider) == "it is fine");
        REQUIRE(whyNot(chunked + "5\r\n01234\r\n6\r\n567890\r\n0\r\n\r\n", wider) == "the body is longer than any we accept");
        REQUIRE(whyNot(chunked + "FFFFFFFFFFFFFFFF\r\n", wider) == "the body is longer than any we accept");
        REQUIRE(whyNot(chunked + "1;" + std::string(2000, 'x'), wider) == "the line of a chunk is longer than any we accept");
        REQUIRE(whyNot(chunked + "0\r\nX: " + std::string(200, 'x') + "\r\n\r\n", wider) == "the head is longer than any we accept");
    }
    GIVEN("a HEAD request's answer with a length past the limit") {
        const auto outcome = read(ok + "Content-Length: 999999\r\n\r\n", std::string_view::npos, limits, HttpParser::To::head);
        REQUIRE(outcome.parser.phase() == HttpParser::Phase::done);
        REQUIRE(outcome.parser.reusable());
    }
}

SCENARIO("a URL is taken apart as it is written", "[http]") {
    struct Row {
        const char* text;
        bool tls;
        const char* host;
        int port;
        const char* target;
        const char* authority;
    };
    const auto row = GENERATE(values<Row>({
        {"https://login.example.com/tenant/oauth2/v2.0/token", true, "login.example.com", 443, "/tenant/oauth2/v2.0/token", "login.example.com"},
        {"HTTPS://Host_1.example", true, "Host_1.example", 443, "/", "Host_1.example"},
        {"http://127.0.0.1:8080/a%2Fb?c=d%20e&f#part", false, "127.0.0.1", 8080, "/a%2Fb?c=d%20e&f", "127.0.0.1:8080"},
        {"https://[::1]:8443?q", true, "::1", 8443, "/?q", "[::1]:8443"},
        {"http://h:80/", false, "h", 80, "/", "h"},
        {"https://h:80/", true, "h", 80, "/", "h:80"},
    }));
    GIVEN(row.text) {
        const auto url = parseHttpUrl(row.text);
        REQUIRE(url);
        CHECK(url->tls == row.tls);
        CHECK(url->host == row.host);
        CHECK(url->port == row.port);
        CHECK(url->target == row.target);
        CHECK(url->authority == row.authority);
    }
    for (const auto* text : {"",
                             "https",
                             "https://",
                             "https:///path",
                             "ftp://h/",
                             "//h/",
                             "h/",
                             "https://user:password@h/",
                             "https://h:0/",
                             "https://h:65536/",
                             "https://h:/",
                             "https://h:8a/",
                             "https://h :1/",
                             "https://h/a b",
                             "https://h/\r\nX: y",
                             "https://[::1/",
                             "https://[::1]x/",
                             "https://[h]/",
                             "https://h\"/",
                             "https://a,b/",
                             "https://h/\xc3\xa4"}) {
        INFO(text);
        CHECK_FALSE(parseHttpUrl(text));
    }
}
