#include "auth/explain.h"

#include <catch2/catch.hpp>

namespace {

std::string ids(std::string_view text) {
    std::string all;
    for (const auto& each : auth::explain(text)) all += (all.empty() ? "" : " ") + each.id;
    return all;
}

}  // namespace

SCENARIO("a provider's text alone leads to its cause", "[diagnosis]") {
    struct Row {
        const char* text;
        const char* ids;
    };
    const auto row =
        GENERATE(Row{"AADSTS7000215: Invalid client secret provided. Trace ID: 0a1b", "secret-wrong"},
                 Row{R"({"error":"invalid_client","error_description":"as Entra puts it","error_codes":[7000222]})", "secret-expired"},
                 Row{R"({"error":"invalid_client"})", "client-refused"}, Row{"invalid_client", "client-refused"},
                 Row{"error=invalid_grant&error_description=x", "oauth-grant"}, Row{R"({"error":"invalid_scope"})", "scope-refused"},
                 Row{R"({"error":"unauthorized_client","error_description":"Client is unauthorized to retrieve access tokens using this method"})",
                     "google-delegation"},
                 Row{R"({"status":"401","schemes":"bearer","scope":"https://mail.google.com/"})", "challenge-token"},
                 Row{"eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIiwic2NvcGUiOiJodHRwczovL21haWwuZ29vZ2xlLmNvbS8ifQ==", "challenge-token"},
                 Row{R"({"token_type":"Bearer","scope":"https://graph.microsoft.com/.default","access_token":"eyJ0"})", ""},
                 Row{R"({"status":"401","access_token":"eyJ0"})", ""}, Row{R"({"status":"ok"})", ""}, Row{R"({"scope":"mail"})", ""},
                 Row{R"({"schemes":"bearer"})", ""}, Row{R"({"status":"insufficient_scope","scope":"mail"})", "challenge-scope"},
                 Row{"NO [AUTHORIZATIONFAILED] no", "imap-authorization"}, Row{"good morning", ""}, Row{"", ""}, Row{"{", ""}, Row{"AADSTS", ""});
    CAPTURE(row.text);
    CHECK(ids(row.text) == row.ids);
}

SCENARIO("what a text asks for stands in what mends it, as text and no more", "[diagnosis]") {
    const auto found = auth::explain(R"({"status":"401","scope":"https://mail.google.com/ \"<b>\u0000\n"})");
    REQUIRE(found.size() == 1);
    const auto json = jsonOf(found.front());
    CHECK(json.find("https://mail.google.com/ \\\"<b>") != std::string::npos);
    CHECK(json.find('\n') == std::string::npos);
    CHECK(json.find('\0') == std::string::npos);
}

SCENARIO("a diagnosis is one JSON object, however strange its texts are", "[diagnosis]") {
    CHECK(jsonOf(auth::diagnosis::Diagnosis{"an-id", "a \"cause\"\n", {"first", "second\\"}}) ==
          R"({"id": "an-id", "cause": "a \"cause\"\n", "fix": ["first", "second\\"]})");
    CHECK(jsonOf(auth::diagnosis::Diagnosis{"an-id", "", {}}) == R"({"id": "an-id", "cause": "", "fix": []})");
}
