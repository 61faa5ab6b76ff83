#include "tests/servers/ews_server.h"
#include "tests/servers/graph_server.h"
#include "tests/servers/token_endpoint.h"
#include "tests/system/workplace.h"

#include <Poco/JSON/Array.h>
#include <Poco/JSON/Parser.h>

#include <catch2/catch.hpp>

#include <algorithm>

using namespace systemtest;
using servers::EwsServer;
using servers::GraphServer;
using servers::TokenEndpoint;

namespace {

constexpr const char* user = "intake@contoso.com";

std::string lines(const Workplace& place, const std::string& protocol, const std::string& url, const TokenEndpoint& tokens) {
    return "credential.c.grant = client_credentials\ncredential.c.client_id = app\ncredential.c.client_secret = ${file:" +
           place.file("secret", "s3cret").string() +
           "}\ncredential.c.scopes = "
           "mail\ncredential.c.token_endpoint = " +
           tokens.url() + "\nmailbox.m.protocol = " + protocol + "\nmailbox.m.url = " + url + "\nmailbox.m.user = " + user +
           "\nmailbox.m.credential = c\nmailbox.m.deliver = spool\nmailbox.m.start = all\n";
}

std::string mail(int number) {
    return "Message-ID: <" + std::to_string(number) +
           "@contoso.com>\r\nDate: Sun, 22 Nov 2026 08:15:00 +0000\r\nFrom: a@contoso.com\r\nSubject: mail " + std::to_string(number) +
           "\r\n\r\nbody " + std::to_string(number) + "\r\n";
}

std::string received(int number) { return "2026-11-22T08:" + std::to_string(10 + number) + ":00Z"; }

/// A mailbox with the same five messages at an EWS endpoint and at Microsoft Graph.
struct SameAtBoth {
    SameAtBoth() {
        ews.user = user;
        ews.rendersAnew = true;
        graph.rendersAnew(true);
        for (int number = 0; number < 5; ++number) {
            ews.deliver(ews.inbox(), mail(number), received(number));
            graph.deliver(mail(number), received(number));
        }
    }
    EwsServer ews{};
    std::string endpoint = "http://127.0.0.1:" + std::to_string(ews.listen()) + "/EWS/Exchange.asmx";
    GraphServer graph{};
    TokenEndpoint ewsTokens{"token-1"}, graphTokens{"graph-token-of-this-test"};
    Workplace place{};
};

std::size_t ledgerRows(const Workplace& place) {
    const auto shown = place.postern({"ledger", "--limit", "1000", "--json"});
    return Poco::JSON::Parser().parse(shown.output).extract<Poco::JSON::Array::Ptr>()->size();
}

}  // namespace

SCENARIO("the built program reads mailboxes of Exchange, and goes from EWS to Microsoft Graph without delivering anything twice",
         "[system][exchange]") {
    GIVEN("the same five messages at an EWS endpoint and at Microsoft Graph") {
        SameAtBoth same;
        auto& [ews, endpoint, graph, ewsTokens, graphTokens, place] = same;
        place.configure(lines(place, "ews", endpoint, ewsTokens));
        WHEN("it is tried first") {
            const auto tried = place.postern({"validate", "mailbox", "m"});
            INFO(tried.output << tried.error);
            CHECK(tried.status == 0);
            CHECK(tried.output.find("folder INBOX") != std::string::npos);
            CHECK(tried.output.find("is handed out") != std::string::npos);
        }
        WHEN("it is read by EWS") {
            const auto first = place.postern({"run", "--once"});
            INFO(first.output << first.error);
            REQUIRE(first.status == 0);
            CHECK(place.countDelivered("m") == 5);
            const auto byEws = place.delivered("m");
            for (const auto& [id, each] : byEws) CHECK(each.metadata.find(R"("protocol":"ews")") != std::string::npos);
            THEN("a second look delivers nothing") {
                REQUIRE(place.postern({"run", "--once"}).status == 0);
                CHECK(place.delivered("m").size() == 5);
                CHECK(place.postern({"ledger", "--check"}).status == 0);
            }
            THEN("by Graph only what is new there is delivered") {
                graph.deliver(mail(7), received(7));
                place.configure(lines(place, "graph", graph.url(), graphTokens));
                const auto second = place.postern({"run", "--once"});
                INFO(second.output << second.error);
                REQUIRE(second.status == 0);
                const auto both = place.delivered("m");
                CHECK(both.size() == 6);
                for (const auto& [id, each] : byEws) {
                    REQUIRE(both.contains(id));
                    CHECK(both.at(id).bytes == each.bytes);
                }
                CHECK(ledgerRows(place) == 6);
                CHECK(place.postern({"ledger", "--check"}).status == 0);
                AND_THEN("and back again nothing") {
                    place.configure(lines(place, "ews", endpoint, ewsTokens));
                    REQUIRE(place.postern({"run", "--once"}).status == 0);
                    CHECK(place.delivered("m").size() == 6);
                }
            }
        }
        CHECK(ews.problems() == std::vector<std::string>{});
        CHECK(graph.problems() == std::vector<std::string>{});
    }
}

