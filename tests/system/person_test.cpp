// A mailbox somebody has signed in for once: the refresh token, good once each time, carries it over the short lives of tokens and over restarts.
#include "tests/servers/browser.h"
#include "tests/system/core.h"
#include "tests/system/workplace.h"

#include <catch2/catch.hpp>

#include <algorithm>
#include <csignal>

using namespace systemtest;
using servers::eventually;
using servers::IdentityProvider;

namespace {

constexpr auto soon = std::chrono::seconds{60};
[[maybe_unused]] const auto shortLives = Surroundings::tokenLifetime = std::chrono::seconds{6};

std::string credential() {
    const auto& provider = Surroundings::get().provider();
    std::string text;
    for (const auto& [key, value] : std::map<std::string, std::string>{{"grant", "authorization_code"},
                                                                       {"client_id", "app-native"},
                                                                       {"authentication", "none"},
                                                                       {"authorization_endpoint", provider.authorizationEndpoint()},
                                                                       {"token_endpoint", provider.tokenEndpoint()},
                                                                       {"issuer", provider.issuer()},
                                                                       {"scopes", "openid offline_access " + IdentityProvider::scope()},
                                                                       {"truststore", "test"}})
        text.append("credential.person.").append(key).append(" = ").append(value).append("\n");
    return text;
}

/// `postern login`, with what a person does in the browser; its exit status.
int signIn(const Workplace& place, const std::string& user) {
    auto login = place.start({"login", "person"});
    REQUIRE(eventually([&] { return place.log().find("The browser comes back by itself") != std::string::npos; }, soon));
    const auto said = place.log();
    const auto begin = said.find("https://", said.find("Open this address"));
    const servers::Browser browser(place.path() / "browser", Surroundings::get().certificates().authority);
    browser.signIn(said.substr(begin, said.find('\n', begin) - begin), user);
    const auto ended = login.wait(soon);
    INFO(place.log());
    REQUIRE(ended);
    return ended->status;
}

/// The refresh tokens that were sent so far.
std::vector<std::string> sent() {
    std::vector<std::string> all;
    for (const auto& request : Surroundings::get().provider().requests()) {
        const auto at = request.body.find("&refresh_token=");
        if (request.path == "/token" && at != std::string::npos)
            all.push_back(request.body.substr(at + 15, request.body.find('&', at + 1) - at - 15));
    }
    return all;
}

/// Every token this test's provider has given so far.
Secrets issued() {
    Secrets secrets;
    for (const auto& [name, token] : Surroundings::get().provider().issued()) addToken(secrets, name, token);
    return secrets;
}

/// Until the stored access token is over, as `postern credentials` tells it.
bool tokenEnds(const Workplace& place) {
    return eventually([&] { return place.postern({"credentials", "person"}).output.find("which is over") != std::string::npos; }, soon);
}

}  // namespace

SCENARIO("a person signs in once, and mail is delivered over restarts and short-lived tokens", "[system][login]") {
    const auto user = Surroundings::get().newUser();
    auto reader = Surroundings::get().reader(user);
    Workplace place;
    place.configure("log.level = trace\n" + credential() + mailbox("m", user, "person"));
    GIVEN("nobody who has signed in") {
        const auto outcome = place.postern({"run", "--once"});
        CHECK(outcome.status == 75);
        CHECK(outcome.error.find("PO-3012") != std::string::npos);
    }
    GIVEN("the mailbox's owner, who signs in once") {
        REQUIRE(signIn(place, user) == 0);
        std::vector<std::string> expected;
        for (int restart = 0; restart < 3; ++restart) {
            const auto before = sent().size();
            const auto mails = someMails("person-" + std::to_string(restart), 5);
            for (const auto& mail : mails) expected.push_back(mail.bytes);
            REQUIRE(tokenEnds(place));
            auto service = place.start({"run"});
            reader.append("INBOX", mails);
            CHECK(eventually([&] { return place.countDelivered("m") == expected.size(); }, soon));
            INFO(place.log());
            CHECK(sent().size() > before);
            auto secrets = issued();
            REQUIRE_FALSE(secrets.empty());
            addToken(secrets, "seal key", servers::readFile(place.data() / "seal.key").substr(0, 64));
            eventually([&] { return foundInCore(service.id(), secrets).empty(); }, std::chrono::seconds{5});
            CHECK(foundInCore(service.id(), secrets) == std::vector<std::string>{});
            CHECK(service.stop(soon).status == 0);
            CHECK(place.log().find("PO-30") == std::string::npos);
            CHECK(foundInFiles(place.path(), issued()) == std::vector<std::string>{});
        }
        std::sort(expected.begin(), expected.end());
        CHECK(sortedBytes(place.delivered("m")) == expected);
        THEN("each refresh token was sent once") {
            auto all = sent();
            std::sort(all.begin(), all.end());
            CHECK(std::adjacent_find(all.begin(), all.end()) == all.end());
        }
    }
}

SCENARIO("a service that waits for somebody to sign in goes on as soon as somebody has", "[system][login]") {
    const auto user = Surroundings::get().newUser();
    Workplace place;
    place.configure(credential() + mailbox("m", user, "person"));
    const auto mails = someMails("awaited", 3);
    Surroundings::get().reader(user).append("INBOX", mails);
    const auto serviceLog = place.path() / "service.log";
    servers::Process service{{{POSTERN_PROGRAM, "run", "--config", (place.path() / "conf").string()}, serviceLog, serviceLog, place.path()}};
    REQUIRE(eventually([&] { return servers::readFile(serviceLog).find("PO-3012") != std::string::npos; }, soon));
    CHECK(place.countDelivered("m") == 0);
    REQUIRE(signIn(place, user) == 0);
    CHECK(eventually([&] { return place.countDelivered("m") == mails.size(); }, soon));
    INFO(servers::readFile(serviceLog));
    THEN("who signed in, by which grant and with which scopes, is to be seen") {
        const auto shown = place.postern({"credentials", "person"});
        CHECK(shown.output.find("account         " + user) != std::string::npos);
        CHECK(shown.output.find(" by authorization_code") != std::string::npos);
        CHECK(shown.output.find("refresh token   yes") != std::string::npos);
        CHECK(shown.output.find("scopes          openid offline_access " + IdentityProvider::scope()) != std::string::npos);
    }
    CHECK(service.stop(soon).status == 0);
}

SCENARIO("somebody else's sign-in does not open the mailbox", "[system][login]") {
    const auto user = Surroundings::get().newUser(), other = Surroundings::get().newUser();
    Workplace place;
    place.configure(credential() + mailbox("m", user, "person"));
    CHECK(signIn(place, other) == 77);
    CHECK(place.log().find("PO-3019") != std::string::npos);
    const auto outcome = place.postern({"run", "--once"});
    CHECK(outcome.status == 75);
    CHECK(outcome.error.find("PO-3012") != std::string::npos);
}
