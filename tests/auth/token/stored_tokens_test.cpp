// Grants that last: what is kept of them, who refreshes, and what becomes of them. Processes share a real database.
#include "auth/token/credential_state.h"
#include "grants_world.h"

#include <catch2/catch.hpp>

#include <fstream>
#include <sstream>

using namespace std::chrono_literals;
using auth::StoredGrant;
using plugin::Code;
using plugin::Reaction;

namespace {

const std::map<std::string, std::string> byPerson{{"credential.m.grant", "authorization_code"},
                                                  {"credential.m.authorization_endpoint", "https://idp.example/auth"},
                                                  {"credential.m.refresh_token", ""}};

}  // namespace

SCENARIO("a configured refresh token is used once, then what the provider gives in its place", "[grants]") {
    GrantsWorld world;
    const auto first = world.token();
    REQUIRE(first);
    CHECK(first->secret->reveal() == "access-secret-1");
    CHECK(first->grantedScopes == "granted");
    CHECK(
        world.endpoint.requests.at(0).ends_with("grant_type=refresh_token&refresh_token=refresh-secret-0&scope=mail&client_id=app&client_secret="
                                                "client-secret-value"));
    const auto stored = world.stored();
    REQUIRE(stored);
    CHECK(stored->version == 1);
    CHECK(stored->by == "refresh_token");
    CHECK(stored->refreshToken.reveal() == "refresh-secret-1");
    CHECK(stored->accessToken.reveal() == "access-secret-1");
    CHECK(stored->expiresAt == stored->obtainedAt + 3600s);
    THEN("a process that starts afterwards uses the access token without a request") {
        world.processes.push_back(world.start());
        CHECK(world.text(1) == "access-secret-1");
        CHECK(world.provider.refreshes == 1);
    }
    THEN("the next refresh is with the new one, though the file still has the first") {
        world.pass(56min);
        CHECK(world.text() == "access-secret-2");
        CHECK(world.stored()->refreshToken.reveal() == "refresh-secret-2");
        CHECK(world.stored()->version == 2);
    }
    THEN("the file may go") {
        world.secrets.remove("/refresh");
        world.pass(56min);
        CHECK(world.text() == "access-secret-2");
    }
    THEN("another one in the file replaces what is stored") {
        world.provider.consent("refresh-secret-new");
        world.secrets.put("/refresh", "refresh-secret-new");
        world.pass(56min);
        CHECK(world.text() == "access-secret-2");
        CHECK(RotatingProvider::parameter(world.endpoint.requests.back(), "refresh_token") == "refresh-secret-new");
    }
    THEN("each request is noted, without its secrets") {
        const auto results = world.results();
        REQUIRE(results.size() == 1);
        CHECK(results[0].code == 0);
        CHECK(results[0].by == "refresh_token");
        CHECK(results[0].askedScopes == "mail");
        CHECK(results[0].grantedScopes == "granted");
        CHECK(results[0].refreshToken);
    }
}

SCENARIO("where no new refresh token comes the old one stays", "[grants]") {
    GrantsWorld world;
    world.provider.rotates = false;
    CHECK(world.text() == "access-secret-1");
    CHECK(world.stored()->refreshToken.reveal() == "refresh-secret-0");
    world.pass(56min);
    CHECK(world.text() == "access-secret-2");
    CHECK(world.stored()->refreshToken.reveal() == "refresh-secret-0");
}

SCENARIO("of all tasks and processes one refreshes", "[grants]") {
    GrantsWorld world;
    while (world.processes.size() < 3) world.processes.push_back(world.start());
    for (std::size_t process = 0; process < 3; ++process) REQUIRE(world.text(process) == "access-secret-1");
    const auto late = GENERATE(as<std::chrono::minutes>{}, 48min, 56min, 61min, 24h);  // renewed ahead, waited for, ended, long ended
    world.pass(late);
    std::vector<std::shared_ptr<plugin::Shared<plugin::Result<auth::Token>>>> all;
    for (int task = 0; task < 64; ++task)
        for (auto& process : world.processes)
            all.push_back(plugin::start(world.loop, process.tokens->token(world.identity, plugin::Deadline::max(), {})));
    world.loop.runUntilIdle();
    for (const auto& one : all) {
        REQUIRE(one->isSet());
        REQUIRE(one->get());
        if (late >= 56min) CHECK((*one->get()).secret->reveal() == "access-secret-2");
    }
    CHECK(world.provider.refreshes == 2);
    CHECK(world.endpoint.requests.size() == 2);
}

