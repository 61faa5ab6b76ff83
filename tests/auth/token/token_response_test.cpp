#include "auth/token/token_response.h"

#include "auth/diagnosis/diagnosis.h"

#include <catch2/catch.hpp>

#include <string>

using namespace auth;
using namespace std::chrono_literals;
using plugin::Code;
using plugin::Reaction;
using plugin::Result;

namespace {

const plugin::Wall now = std::chrono::system_clock::from_time_t(1'795'368'000);  // Sun, 22 Nov 2026 17:20:00 GMT

Result<TokenGrant> judged(int status, const std::string& body, const std::string& type = "application/json", const std::string& retryAfter = "") {
    return judge({status, type, retryAfter, body}, now, [](std::string_view text) { return text.find("hunter2") != std::string_view::npos; });
}

}  // namespace

SCENARIO("answers that servers really give are taken", "[token]") {
    GIVEN("Entra's") {
        const auto grant = judged(200, R"({"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"eyJ0.e-x_p.sig"})");
        REQUIRE(grant);
        CHECK(grant->accessToken.reveal() == "eyJ0.e-x_p.sig");
        CHECK(grant->type == "Bearer");
        CHECK(grant->expiresIn == 3599s);
        CHECK(grant->scopes.empty());
        CHECK(grant->refreshToken.empty());
    }
    GIVEN("Entra's older endpoint, where numbers are strings") {
        const auto grant = judged(200, R"({"token_type":"Bearer","expires_in":"3599","expires_on":"1795371600","access_token":"t"})");
        REQUIRE(grant);
        CHECK(grant->expiresIn == 3599s);
    }
    GIVEN("one with everything") {
        const auto grant =
            judged(200, R"({"token_type":"bEaReR","expires_in":7200,"refresh_in":3600,"access_token":"t","refresh_token":"r","scope":"a b"})",
                   "text/json; charset=utf-8");
        REQUIRE(grant);
        CHECK(grant->type == "bEaReR");
        CHECK(grant->refreshIn == 3600s);
        CHECK(grant->refreshToken.reveal() == "r");
        CHECK(grant->scopes == "a b");
    }
    GIVEN("one that does not say how long, or says nonsense") {
        const auto life =
            GENERATE(as<std::string>{}, "", R"("expires_in":null,)", R"("expires_in":-1,)", R"("expires_in":"soon",)", R"("expires_in":[1],)");
        const auto grant = judged(200, "{" + life + R"("token_type":"Bearer","access_token":"t"})");
        REQUIRE(grant);
        CHECK_FALSE(grant->expiresIn);
    }
    GIVEN("a life of three hundred million years") {
        const auto grant = judged(200, R"({"expires_in":9223372036854775807,"token_type":"Bearer","access_token":"t"})");
        REQUIRE(grant);
        CHECK(grant->expiresIn == maxTokenLife);
    }
}

