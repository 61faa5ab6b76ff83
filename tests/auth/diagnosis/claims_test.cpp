#include "auth/diagnosis/claims.h"

#include "auth/sasl/base64.h"

#include <catch2/catch.hpp>

#include <algorithm>

using auth::diagnosis::claimsOf;

namespace {

/// Compact form of a JWT without a true signature; base64url without padding.
std::string jwt(std::string_view payload) {
    std::string text(auth::sasl::base64(payload).reveal());
    std::replace(text.begin(), text.end(), '+', '-');
    std::replace(text.begin(), text.end(), '/', '_');
    while (text.ends_with('=')) text.pop_back();
    return "eyJhbGciOiJub25lIn0." + text + ".c2ln";
}

}  // namespace

SCENARIO("what a token says is read wherever it is a JWT", "[diagnosis]") {
    GIVEN("an application's token by Entra") {
        const auto claims = claimsOf(jwt(R"({"aud":"https://outlook.office365.com","iss":"https://sts.windows.net/t/","appid":"app","oid":"object",)"
                                         R"("tid":"t","roles":["IMAP.AccessAsApp","POP.AccessAsApp"],"nbf":1764000000,"exp":1764003599})"));
        REQUIRE(claims);
        CHECK(claims->audience == std::vector<std::string>{"https://outlook.office365.com"});
        CHECK(claims->application == "app");
        CHECK(claims->object == "object");
        CHECK(claims->tenant == "t");
        CHECK(claims->roles == std::vector<std::string>{"IMAP.AccessAsApp", "POP.AccessAsApp"});
        CHECK(claims->scopes.empty());
        CHECK(claims->notBefore == 1764000000);
        CHECK(claims->expires == 1764003599);
        CHECK(claims->isMicrosofts());
        CHECK(claims->isForExchange());
        CHECK_FALSE(claims->isForGraph());
    }
    GIVEN("a user's token of version 2, several audiences, scopes in one string") {
        const auto claims =
            claimsOf(jwt(R"({"aud":["00000003-0000-0000-c000-000000000000","other"],"azp":"app2","scp":"User.Read  IMAP.AccessAsUser.All"})"));
        REQUIRE(claims);
        CHECK(claims->isForGraph());
        CHECK(claims->application == "app2");
        CHECK(claims->scopes == std::vector<std::string>{"User.Read", "IMAP.AccessAsUser.All"});
        CHECK_FALSE(claims->isMicrosofts());
    }
    GIVEN("every length of payload, so every padding") {
        for (const std::string filler : {"", "a", "ab", "abc"}) {
            const auto claims = claimsOf(jwt("{\"oid\":\"\xc3\xbf\xc3\xbe" + filler + "\"}"));  // bytes that need "-" and "_"
            REQUIRE(claims);
            CHECK(claims->object == "\\xc3\\xbf\\xc3\\xbe" + filler);
        }
    }
}

TEST_CASE("a token that is no JWT says nothing, and is no fault", "[diagnosis]") {
    for (const auto* token : {"", "opaque", "a.b", "a.b.c.d", "a.!!!.c", "e30.e30=.x", "x.W10.y", "..", "ya29.a0AfH6SMB-not_json.sig"}) {
        INFO(token);
        CHECK_FALSE(claimsOf(token));
    }
    const auto empty = claimsOf(jwt("{}"));
    REQUIRE(empty);
    CHECK(empty->audience.empty());
    CHECK_FALSE(empty->expires);
    CHECK_FALSE(empty->isForExchange());
}

TEST_CASE("control characters of a claim are escaped and long ones cut", "[diagnosis]") {
    const auto claims = claimsOf(jwt("{\"oid\":\"a\\u001bb\",\"tid\":\"" + std::string(5000, 'x') + "\"}"));
    REQUIRE(claims);
    CHECK(claims->object == "a\\x1bb");
    CHECK(claims->tenant.size() < 300);
}