SCENARIO("tokens of a minute serve for an hour, in three processes, without a failure", "[grants]") {
    GrantsWorld world;
    world.provider.life = 60;
    while (world.processes.size() < 3) world.processes.push_back(world.start());
    int failures = 0;
    for (int second = 0; second < 3600; ++second) {
        const auto token = world.token(static_cast<std::size_t>(second % 3));
        if (!token || token->expiresAt <= world.loop.clock().wall()) ++failures;
        world.pass(1s);
    }
    CHECK(failures == 0);
    CHECK(world.provider.refreshes >= 60);
    CHECK(world.provider.refreshes <= 180);
    CHECK(world.results().size() == auth::keptResults);
}

SCENARIO("a consent that has ended is not asked for again", "[grants]") {
    GrantsWorld world(byPerson);
    world.signIn("refresh-secret-0", "access-secret-0", 3600s);
    CHECK(world.text() == "access-secret-0");
    CHECK(world.endpoint.requests.empty());
    world.provider.end();
    world.pass(61min);
    const auto ended = world.token();
    REQUIRE_FALSE(ended);
    CHECK(ended.error().code == Code::tokenSignInNeeded);
    CHECK(ended.error().reaction == Reaction::askOperator);
    CHECK(ended.error().what.find("the consent has ended") != std::string::npos);
    CHECK(ended.error().what.find("invalid_grant") != std::string::npos);
    CHECK(ended.error().what.find("refresh-secret") == std::string::npos);
    for (int hour = 0; hour < 48; ++hour) {
        world.pass(1h);
        CHECK(world.text() == "PO-3012");
    }
    CHECK(world.endpoint.requests.size() == 1);
    CHECK(world.results().at(0).code == 3012);
    THEN("somebody who signs in, in another process, is served within a second") {
        world.provider.consent("refresh-secret-again");
        world.signIn("refresh-secret-again", "access-secret-again", 3600s);
        world.pass(1s);
        CHECK(world.text() == "access-secret-again");
        CHECK(world.endpoint.requests.size() == 1);
        world.pass(56min);
        CHECK(world.text() == "access-secret-1");
    }
}

SCENARIO("a sign-in counts at once, also while the token before it serves", "[grants]") {
    GrantsWorld world(byPerson);
    CHECK(world.text() == "PO-3012");
    CHECK(world.token().error().what.find("nobody has signed in yet") != std::string::npos);
    world.signIn("refresh-secret-0", "access-secret-a", 3600s);
    world.pass(1s);
    CHECK(world.text() == "access-secret-a");
    world.signIn("refresh-secret-0", "access-secret-b", 3600s);
    world.pass(1s);
    CHECK(world.text() == "access-secret-b");
    THEN("and so does that it is forgotten") {
        REQUIRE(world.loop.run(world.processes[0].grants->forget("m")));
        world.pass(1s);
        CHECK(world.text() == "PO-3012");
        CHECK_FALSE(world.stored());
        world.signIn("refresh-secret-0", "access-secret-c", 3600s);
        CHECK(world.stored()->version == 4);
    }
    CHECK(world.endpoint.requests.empty());
}

SCENARIO("what was got from another endpoint or for another client is of no use", "[grants]") {
    GrantsWorld world(byPerson);
    world.signIn("refresh-secret-0", "access-secret-0", 3600s);
    auto other = byPerson;
    other[GENERATE(as<std::string>{}, "credential.m.token_endpoint", "credential.m.client_id")] = "https://idp.example/other";
    world.configuration.replace(GrantsWorld::snapshot(other));
    const auto none = world.token();
    REQUIRE_FALSE(none);
    CHECK(none.error().code == Code::tokenSignInNeeded);
    CHECK(world.endpoint.requests.empty());
    THEN("it is not lost") { CHECK(world.stored()->refreshToken.reveal() == "refresh-secret-0"); }
}

SCENARIO("without a refresh token the access token serves to its end", "[grants]") {
    GrantsWorld world(byPerson);
    world.signIn("", "access-secret-0", 3600s);
    world.pass(59min + 50s);
    CHECK(world.text() == "access-secret-0");
    world.pass(10s);
    const auto none = world.token();
    REQUIRE_FALSE(none);
    CHECK(none.error().code == Code::tokenSignInNeeded);
    CHECK(none.error().what.find("offline_access") != std::string::npos);
    CHECK(none.error().what.find("access_type = offline") != std::string::npos);
    CHECK(world.endpoint.requests.empty());
}

SCENARIO("an access token without an end and without a refresh token serves until it is refused", "[grants]") {
    GrantsWorld world(byPerson);
    world.signIn("", "access-secret-0", std::nullopt);
    world.pass(24h * 300);
    const auto token = world.token();
    REQUIRE(token);
    CHECK(token->secret->reveal() == "access-secret-0");
    world.processes[0].tokens->refused(world.identity, *token);
    CHECK(world.text() == "PO-3012");
}