SCENARIO("every refusal has its code and says what to do", "[token]") {
    struct Row {
        int status;
        std::string body;
        Code code;
        Reaction reaction;
    };
    const auto row = GENERATE(values<Row>({
        {401, R"({"error":"invalid_client"})", Code::tokenClientRefused, Reaction::askOperator},
        {400, R"({"error":"invalid_client"})", Code::tokenClientRefused, Reaction::askOperator},
        {400, R"({"error":"invalid_scope"})", Code::tokenScopeRefused, Reaction::askOperator},
        {400, R"({"error":"invalid_request"})", Code::tokenRequestRefused, Reaction::askOperator},
        {400, R"({"error":"invalid_grant"})", Code::tokenRequestRefused, Reaction::askOperator},
        {400, R"({"error":"unauthorized_client"})", Code::tokenRequestRefused, Reaction::askOperator},
        {400, R"({"error":"unsupported_grant_type"})", Code::tokenRequestRefused, Reaction::askOperator},
        {403, R"({"error":"access_denied"})", Code::tokenRequestRefused, Reaction::askOperator},
        {200, R"({"error":"bad_verification"})", Code::tokenRequestRefused, Reaction::askOperator},
        {400, R"({"error":"temporarily_unavailable"})", Code::tokenEndpointBusy, Reaction::retryLater},
        {400, R"({"error":"server_error"})", Code::tokenEndpointBusy, Reaction::retryLater},
        {503, R"({"error":"invalid_grant"})", Code::tokenEndpointBusy, Reaction::retryLater},
        {429, "slow down", Code::tokenEndpointBusy, Reaction::retryLater},
        {408, "", Code::tokenEndpointBusy, Reaction::retryLater},
        {500, "<html>", Code::tokenEndpointBusy, Reaction::retryLater},
        {502, "", Code::tokenEndpointBusy, Reaction::retryLater},
        {503, "{}", Code::tokenEndpointBusy, Reaction::retryLater},
        {504, "", Code::tokenEndpointBusy, Reaction::retryLater},
        {200, "<html><title>Sign in</title>", Code::tokenNotJson, Reaction::askOperator},
        {200, "", Code::tokenNotJson, Reaction::askOperator},
        {200, R"({"access_token":"t")", Code::tokenNotJson, Reaction::askOperator},
        {200, R"(["access_token"])", Code::tokenNotJson, Reaction::askOperator},
        {200, "access_token=t&token_type=bearer", Code::tokenNotJson, Reaction::askOperator},
        {404, "<html>", Code::tokenEndpointAnswer, Reaction::askOperator},
        {401, "", Code::tokenEndpointAnswer, Reaction::askOperator},
        {302, "", Code::tokenEndpointAnswer, Reaction::askOperator},
        {404, R"({"message":"no"})", Code::tokenEndpointAnswer, Reaction::askOperator},
        {200, std::string(maxTokenAnswer + 1, ' '), Code::tokenEndpointAnswer, Reaction::askOperator},
        {200, "{}", Code::tokenIncomplete, Reaction::askOperator},
        {200, R"({"token_type":"Bearer","access_token":""})", Code::tokenIncomplete, Reaction::askOperator},
        {200, R"({"token_type":"Bearer","access_token":null})", Code::tokenIncomplete, Reaction::askOperator},
        {200, R"({"token_type":"Bearer","access_token":7})", Code::tokenIncomplete, Reaction::askOperator},
        {200, R"({"token_type":"Bearer","access_token":"a\u0001auth=b"})", Code::tokenIncomplete, Reaction::askOperator},
        {200, R"({"token_type":"Bearer","access_token":"a\r\nb"})", Code::tokenIncomplete, Reaction::askOperator},
        {200, R"({"token_type":"Bearer","access_token":"\u00e9"})", Code::tokenIncomplete, Reaction::askOperator},
        {200, R"({"token_type":"mac","access_token":"t"})", Code::tokenTypeNotBearer, Reaction::askOperator},
        {200, R"({"access_token":"t"})", Code::tokenTypeNotBearer, Reaction::askOperator},
    }));
    WHEN("the answer is " + std::to_string(row.status) + " " + row.body.substr(0, 60)) {
        const auto grant = judged(row.status, row.body, "text/html");
        REQUIRE_FALSE(grant);
        CHECK(grant.error().code == row.code);
        CHECK(grant.error().reaction == row.reaction);
        CHECK_FALSE(grant.error().what.empty());
        CHECK(grant.error().what.size() < 600);
    }
}

SCENARIO("the provider's identifiers are kept and its numbers explained", "[token]") {
    const auto grant = judged(401, R"({"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided.\r\nTrace ID: x",)"
                                   R"("error_codes":[7000215],"timestamp":"2026-11-22 17:20:00Z","trace_id":"0a1b","correlation_id":"2c3d"})");
    REQUIRE_FALSE(grant);
    CHECK(grant.error().provider == "AADSTS7000215 trace_id=0a1b correlation_id=2c3d timestamp=2026-11-22 17:20:00Z");
    CHECK(grant.error().what ==
          "the token endpoint answered HTTP 401 invalid_client: AADSTS7000215: Invalid client secret provided.\\x0d\\x0aTrace ID: x (" +
              auth::diagnosis::entraCause(7000215) + ")");
}

