#include "auth/token/token_request.h"

#include "tests/servers/base64.h"

#include <catch2/catch.hpp>

#include <cctype>
#include <map>
#include <sstream>
#include <string>
#include <vector>

using namespace auth;

namespace {

Credential app(ClientAuthentication authentication, const std::string& id = "app-basic") {
    Credential credential;
    credential.name = "c";
    credential.clientId = id;
    credential.authentication = authentication;
    credential.scopes = "https://outlook.office365.com/.default";
    return credential;
}

TokenRequest asked(const Credential& credential, Secret secret, std::string_view scopes) {
    return tokenRequest(credential, clientCredentialsGrant(scopes), ClientProof{std::move(secret)});
}

std::string text(const Secret& secret) { return std::string(secret.reveal()); }

// An opinion of its own about what was sent: form decoding that refuses what RFC 6749 Appendix B never makes.
std::string formDecoded(const std::string& encoded) {
    std::string plain;
    for (std::size_t i = 0; i < encoded.size(); ++i) {
        const char c = encoded[i];
        if (c == '%') {
            REQUIRE(i + 2 < encoded.size());
            const auto digits = encoded.substr(i + 1, 2);
            REQUIRE(std::isxdigit(static_cast<unsigned char>(digits[0])));
            REQUIRE(std::isxdigit(static_cast<unsigned char>(digits[1])));
            plain += static_cast<char>(std::stoi(digits, nullptr, 16));
            i += 2;
        } else if (c == '+') {
            plain += ' ';
        } else {
            REQUIRE((std::isalnum(static_cast<unsigned char>(c)) || c == '*' || c == '-' || c == '.' || c == '_'));
            plain += c;
        }
    }
    return plain;
}

std::map<std::string, std::string> parameters(const std::string& body) {
    std::map<std::string, std::string> found;
    std::istringstream in(body);
    for (std::string pair; std::getline(in, pair, '&');) {
        const auto equals = pair.find('=');
        REQUIRE(equals != std::string::npos);
        REQUIRE(found.emplace(formDecoded(pair.substr(0, equals)), formDecoded(pair.substr(equals + 1))).second);
    }
    return found;
}

std::vector<std::string> oddSecrets() {
    std::vector<std::string> secrets;
    std::string all;
    for (char c = 0x20; c < 0x7f; ++c) {
        secrets.emplace_back(1, c);
        secrets.push_back(std::string("x") + c + "y" + c);
        all += c;
    }
    secrets.push_back(all);
    for (const auto* utf8 : {"\xc3\xa9", "p\xc3\xa4ssw\xc3\xb6rd \xe2\x82\xac", "\xf0\x9f\x94\x91:\xf0\x9f\x94\x91", "%41", "%", "a+b c%2B",
                             "==", "a&client_secret=b", "~.8Q~"})
        secrets.emplace_back(utf8);
    secrets.push_back(std::string(5000, '%'));
    return secrets;
}

}  // namespace

SCENARIO("the Basic header is form-encoded first, as RFC 6749 2.3.1 asks and oidc-provider checks", "[token]") {
    const auto request = asked(app(ClientAuthentication::basic), Secret("s3cr+t/ with:%&="), "mail");
    CHECK(servers::fromBase64(text(request.authorization).substr(6)) == "app-basic:s3cr%2Bt%2F+with%3A%25%26%3D");
    CHECK(text(request.authorization).substr(0, 6) == "Basic ");
    CHECK(text(request.body) == "grant_type=client_credentials&scope=mail");
}

SCENARIO("the body placement is the request Microsoft documents", "[token]") {
    const auto request = asked(app(ClientAuthentication::body, "id-1"), Secret("a~b c"), "https://outlook.office365.com/.default");
    CHECK(request.authorization.empty());
    CHECK(text(request.body) ==
          "grant_type=client_credentials&scope=https%3A%2F%2Foutlook.office365.com%2F.default&client_id=id-1&client_secret=a%7Eb+c");
}

SCENARIO("the form encoding keeps to Appendix B", "[token]") {
    CHECK(text(formEncoded("AZaz09*-._")) == "AZaz09*-._");
    CHECK(text(formEncoded(" ")) == "+");
    CHECK(text(formEncoded("~+&=%\xc2\xa3\xe2\x82\xac")) == "%7E%2B%26%3D%25%C2%A3%E2%82%AC");  // the section's own example characters
}

SCENARIO("every secret arrives as it is, in each placement, and in one only", "[token]") {
    const auto authentication = GENERATE(ClientAuthentication::basic, ClientAuthentication::basicRaw, ClientAuthentication::body);
    for (const auto& secret : oddSecrets()) {
        const std::string id = authentication == ClientAuthentication::basicRaw ? "plain-id" : "id: " + secret.substr(0, 20);
        const auto request = asked(app(authentication, id), Secret(secret), "Mail.Read  IMAP");
        const auto sent = parameters(text(request.body));
        CHECK(sent.at("grant_type") == "client_credentials");
        CHECK(sent.at("scope") == "Mail.Read  IMAP");
        if (authentication == ClientAuthentication::body) {
            CHECK(sent.at("client_id") == id);
            CHECK(sent.at("client_secret") == secret);
            CHECK(request.authorization.empty());
            continue;
        }
        CHECK(sent.count("client_secret") + sent.count("client_id") == 0);
        const auto header = text(request.authorization);
        REQUIRE(header.substr(0, 6) == "Basic ");
        CHECK(header.find_first_of("\r\n") == std::string::npos);
        const auto pair = servers::fromBase64(header.substr(6));
        const auto colon = pair.find(':');
        REQUIRE(colon != std::string::npos);
        const bool raw = authentication == ClientAuthentication::basicRaw;
        CHECK((raw ? pair.substr(0, colon) : formDecoded(pair.substr(0, colon))) == id);
        CHECK((raw ? pair.substr(colon + 1) : formDecoded(pair.substr(colon + 1))) == secret);
    }
}

SCENARIO("a credential's own parameters are sent, encoded", "[token]") {
    auto credential = app(ClientAuthentication::basic);
    credential.parameters = {{"audience", "https://api.example/?a=b&c"}, {"resource", "x y"}};
    const auto sent = parameters(text(asked(credential, Secret("s"), "").body));
    CHECK(sent.at("audience") == "https://api.example/?a=b&c");
    CHECK(sent.at("resource") == "x y");
    CHECK(sent.count("scope") == 0);
}

SCENARIO("a text that repeats the secret is known in each of its forms", "[token]") {
    const auto credential = app(ClientAuthentication::basic);
    const Secret secret("s3cr+t/ with");
    CHECK(repeats("the secret s3cr+t/ with is wrong", credential, secret));
    CHECK(repeats("got client_secret=s3cr%2Bt%2F+with", credential, secret));
    CHECK(repeats("header: " + text(asked(credential, Secret(secret.reveal()), "").authorization), credential, secret));
    CHECK(repeats("your secret begins with 0123456789ab", credential, Secret("0123456789abcdef")));
    CHECK_FALSE(repeats("your secret begins with 0123456789a", credential, Secret("0123456789abcdef")));
    CHECK_FALSE(repeats("the secret is wrong", credential, secret));
    CHECK_FALSE(repeats("anything", credential, Secret()));
}
