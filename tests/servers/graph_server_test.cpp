// The server that judges others, judged: what it must object to.
#include "tests/servers/graph_server.h"

#include <catch2/catch.hpp>

#include <map>
#include <string>

using servers::GraphServer;

namespace {

const std::string mailbox = "/v1.0/users/intake%40contoso.com";

/// A client that does everything right, but for what a test changes. "": leaves the header out.
struct Client {
    explicit Client(GraphServer& server) : connection(server.connect()) {}
    std::string ask(const std::string& line, const std::string& body = "", std::map<std::string, std::string> changed = {}) {
        std::map<std::string, std::string> headers{{"Authorization", "Bearer graph-token-of-this-test"},
                                                   {"Prefer", "IdType=\"ImmutableId\""},
                                                   {"User-Agent", "postern/0.5.0"},
                                                   {"client-request-id", "00000000-0000-4000-8000-00000000" + std::to_string(1000 + ++asked)},
                                                   {"Content-Length", std::to_string(body.size())}};
        if (!body.empty()) headers["Content-Type"] = "application/json";
        for (const auto& [name, value] : changed) headers[name] = value;
        std::string wire = line + " HTTP/1.1\r\n";
        for (const auto& [name, value] : headers)
            if (!value.empty()) wire += name + ": " + value + "\r\n";
        return connection->receive(wire + "\r\n" + body);
    }
    std::shared_ptr<servers::Peer> connection;
    int asked = 0;
};

bool says(const std::string& answer, int status) { return answer.starts_with("HTTP/1.1 " + std::to_string(status)); }

std::string batchOf(int count) {
    std::string body = R"({"requests":[)";
    for (int i = 0; i < count; ++i)
        body += (i > 0 ? "," : "") + (R"({"id":")" + std::to_string(i)) +
                R"(","method":"GET","url":"/users/intake%40contoso.com/mailFolders/inbox","headers":{"Prefer":"IdType=\"ImmutableId\""}})";
    return body + "]}";
}

}  // namespace

SCENARIO("what is right is answered, and nothing is noted", "[servers][graph]") {
    GraphServer server({.listens = false});
    Client client(server);
    const auto id = server.deliver("Subject: x\r\n\r\n");
    CHECK(says(client.ask("GET " + mailbox + "/mailFolders/inbox?$select=id,displayName"), 200));
    CHECK(says(client.ask("GET " + mailbox + "/mailFolders/inbox/messages/delta?$select=id,isRead", "",
                          {{"Prefer", "odata.maxpagesize=5, IdType=\"ImmutableId\""}}),
               200));
    CHECK(says(client.ask("POST /v1.0/$batch", batchOf(20)), 200));
    CHECK(says(client.ask("POST " + mailbox + "/mailFolders/inbox/childFolders", R"({"displayName":"x"})"), 201));
    CHECK(says(client.ask("GET /v1.0/users/nobody%40contoso.com/mailFolders/inbox"), 404));
    const auto refused = client.ask("GET " + mailbox + "/mailFolders/inbox", "", {{"Authorization", "Bearer another"}});
    CHECK(says(refused, 401));
    CHECK(refused.find("WWW-Authenticate: Bearer") != std::string::npos);
    CHECK(refused.find("InvalidAuthenticationToken") != std::string::npos);
    CHECK(server.problems().empty());
}