SCENARIO("where EWS is blocked a mailbox goes over to Microsoft Graph if it is told to, and on no other refusal", "[system][exchange]") {
    SameAtBoth same;
    auto& [ews, endpoint, graph, ewsTokens, graphTokens, place] = same;
    const auto graphCredential = "credential.g.client_id = app\ncredential.g.client_secret = ${file:" + place.file("secret", "s3cret").string() +
                                 "}\ncredential.g.scopes = mail\ncredential.g.token_endpoint = " + graphTokens.url() + "\n";
    place.configure(lines(place, "ews", endpoint, ewsTokens) + graphCredential + "mailbox.m.graph.url = " + graph.url() +
                    "\nmailbox.m.graph.credential = g\nmailbox.m.fallback = graph\n");
    REQUIRE(place.postern({"run", "--once"}).status == 0);
    REQUIRE(place.countDelivered("m") == 5);
    graph.deliver(mail(5), received(5));
    ews.deliver(ews.inbox(), mail(5), received(5));
    const auto refuse = [&ews = ews](std::map<std::string, std::string> headers) {
        ews.instead = [headers](const servers::EwsRequest&) { return std::optional(EwsServer::plain(403, headers)); };
    };
    WHEN("the server says that EWS is blocked, in either of its ways") {
        refuse({{"X-EWS-Policy-Reason", GENERATE("EWS is blocked by policy for this user or tenant", "EWS is disabled for this user or tenant")}});
        const auto ran = place.postern({"run", "--once"});
        INFO(ran.error);
        THEN("the rest is read by Graph, nothing again, and it stays so") {
            CHECK(ran.status == 0);
            CHECK(ran.error.find("PO-4014") != std::string::npos);
            const auto delivered = place.delivered("m");
            CHECK(delivered.size() == 6);
            CHECK(std::count_if(delivered.begin(), delivered.end(),
                                [](const auto& each) { return each.second.metadata.find(R"("protocol":"graph")") != std::string::npos; }) == 1);
            ews.instead = {};
            const auto asked = ews.requests().size();
            CHECK(place.postern({"run", "--once"}).status == 0);
            CHECK(ews.requests().size() == asked);
            CHECK(place.postern({"mailboxes"}).output.find("graph") != std::string::npos);
        }
    }
    WHEN("it says 403 and no more") {
        refuse({});
        const auto ran = place.postern({"run", "--once"});
        INFO(ran.error);
        THEN("the mailbox stays where it is, and says what to look at") {
            CHECK(ran.status == 75);
            CHECK(ran.error.find("PO-4019") != std::string::npos);
            CHECK(place.countDelivered("m") == 5);
            CHECK(graph.requests().empty());
        }
    }
    CHECK(graph.problems() == std::vector<std::string>{});
}
