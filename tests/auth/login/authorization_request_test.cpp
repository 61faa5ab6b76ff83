#include "auth/login/authorization_request.h"
#include "tests/auth/token/fakes.h"

#include <catch2/catch.hpp>

using namespace auth;
using namespace auth::login;

namespace {

/// Counts up, so that no two are the same.
class Counting final : public plugin::Random {
public:
    void fill(std::span<std::uint8_t> bytes) override {
        for (auto& byte : bytes) byte = next_++;
    }

private:
    std::uint8_t next_ = 0;
};

Credential credential() {
    Credential made;
    made.name = "c";
    made.grant = Grant::authorizationCode;
    made.clientId = "id with blanks&";
    made.authorizationEndpoint = "https://idp.example/authorize";
    return made;
}

}  // namespace

SCENARIO("the challenge is that of RFC 7636", "[login]") {
    CHECK(codeChallenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk") == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
}

SCENARIO("verifier and state are chance, each time anew", "[login]") {
    Counting random;
    const auto one = makeProofKey(random), other = makeProofKey(random);
    CHECK(one.verifier.reveal().size() == 43);
    CHECK(one.verifier.reveal().find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == std::string_view::npos);
    CHECK(one.verifier.reveal() != other.verifier.reveal());
    CHECK(one.challenge == codeChallenge(one.verifier.reveal()));
    CHECK(makeState(random).size() == 22);
    CHECK(makeState(random) != makeState(random));
}

SCENARIO("the authorization request says what RFC 6749 wants, form-encoded", "[login]") {
    auto asked = credential();
    const AuthorizationRequest request{"http://localhost:4711/oauth-callback", "mail.read https://mail.example/.default", "st4te", "ch4llenge", true};
    const std::string everything =
        "response_type=code&client_id=id+with+blanks%26&redirect_uri=http%3A%2F%2Flocalhost%3A4711%2Foauth-callback"
        "&scope=mail.read+https%3A%2F%2Fmail.example%2F.default&state=st4te&code_challenge=ch4llenge&code_challenge_method=S256";
    GIVEN("use_prompt") { CHECK(authorizationUrl(asked, request) == "https://idp.example/authorize?" + everything + "&prompt=consent"); }
    GIVEN("no prompt") {
        auto silent = request;
        silent.prompt = false;
        CHECK(authorizationUrl(asked, silent) == "https://idp.example/authorize?" + everything);
    }
    GIVEN("an endpoint with a query of its own, which stays") {
        asked.authorizationEndpoint = "https://idp.example/authorize?p=B2C_1";
        CHECK(authorizationUrl(asked, request).starts_with("https://idp.example/authorize?p=B2C_1&response_type=code&"));
        asked.authorizationEndpoint = "https://idp.example/authorize?";
        CHECK(authorizationUrl(asked, request).starts_with("https://idp.example/authorize?response_type=code&"));
    }
    GIVEN("further parameters, and no scopes") {
        asked.authorizeParameters = {{"access_type", "offline"}, {"login_hint", "a@b"}};
        auto bare = request;
        bare.scopes.clear();
        const auto url = authorizationUrl(asked, bare);
        CHECK(url.ends_with("&prompt=consent&access_type=offline&login_hint=a%40b"));
        CHECK(url.find("scope=") == std::string::npos);
    }
}