SCENARIO("a refused access token is refreshed, though the store says that it is good", "[grants]") {
    GrantsWorld world;
    world.processes.push_back(world.start());
    const auto first = world.token();
    REQUIRE(first);
    CHECK(world.text(1) == "access-secret-1");
    world.processes[0].tokens->refused(world.identity, *first);
    CHECK(world.text() == "access-secret-2");
    THEN("another process has the new one within a second") {
        world.pass(1s);
        CHECK(world.text(1) == "access-secret-2");
        CHECK(world.provider.refreshes == 2);
    }
}

SCENARIO("the stored access token serves while the endpoint is away, also in a process that has just begun", "[grants]") {
    GrantsWorld world;
    CHECK(world.text() == "access-secret-1");
    world.provider.away = true;
    world.pass(56min);
    CHECK(world.text() == "access-secret-1");
    world.processes.push_back(world.start());
    CHECK(world.text(1) == "access-secret-1");
    world.pass(4min);
    CHECK(world.text() == "PO-3007");
    CHECK(world.text(1) == "PO-3007");
    CHECK(world.stored()->refreshToken.reveal() == "refresh-secret-1");
}

SCENARIO("a new token is not used before it is stored, and not lost when it cannot be", "[grants]") {
    GrantsWorld world;
    world.processes.push_back(world.start());
    world.processes[0].database->failing = true;
    CHECK(world.text() == "PO-7002");
    CHECK(world.provider.refreshes == 1);
    CHECK(world.locks.isHeld("m"));  // nobody else may use the old one
    world.pass(10min);
    CHECK(world.text() == "PO-7002");
    CHECK(world.provider.refreshes == 1);
    world.processes[0].database->failing = false;
    world.pass(1s);
    CHECK(world.text() == "access-secret-1");
    CHECK(world.provider.refreshes == 1);
    CHECK(world.text(1) == "access-secret-1");
    CHECK_FALSE(world.locks.isHeld("m"));
}

SCENARIO("without the key nothing is asked and nothing is overwritten", "[grants]") {
    GrantsWorld world;
    CHECK(world.text() == "access-secret-1");
    const auto content = world.key.content;
    world.key.content = GENERATE(as<std::optional<std::string>>{}, std::nullopt, std::string(64, 'b'));
    world.processes.push_back(world.start());
    const auto none = world.token(1);
    REQUIRE_FALSE(none);
    CHECK(none.error().code == Code::storeSealed);
    CHECK(none.error().what.find("credential m") != std::string::npos);
    CHECK(world.provider.refreshes == 1);
    CHECK(world.key.made == 1);
    auto over = StoredGrant{"m", 0, "f", "authorization_code"};
    over.refreshToken = auth::Secret("refresh-secret-x");
    const auto kept = world.loop.run(world.processes[1].grants->keep(std::move(over), 1));
    REQUIRE_FALSE(kept);
    CHECK(kept.error().code == Code::storeSealed);
    world.key.content = content;
    CHECK(world.text(1) == "access-secret-1");
}

SCENARIO("a grant is kept only over the version that was read", "[grants]") {
    GrantsWorld world(byPerson);
    world.signIn("refresh-secret-0", "access-secret-0", 3600s);
    auto grant = StoredGrant{"m", 0, "f", "device_code"};
    const auto late = world.loop.run(world.processes[0].grants->keep(std::move(grant), 0));
    REQUIRE_FALSE(late);
    CHECK(late.error().code == Code::storeChanged);
    CHECK(late.error().reaction == Reaction::retryLater);
    CHECK(world.stored()->by == "authorization_code");
}

SCENARIO("other scopes are another access token of the same consent", "[grants]") {
    GrantsWorld world;
    CHECK(world.text() == "access-secret-1");
    world.identity.scopes = "calendar";
    CHECK(world.text() == "access-secret-2");
    CHECK(RotatingProvider::parameter(world.endpoint.requests.back(), "scope") == "calendar");
    THEN("both serve side by side, without a request") {
        for (int turn = 0; turn < 4; ++turn) {
            world.pass(2s);
            world.identity.scopes = turn % 2 == 0 ? std::optional<std::string>() : "calendar";
            CHECK(world.text() == (turn % 2 == 0 ? "access-secret-1" : "access-secret-2"));
        }
        CHECK(world.provider.refreshes == 2);
    }
}

