#include "auth/login/redirect.h"

#include <catch2/catch.hpp>

#include <string>

using namespace auth::login;
using plugin::Code;
using plugin::Reaction;

SCENARIO("what comes back is taken apart and decoded", "[login]") {
    const auto redirect = parseRedirect("code=a%2Fb+c&state=s1&iss=https%3A%2F%2Fidp.example&session_state=x&code_more=y");
    REQUIRE(redirect);
    CHECK(redirect->code.reveal() == "a/b c");
    CHECK(redirect->state == "s1");
    CHECK(redirect->issuer == "https://idp.example");
    CHECK(redirect->error.empty());
    REQUIRE(parseRedirect(""));
    CHECK(parseRedirect("")->state.empty());
}

SCENARIO("what could be read in two ways is no answer", "[login]") {
    const auto query = GENERATE(as<std::string>{}, "code=a&code=b&state=s", "code=a&state=s&state=s", "code=a&state=s&c%6fde=b", "code=%4&state=s",
                                "code=%zz&state=s", "state=s&error=%");
    INFO(query);
    CHECK_FALSE(parseRedirect(query));
    CHECK_FALSE(parseRedirect("code=" + std::string(maxRedirect, 'a')));
}

SCENARIO("only the state that was sent answers", "[login]") {
    CHECK(answers(*parseRedirect("code=a&state=right"), "right"));
    for (const auto* wrong : {"code=a&state=wrong", "code=a&state=righ", "code=a&state=rightt", "code=a&state=", "code=a"})
        CHECK_FALSE(answers(*parseRedirect(wrong), "right"));
    CHECK_FALSE(answers(*parseRedirect("code=a"), ""));
}

SCENARIO("an address is pasted as people copy it", "[login]") {
    for (const auto* pasted : {"code=a&state=s", "?code=a&state=s", "https://postern.example/oauth-callback?code=a&state=s",
                               "  http://localhost:1/cb?code=a&state=s#\r\n", "/cb?code=a&state=s"})
        CHECK(queryOf(pasted) == "code=a&state=s");
    CHECK(queryOf(" \t") == "");
}

SCENARIO("each answer means what it says", "[login]") {
    struct Row {
        std::string query;
        Code code;
        Reaction reaction;
        std::string text;
    };
    const auto row = GENERATE(values<Row>({
        {"error=access_denied&error_description=The+user+said+no", Code::tokenSignInAbandoned, Reaction::askOperator,
         "the provider answered access_denied: The user said no"},
        {"error=invalid_scope", Code::tokenScopeRefused, Reaction::askOperator, "invalid_scope"},
        {"error=consent_required", Code::tokenSignInRefused, Reaction::askOperator, "has not been authorised before"},
        {"error=login_required", Code::tokenSignInRefused, Reaction::askOperator, "use_prompt = true asks"},
        {"error=interaction_required", Code::tokenSignInRefused, Reaction::askOperator, "has not been authorised before"},
        {"error=unauthorized_client", Code::tokenSignInRefused, Reaction::askOperator, "unauthorized_client"},
        {"error=server_error", Code::tokenEndpointBusy, Reaction::retryLater, "server_error"},
        {"error=temporarily_unavailable", Code::tokenEndpointBusy, Reaction::retryLater, "temporarily_unavailable"},
        {"error=%1b%5b2J&error_description=%0aPO-0000+forged", Code::tokenSignInRefused, Reaction::askOperator, "\\x1b[2J: \\x0aPO-0000 forged"},
        {"", Code::tokenSignInAnswer, Reaction::askOperator, "neither a code nor an error"},
        {"code=a%00b", Code::tokenSignInAnswer, Reaction::askOperator, "octets that no code may have"},
    }));
    INFO(row.query);
    const auto code = codeOf(*parseRedirect(row.query), "");
    REQUIRE_FALSE(code);
    CHECK(code.error().code == row.code);
    CHECK(code.error().reaction == row.reaction);
    INFO(code.error().what);
    CHECK(code.error().what.find(row.text) != std::string::npos);
}

SCENARIO("long texts of the provider are cut", "[login]") {
    const auto code = codeOf(*parseRedirect("error=x&error_description=" + std::string(5000, 'y')), "");
    REQUIRE_FALSE(code);
    CHECK(code.error().what.size() < 400);
}

SCENARIO("the issuer that answers is the one that was asked, where it is known", "[login]") {
    const std::string query = "code=a&state=s&iss=https%3A%2F%2Fidp.example";
    CHECK(codeOf(*parseRedirect(query), "https://idp.example")->reveal() == "a");
    CHECK(codeOf(*parseRedirect(query), "")->reveal() == "a");
    for (const auto* other : {"code=a&state=s&iss=https%3A%2F%2Fidp.example%2F", "code=a&state=s&iss=https%3A%2F%2Fevil.example", "code=a&state=s",
                              "error=access_denied&state=s"}) {
        const auto code = codeOf(*parseRedirect(other), "https://idp.example");
        REQUIRE_FALSE(code);
        CHECK(code.error().code == Code::tokenSignInAnswer);
    }
}

SCENARIO("a page says nothing but text", "[login]") {
    CHECK(htmlText("<script>alert(\"1\" & '2')</script>") == "&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;");
    CHECK(htmlText("gr\xc3\xbc\xc3\x9f \xff\x01") == "gr\xc3\xbc\xc3\x9f \xef\xbf\xbd\xef\xbf\xbd");
    CHECK(htmlText(std::string(1000, 'x')).size() == 303);
}