SCENARIO("a text that repeats a secret is left out, wherever it stands", "[token]") {
    for (const auto* body : {R"({"error":"invalid_client","error_description":"your secret hunter2 is wrong"})", R"({"error":"hunter2"})",
                             R"({"error":"x","trace_id":"hunter2"})", R"({"access_token":"t","token_type":"hunter2"})"}) {
        const auto grant = judged(400, body);
        REQUIRE_FALSE(grant);
        CHECK(plugin::describe(grant.error()).find("hunter2") == std::string::npos);
    }
    CHECK(judged(200, "<html>", "hunter2").error().what.find("hunter2") == std::string::npos);
}

SCENARIO("tokens never stand in an error", "[token]") {
    const auto grant = judged(200, R"({"token_type":"mac","access_token":"very-secret-token","refresh_token":"very-secret-refresh"})");
    REQUIRE_FALSE(grant);
    CHECK(plugin::describe(grant.error()).find("very-secret") == std::string::npos);
}

SCENARIO("Retry-After is obeyed as seconds and as a date", "[token]") {
    struct Row {
        std::string text;
        std::optional<std::chrono::seconds> wait;
    };
    const auto row = GENERATE(values<Row>({
        {"120", 120s},
        {" 7 ", 7s},
        {"0", 0s},
        {"Sun, 22 Nov 2026 17:21:30 GMT", 90s},
        {"Sun, 22 Nov 2026 17:00:00 GMT", 0s},
        {"Sun, 22 Nov 2099 17:00:00 GMT", maxRetryAfter},
        {"Fri, 31 Dec 9999 23:59:59 GMT", std::nullopt},  // beyond what our time can hold
        {"99999999999999999999", maxRetryAfter},
        {"", std::nullopt},
        {"soon", std::nullopt},
        {"Sun, 31 Feb 2026 17:00:00 GMT", std::nullopt},
        {"Sun, 22 Nvo 2026 17:00:00 GMT", std::nullopt},
        {"Sun, 22 Nov 2026 24:00:00 GMT", std::nullopt},
        {"Sun, 22 Nov 2026 17:00:00 CET", std::nullopt},
        {"Sun, 22 Nov 2026 17:00:0a GMT", std::nullopt},
        {"-5", std::nullopt},
        {"1.5", std::nullopt},
    }));
    WHEN("it says \"" + row.text + "\"") {
        CHECK(parseRetryAfter(row.text, now) == row.wait);
        const auto grant = judged(429, "", "", row.text);
        REQUIRE_FALSE(grant);
        CHECK(grant.error().retryAfter == row.wait);
    }
    THEN("a refusal that no waiting mends carries none") { CHECK_FALSE(judged(400, R"({"error":"invalid_client"})", "", "5").error().retryAfter); }
}

TEST_CASE("the offset of the endpoint's clock is what no length of the request explains", "[token]") {
    const auto offset = [](const char* date, std::chrono::milliseconds took = 200ms) { return clockOffset(date, now + 500ms, now + 500ms + took); };
    CHECK(offset("Sun, 22 Nov 2026 17:20:00 GMT") == 0s);  // the second it was sent in
    CHECK(offset(" Sun, 22 Nov 2026 17:20:00 GMT ") == 0s);
    CHECK(offset("Sun, 22 Nov 2026 17:20:09 GMT", 9000ms) == 0s);
    CHECK(offset("Sun, 22 Nov 2026 17:20:09 GMT") == 9s);  // rounded away from 0
    CHECK(offset("Sun, 22 Nov 2026 17:21:34 GMT") == 94s);
    CHECK(offset("Sun, 22 Nov 2026 17:19:48 GMT") == -12s);
    CHECK(offset("Mon, 23 Nov 2026 17:20:00 GMT") == 86'400s);
    for (const auto* none : {"", "now", "1795368000", "Sunday, 22-Nov-26 17:20:00 GMT"}) CHECK_FALSE(offset(none));
}
