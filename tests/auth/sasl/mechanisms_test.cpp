#include "auth/sasl/mechanisms.h"
#include "auth/sasl/base64.h"

#include <catch2/catch.hpp>

#include <string>

using namespace auth;
using namespace std::string_literals;
using plugin::Reaction;

SCENARIO("XOAUTH2 has the bytes its makers publish", "[sasl]") {
    GIVEN("the user and token of Google's own example") {
        const Secret token("ya29.vF9dft4qmTc2Nvb3RlckBhdHRhdmlzdGEuY29tCg");
        const auto response = sasl::xoauth2("someuser@example.com", token);
        REQUIRE(response);
        THEN("the response is theirs") {
            CHECK(sasl::base64(response->reveal()).reveal() ==
                  "dXNlcj1zb21ldXNlckBleGFtcGxlLmNvbQFhdXRoPUJlYXJlciB5YTI5LnZGOWRmdDRxbVRjMk52YjNSbGNrQmhkSFJoZG1semRHRXVZMjl0Q2cBAQ==");
        }
    }
    GIVEN("a token of 16 kB") {
        const auto response = sasl::xoauth2("u@example.com", Secret(std::string(16'384, 't')));
        REQUIRE(response);
        THEN("it is sent whole, in one line") {
            CHECK(response->reveal().size() == 5 + 13 + 1 + 12 + 16'384 + 2);
            CHECK(sasl::base64(response->reveal()).reveal().find('\n') == std::string_view::npos);
        }
    }
}

SCENARIO("OAUTHBEARER has the bytes of RFC 7628", "[sasl]") {
    GIVEN("the example of section 4.1, without its authorization identity's escapes") {
        const auto response = sasl::oauthbearer("user@example.com", "server.example.com", 143, Secret("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="));
        REQUIRE(response);
        CHECK(sasl::base64(response->reveal()).reveal() ==
              "bixhPXVzZXJAZXhhbXBsZS5jb20sAWhvc3Q9c2VydmVyLmV4YW1wbGUuY29tAXBvcnQ9MTQzAWF1dGg9QmVhcmVyIHZGOWRmdDRxbVRjMk52YjNSbGNrQmhiSFJoZG1semRHRX"
              "VZMj"
              "l0Q2c9PQEB");
    }
    GIVEN("a user with a comma and an equals sign") {
        const auto response = sasl::oauthbearer("a,b=c@example.com", "h", 993, Secret("t"));
        REQUIRE(response);
        THEN("they are escaped as RFC 5801 asks") {
            CHECK(response->reveal() == "n,a=a=2Cb=3Dc@example.com,\x01host=h\x01port=993\x01"s + "auth=Bearer t\x01\x01");
        }
    }
}

SCENARIO("PLAIN has the bytes of RFC 4616", "[sasl]") {
    const auto response = sasl::plain("tim", Secret("tanstaaftanstaaf"));
    REQUIRE(response);
    CHECK(response->reveal() == "\0tim\0tanstaaftanstaaf"s);
    GIVEN("a password with a control character, which PLAIN allows") {
        const auto odd = sasl::plain("tim", Secret("tab\there"));
        REQUIRE(odd);
        CHECK(odd->reveal() == "\0tim\0tab\there"s);
    }
}

SCENARIO("nothing can forge a field", "[sasl]") {
    const Secret token("secret-token");
    const auto bad = GENERATE("a\x01"s, "a\0b"s, "a\r\n"s, "a\x7f"s, ""s);
    WHEN("a user or a token has a control octet, or is empty") {
        for (const auto& response : {sasl::xoauth2(bad, token), sasl::xoauth2("u", Secret(bad)), sasl::oauthbearer(bad, "h", 1, token),
                                     sasl::oauthbearer("u", "h", 1, Secret(bad))}) {
            REQUIRE_FALSE(response);
            CHECK(response.error().reaction == Reaction::askOperator);
            CHECK(response.error().what.find("secret-token") == std::string::npos);
        }
    }
    CHECK_FALSE(sasl::oauthbearer("u", "h\x01", 1, token));
    CHECK_FALSE(sasl::plain("a\0b"s, token));
    CHECK_FALSE(sasl::plain("", token));
    CHECK_FALSE(sasl::plain("u", Secret("p\0q"s)));
    CHECK_FALSE(sasl::plain("u", Secret()));
}

SCENARIO("a challenge tells what the server has against a token", "[sasl]") {
    GIVEN("Gmail's, as its log shows it") {
        const auto said = sasl::challenge("eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIG1hYyIsInNjb3BlIjoiaHR0cHM6Ly9tYWlsLmdvb2dsZS5jb20vIn0K");
        CHECK(said.status == "401");
        CHECK(said.schemes == "bearer mac");
        CHECK(said.scope == "https://mail.google.com/");
        CHECK(sasl::describe(said) == "status 401, schemes bearer mac, scope https://mail.google.com/");
    }
    GIVEN("Dovecot's for OAUTHBEARER") { CHECK(sasl::challenge(sasl::base64(R"({"status":"invalid_token"})").reveal()).status == "invalid_token"); }
    GIVEN("a number where a string should be") { CHECK(sasl::challenge(sasl::base64(R"({"status":400})").reveal()).status == "400"); }
    GIVEN("JSON that nobody encoded, with a line end") { CHECK(sasl::challenge("{\"status\":\"401\"}\r\n").status == "401"); }
    GIVEN("something else") {
        const auto text = GENERATE(""s, "not base64"s, "AQ=="s, "e30="s, std::string(100'000, '{'));
        THEN("nothing is made of it") { CHECK(sasl::describe(sasl::challenge(text)).empty()); }
    }
    GIVEN("control octets in the scope") {
        const auto said = sasl::challenge(R"({"scope":"a\u0007\u001b[31m"})");
        THEN("they reach no terminal") { CHECK(said.scope == "a\\x07\\x1b[31m"); }
    }
}