SCENARIO("what is wrong is refused and noted", "[servers][graph]") {
    GraphServer server({.listens = false});
    Client client(server);
    const auto noted = [&server](const std::string& answer) {
        CHECK(says(answer, 400));
        CHECK(!server.problems().empty());
    };
    const auto inbox = mailbox + "/mailFolders/inbox";
    SECTION("no immutable ids") { noted(client.ask("GET " + inbox, "", {{"Prefer", "odata.maxpagesize=5"}})); }
    SECTION("a preference nobody knows") { noted(client.ask("GET " + inbox, "", {{"Prefer", "IdType=\"ImmutableId\", outlook.timezone=\"UTC\""}})); }
    SECTION("too large a page") { noted(client.ask("GET " + inbox, "", {{"Prefer", "odata.maxpagesize=5000, IdType=\"ImmutableId\""}})); }
    SECTION("an id of a request that is none") { noted(client.ask("GET " + inbox, "", {{"client-request-id", "7"}})); }
    SECTION("an option nobody knows") { noted(client.ask("GET " + inbox + "?$expand=messages")); }
    SECTION("a field nobody knows") { noted(client.ask("GET " + inbox + "?$select=id,subject")); }
    SECTION("an option twice") { noted(client.ask("GET " + inbox + "?$select=id&$select=id")); }
    SECTION("a path that is not encoded") { noted(client.ask("GET /v1.0/users/intake@contoso.com/mailFolders/inbox")); }
    SECTION("another version") { noted(client.ask("GET /beta/users/intake%40contoso.com/mailFolders/inbox")); }
    SECTION("a link nobody gave") { noted(client.ask("GET " + inbox + "/messages/delta?$deltatoken=x")); }
    SECTION("a body without its type") { noted(client.ask("POST " + inbox + "/childFolders", R"({"displayName":"x"})", {{"Content-Type", ""}})); }
    SECTION("more in a body than was asked for") { noted(client.ask("POST " + inbox + "/childFolders", R"({"displayName":"x","isHidden":true})")); }
    SECTION("too many in a $batch") { noted(client.ask("POST /v1.0/$batch", batchOf(21))); }
    SECTION("a method that is none here") { noted(client.ask("DELETE " + inbox)); }
    SECTION("an id of a request twice") {
        CHECK(says(client.ask("GET " + inbox, "", {{"client-request-id", "00000000-0000-4000-8000-000000000007"}}), 200));
        noted(client.ask("GET " + inbox, "", {{"client-request-id", "00000000-0000-4000-8000-000000000007"}}));
    }
    SECTION("an option beside a link") {
        const auto page = client.ask("GET " + inbox + "/messages/delta?$select=id");
        const auto at = page.find("/v1.0/users", page.find("deltaLink"));
        const auto link = page.substr(at, page.find('"', at) - at);
        CHECK(says(client.ask("GET " + link), 200));
        noted(client.ask("GET " + link + "&$select=id"));
    }
    SECTION("a request of a $batch without immutable ids") {
        const auto answer =
            client.ask("POST /v1.0/$batch", R"({"requests":[{"id":"1","method":"GET","url":"/users/intake%40contoso.com/mailFolders/inbox"}]})");
        CHECK(says(answer, 200));
        CHECK(answer.find("\"status\":400") != std::string::npos);
        CHECK(server.problems().size() == 1);
    }
}

SCENARIO("a message that is changed or moved is answered as a whole, unless nobody wants to see it", "[servers][graph]") {
    GraphServer server({.listens = false});
    Client client(server);
    const auto id = server.deliver("Subject: x\r\n\r\nall of it\r\n");
    const auto encoded = "AAkALg%2F" + id.substr(7, id.find('+') - 7) + "%2Bx_-AA%3D%3D";
    const auto message = mailbox + "/messages/" + encoded;
    const auto whole = client.ask("PATCH " + message, R"({"isRead":true})");
    CHECK(says(whole, 200));
    CHECK(whole.find("all of it") != std::string::npos);
    CHECK(says(client.ask("PATCH " + message, R"({"isRead":true})", {{"Prefer", "return=minimal, IdType=\"ImmutableId\""}}), 204));
    const auto moved = client.ask("POST " + message + "/move", R"({"destinationId":"deleteditems"})");
    CHECK(says(moved, 201));
    CHECK(moved.find("all of it") != std::string::npos);
    CHECK(server.problems().empty());
    CHECK(says(client.ask("GET " + mailbox + "/mailFolders/inbox", "", {{"Prefer", "return=minimal, IdType=\"ImmutableId\""}}), 400));
}

SCENARIO("requests are counted, those of a $batch each for itself", "[servers][graph]") {
    GraphServer server({.listens = false});
    Client client(server);
    std::chrono::steady_clock::time_point now{};
    server.limit({.requests = 15, .window = std::chrono::seconds{600}, .now = [&now] { return now; }});
    const auto answer = client.ask("POST /v1.0/$batch", batchOf(20));
    CHECK(says(answer, 200));
    std::size_t throttled = 0;
    for (auto at = answer.find("\"status\":429"); at != std::string::npos; at = answer.find("\"status\":429", at + 1)) ++throttled;
    CHECK(throttled == 5);
    now += std::chrono::seconds{100};
    const auto busy = client.ask("GET " + mailbox + "/mailFolders/inbox");
    CHECK(says(busy, 429));
    CHECK(busy.find("Retry-After: 500\r\n") != std::string::npos);
    now += std::chrono::seconds{500};
    CHECK(says(client.ask("GET " + mailbox + "/mailFolders/inbox"), 200));
    CHECK(server.problems().empty());
}

SCENARIO("a mailbox that has another name is found by that alone, and its links are of no use any more", "[servers][graph]") {
    GraphServer server({.listens = false});
    Client client(server);
    const auto page = client.ask("GET " + mailbox + "/mailFolders/inbox/messages/delta?$select=id");
    const auto at = page.find("/v1.0/users", page.find("deltaLink"));
    const auto link = page.substr(at, page.find('"', at) - at);
    server.rename("other@contoso.com");
    CHECK(says(client.ask("GET " + link), 404));
    CHECK(says(client.ask("GET " + mailbox + "/mailFolders/inbox"), 404));
    CHECK(says(client.ask("GET /v1.0/users/other%40contoso.com/mailFolders/inbox"), 200));
    CHECK(server.problems().empty());
}