SCENARIO("the parameters of a refresh go into the URL where a server wants them there", "[grants]") {
    GrantsWorld world(std::map<std::string, std::string>{{"credential.m.refresh_style", "query"}});
    CHECK(world.text() == "access-secret-1");
    const auto& request = world.endpoint.requests.at(0);
    CHECK(request.find("POST /token?grant_type=refresh_token&refresh_token=refresh-secret-0&scope=mail HTTP/1.1\r\n") == 0);
    CHECK(request.ends_with("\r\n\r\nclient_id=app&client_secret=client-secret-value"));
}

SCENARIO("the database's bytes hold no secret", "[grants]") {
    GrantsWorld world;
    CHECK(world.text() == "access-secret-1");
    world.pass(56min);
    CHECK(world.text() == "access-secret-2");
    world.provider.end();
    world.pass(61min);
    CHECK(world.text() == "PO-3002");
    std::size_t files = 0;
    for (const auto& entry : std::filesystem::directory_iterator(world.directory.path())) {
        std::ifstream file(entry.path(), std::ios::binary);
        std::stringstream content;
        content << file.rdbuf();
        ++files;
        INFO(entry.path());
        for (const std::string secret : {"access-secret-", "refresh-secret-", "client-secret-value"})
            CHECK(content.str().find(secret) == std::string::npos);
        REQUIRE(world.key.content);
        CHECK(content.str().find(*world.key.content) == std::string::npos);
    }
    CHECK(files >= 2);  // the database and its log
}

SCENARIO("what is known of a credential is seen without its key", "[grants]") {
    GrantsWorld world(byPerson);
    world.provider.consent("refresh-secret-0");
    const auto state = [&] {
        auto states =
            world.loop.run(auth::credentialStates(world.configuration.get(), world.processes[0].database.get(), "m", world.loop.clock().wall()));
        REQUIRE(states);
        REQUIRE(states->size() == 1);
        return std::move(states->front());
    };
    CHECK(state().grant == "authorization_code");
    CHECK_FALSE(state().obtainedAt);
    world.signIn("refresh-secret-0", "access-secret-0", 60s);
    world.pass(2min);
    CHECK(world.text() == "access-secret-1");
    world.provider.end();
    world.pass(2h);
    CHECK(world.text() == "PO-3012");
    world.key.content.reset();
    const auto seen = state();
    CHECK(seen.account == "somebody@example.com");
    CHECK(seen.obtainedBy == "authorization_code");
    CHECK(seen.expiresAt == *seen.obtainedAt + 3600s);
    CHECK(seen.refreshToken == true);
    CHECK(seen.askedScopes == "mail");
    CHECK(seen.grantedScopes == "granted");
    CHECK(auth::scopesDiffer(seen.askedScopes, seen.grantedScopes));
    CHECK_FALSE(auth::scopesDiffer("a b", "b  a"));
    REQUIRE(seen.results.size() == 2);
    CHECK(seen.results[0].code == 3012);
    CHECK(seen.results[0].cause.find("invalid_grant") != std::string::npos);
    REQUIRE(seen.results[0].diagnosis);
    CHECK(seen.results[0].diagnosis->id == "sign-in-missing");
    CHECK(seen.results[0].diagnosis->fix.front() == "postern login m");
    CHECK(seen.results[1].code == 0);
    CHECK_FALSE(seen.results[1].diagnosis);
    THEN("once it is forgotten only its results are left") {
        REQUIRE(world.loop.run(world.processes[0].grants->forget("m")));
        CHECK_FALSE(state().obtainedAt);
        CHECK(state().obtainedBy.empty());
        CHECK(state().results.size() == 2);
    }
    THEN("another name is nobody") {
        CHECK_FALSE(
            world.loop.run(auth::credentialStates(world.configuration.get(), world.processes[0].database.get(), "other", world.loop.clock().wall())));
    }
}

SCENARIO("a configured refresh token is not spent while what comes in its place could not be sealed", "[grants]") {
    GrantsWorld world;
    world.key.content = "this is no key";
    CHECK(world.text() == "PO-7008");
    CHECK(world.endpoint.requests.empty());
    world.key.content.reset();
    CHECK(world.text().starts_with("access-secret-"));
    CHECK(world.endpoint.requests.size() == 1);
    CHECK(world.stored());
}

SCENARIO("after a grant was forgotten an endpoint that is busy is left alone as ever", "[grants]") {
    GrantsWorld world;
    world.signIn("refresh-secret-x", "access-secret-x", 3600s);
    REQUIRE(world.loop.run(world.processes[0].grants->forget("m")));
    world.endpoint.server = [](const std::string&) { return http(503, "busy"); };
    for (int i = 0; i < 5; ++i) CHECK(world.text() == "PO-3007");
    CHECK(world.endpoint.requests.size() == 1);
}
