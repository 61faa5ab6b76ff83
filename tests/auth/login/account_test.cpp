#include "auth/login/account.h"
#include "auth/sasl/base64.h"
#include "tests/auth/token/fakes.h"

#include <catch2/catch.hpp>

#include <string>

using namespace auth::login;

namespace {

std::string jwt(const std::string& claims) {
    return std::string(auth::sasl::base64Url(R"({"alg":"none"})").reveal()) + "." + std::string(auth::sasl::base64Url(claims).reveal()) + ".c2ln";
}

}  // namespace

SCENARIO("a token says who has signed in", "[login]") {
    GIVEN("an ID token with several names") {
        const auto account =
            accountOf(jwt(R"({"iss":"https://idp","sub":"12345","email":"Sales@Example.com","preferred_username":"sales"})"), "opaque");
        REQUIRE(account);
        CHECK(account->name == "sales");
        CHECK(account->issuer == "https://idp");
        CHECK(compare(*account, "sales@example.COM") == Match::same);
        CHECK(compare(*account, "12345") == Match::same);
        CHECK(compare(*account, "orders@example.com") == Match::other);
    }
    GIVEN("no ID token, but an access token that is a JWT, as Entra's") {
        const auto account = accountOf("", jwt(R"({"upn":"orders@example.com","unique_name":"orders@example.com"})"));
        REQUIRE(account);
        CHECK(account->issuer.empty());
        CHECK(compare(*account, "orders@example.com") == Match::same);
    }
    GIVEN("nothing but an opaque subject") {
        const auto account = accountOf(jwt(R"({"sub":"AAAA-bbbb"})"), "opaque");
        REQUIRE(account);
        THEN("an address can be compared with nothing") { CHECK(compare(*account, "orders@example.com") == Match::unknown); }
    }
    GIVEN("tokens that say nothing") {
        CHECK_FALSE(accountOf("", ""));
        CHECK_FALSE(accountOf("a.b", "a.b.c.d"));
        CHECK_FALSE(accountOf("a.!!.c", jwt("[]")));
        CHECK_FALSE(accountOf(jwt(R"({"preferred_username":7})"), jwt("{}")));
    }
    GIVEN("a name that would play with the terminal") {
        const auto account = accountOf(jwt(R"({"sub":"\u001b[2Jx@y"})"), "");
        REQUIRE(account);
        CHECK(account->name == "\\x1b[2Jx@y");
    }
}

SCENARIO("who is expected is who uses the credential", "[login]") {
    const auto configuration = fakes::configuration({{"mailbox.a.credential", "sales"},
                                                     {"mailbox.a.user", "a@example.com"},
                                                     {"mailbox.b.credential", "other"},
                                                     {"mailbox.b.user", "b@example.com"},
                                                     {"mailbox.c.credential", "sales"},
                                                     {"mailbox.c.user", "c@example.com"},
                                                     {"mailbox.d.credential", "sales"},
                                                     {"mailbox.d.user", "a@example.com"},
                                                     {"sink.hook.credential", "sales"}});
    CHECK(usersOf(configuration, "sales") == std::vector<std::string>{"a@example.com", "c@example.com"});
    CHECK(usersOf(configuration, "nobody").empty());
}
