#include "tests/listener/graph/fixture.h"

#include "auth/sasl/base64.h"

using namespace graphtest;

namespace {

/// A token that says whom it is for; nobody here checks its signature.
std::string tokenFor(const std::string& audience, const std::string& issuer = "https://sts.windows.net/f8cdef31/") {
    const auto part = [](const std::string& text) { return std::string(auth::sasl::base64Url(text).reveal()); };
    return part("{\"alg\":\"none\"}") + "." + part("{\"aud\":\"" + audience + "\",\"iss\":\"" + issuer + "\"}") + ".c2ln";
}

}  // namespace

SCENARIO("a session begins with a token and a look at the inbox", "[graph]") {
    Fixture fixture;
    fixture.settings.truststore = "corp", fixture.settings.keystore = "keys", fixture.settings.keyAlias = "me", fixture.settings.proxy = "out";
    CHECK(fixture.mailbox().server().empty());
    CHECK(fixture.mailbox().protocol() == "graph");
    CHECK(fixture.mailbox().rendersAnew());
    REQUIRE(fixture.open());
    CHECK(!fixture.mailbox().pushes());
    CHECK(fixture.mailbox().server() == "Microsoft Graph");
    CHECK(fixture.access.tokens().protocol == "graph");
    REQUIRE(fixture.graph.requests().size() == 1);
    CHECK(fixture.graph.requests()[0].starts_with("GET /v1.0/users/intake%40contoso.com/mailFolders/inbox?"));
    REQUIRE(fixture.access.dialer().targets.size() == 1);
    const auto& target = fixture.access.dialer().targets[0];
    CHECK(target == auth::Target{"graph.example.com", 443, auth::Target::Tls::implicit, "corp", "out", "keys", "me"});
    CHECK(fixture.log.text.find("request_id=00000000-1111-2222-3333-444444444444") != std::string::npos);
    CHECK(fixture.log.text.find("contoso") == std::string::npos);
    CHECK(fixture.log.text.find(fixture.access.tokens().tokens[0]) == std::string::npos);
}

SCENARIO("an unusual user is found", "[graph]") {
    const auto user =
        GENERATE(as<std::string>(), "guest_partner.com#EXT#@contoso.com", "a/b+c d@contoso.com", "d1f0c0de-0000-4000-8000-000000000001");
    GraphServer::Options options;
    options.user = user;
    Fixture fixture(options);
    fixture.settings.user = user;
    REQUIRE(fixture.open());
}

SCENARIO("a token that is refused is reported once, and the next session has another", "[graph]") {
    Fixture fixture;
    fixture.access.tokens().tokens = {"an-old-token-nobody-takes", "graph-token-of-this-test"};
    const auto refused = fixture.open();
    REQUIRE(!refused);
    CHECK(refused.error().reaction == Reaction::reauthenticate);
    CHECK(refused.error().code == Code::mailboxSignInRefused);
    CHECK(refused.error().what.find("InvalidAuthenticationToken") != std::string::npos);
    CHECK(refused.error().provider.starts_with("request-id=00000000-1111-2222-3333-444444444444 client-request-id="));
    CHECK(fixture.access.tokens().refusals == 1);
    fixture.renew();
    REQUIRE(fixture.open());
    CHECK(fixture.access.tokens().refusals == 1);
}

SCENARIO("a token that loses its worth within a session is reported once, though three requests meet it", "[graph]") {
    Fixture fixture;
    for (int i = 0; i < 6; ++i) fixture.graph.deliver(mail("m" + std::to_string(i)));
    fixture.enter();
    const auto listing = fixture.list();
    fixture.graph.token("revoked");
    const auto fetched = fixture.fetch(listing->ordinals);
    REQUIRE(!fetched);
    CHECK(fetched.error().reaction == Reaction::reauthenticate);
    CHECK(fixture.access.tokens().refusals == 1);
}

SCENARIO("a token for another API is not sent anywhere", "[graph]") {
    Fixture fixture;
    fixture.access.tokens().tokens = {tokenFor("https://outlook.office365.com")};
    const auto opened = fixture.open();
    REQUIRE(!opened);
    CHECK(opened.error().reaction == Reaction::askOperator);
    CHECK(opened.error().code == Code::mailboxWrongAudience);
    CHECK(opened.error().what.find("credential.tenant.scopes = https://graph.example.com/.default") != std::string::npos);
    CHECK(fixture.graph.requests().empty());
    CHECK(fixture.access.tokens().refusals == 0);
}

SCENARIO("tokens that say nothing, or something else than Microsoft does, are tried", "[graph]") {
    const auto token = GENERATE(as<std::string>(), tokenFor("https://graph.microsoft.com"), tokenFor("00000003-0000-0000-c000-000000000000"),
                                tokenFor("postern-tests", "http://127.0.0.1:3000"), "EwBgA8l6BAAU");
    Fixture fixture;
    fixture.access.tokens().tokens = {token};
    fixture.graph.token(token);
    REQUIRE(fixture.open());
}

SCENARIO("who is not let in is told why", "[graph]") {
    Fixture fixture;
    GIVEN("no right on the mailbox") {
        fixture.graph.fail({.what = "/mailFolders/inbox",
                            .status = 403,
                            .code = "ErrorAccessDenied",
                            .message = "Access is denied. Check credentials and try again."});
        const auto opened = fixture.open();
        REQUIRE(!opened);
        CHECK(opened.error().reaction == Reaction::askOperator);
        CHECK(opened.error().code == Code::mailboxAccess);
        CHECK(opened.error().what.find("Mail.ReadWrite") != std::string::npos);
        CHECK(fixture.access.tokens().refusals == 0);
    }
    GIVEN("no such user") {
        fixture.settings.user = "nobody@contoso.com";
        const auto opened = fixture.open();
        REQUIRE(!opened);
        CHECK(opened.error().reaction == Reaction::askOperator);
        CHECK(opened.error().code == Code::mailboxAccess);
    }
    GIVEN("a user without an inbox") {
        fixture.graph.fail({.what = "/mailFolders/inbox", .status = 404, .code = "ErrorItemNotFound"});
        const auto opened = fixture.open();
        REQUIRE(!opened);
        CHECK(opened.error().code == Code::mailboxAccess);
    }
    GIVEN("an audience the server does not like") {
        fixture.graph.fail({.what = "/mailFolders/inbox",
                            .status = 401,
                            .code = "InvalidAuthenticationToken",
                            .message = "Access token validation failure. Invalid audience."});
        const auto opened = fixture.open();
        REQUIRE(!opened);
        CHECK(opened.error().reaction == Reaction::askOperator);
        CHECK(opened.error().code == Code::mailboxWrongAudience);
        CHECK(fixture.access.tokens().refusals == 0);
    }
    GIVEN("a throttled application") {
        fixture.graph.fail({.what = "/mailFolders/inbox", .status = 429, .code = "TooManyRequests", .headers = {{"Retry-After", "120"}}});
        const auto opened = fixture.open();
        REQUIRE(!opened);
        CHECK(opened.error().reaction == Reaction::retryLater);
        CHECK(opened.error().code == Code::mailboxThrottled);
        CHECK(opened.error().retryAfter == std::chrono::seconds{120});
    }
    GIVEN("a web page in the place of Graph") {
        const auto status = GENERATE(200, 404, 302);
        fixture.graph.fail({.what = "/mailFolders/inbox", .status = status, .body = "<html>sign in</html>"});
        const auto opened = fixture.open();
        REQUIRE(!opened);
        CHECK(opened.error().reaction == Reaction::askOperator);
    }
    GIVEN("a credential that is a password") {
        fixture.access.signInKind = auth::Access::Kind::password;
        const auto opened = fixture.open();
        REQUIRE(!opened);
        CHECK(opened.error().code == Code::mailboxNoMechanism);
        CHECK(fixture.graph.requests().empty());
    }
    GIVEN("no token") {
        fixture.access.tokens().failure = plugin::Error{Reaction::askOperator, Code::tokenClientRefused, "no"};
        const auto opened = fixture.open();
        REQUIRE(!opened);
        CHECK(opened.error().code == Code::tokenClientRefused);
    }
}

SCENARIO("an error that repeats the token is shown to nobody", "[graph]") {
    Fixture fixture;
    const bool inMessage = GENERATE(true, false);
    fixture.graph.fail({.what = "/mailFolders/inbox",
                        .status = 403,
                        .code = "ErrorAccessDenied",
                        .headers = {{"request-id", inMessage ? "1" : "graph-token-of-this-test"}},
                        .message = inMessage ? "no: graph-token-of-this-test" : "no"});
    const auto opened = fixture.open();
    REQUIRE(!opened);
    CHECK(plugin::describe(opened.error()).find("token-of-this") == std::string::npos);
    CHECK(opened.error().provider.find("token-of-this") == std::string::npos);
    CHECK(opened.error().code == Code::mailboxAccess);
    CHECK(fixture.log.text.find("token-of-this") == std::string::npos);
}

SCENARIO("a session that is not open, or has no folder, is not used", "[graph]") {
    Fixture fixture;
    CHECK_THROWS_AS(fixture.select(), std::logic_error);
    REQUIRE(fixture.open());
    CHECK_THROWS_AS(fixture.open(), std::logic_error);
    CHECK_THROWS_AS(fixture.list(), std::logic_error);
    REQUIRE(!fixture.select("Nowhere"));
    CHECK_THROWS_AS(fixture.list(), std::logic_error);
    listener::Watching watching{.folders = {"INBOX"}};
    CHECK_THROWS_AS(fixture.loop.run(fixture.mailbox().watch(watching, {})), std::logic_error);
}

SCENARIO("an answer cut anywhere is no answer", "[graph]") {
    Fixture fixture;
    fixture.graph.deliver(mail("one"));
    const auto what = GENERATE(as<std::string>(), "/mailFolders/inbox?", "/messages/delta", "/$value");
    for (std::size_t octets = 0;; ++octets) {
        Fixture each;
        each.graph.deliver(mail("one"));
        each.graph.cut(what, octets, what == "/$value" ? 2 : 1);  // a message is asked for once more
        auto done = each.open();
        if (done) {
            const auto selected = each.select();
            if (!selected) done = selected.error();
        }
        if (done) done = each.fetch({1});
        if (done && each.received.messages.size() == 1 && octets > 200) break;  // the whole of it
        INFO(what << " cut after " << octets);
        REQUIRE(octets < 5'000);
        if (octets == 0) {
            CHECK((!done || each.received.messages.size() == 1));  // nothing came: it may be asked once more
            continue;
        }
        const bool leftOut = done && what == "/$value" && each.log.warnings == 1;
        REQUIRE((!done || leftOut));
        if (!done) CHECK(done.error().reaction == Reaction::reconnect);
        CHECK(each.received.messages.empty());
    }
    SUCCEED();
}

SCENARIO("whatever pieces an answer comes in, it is the same", "[graph]") {
    Fixture fixture;
    fixture.access.dialer().link = {.chunk = GENERATE(std::size_t{1}, std::size_t{3}, std::size_t{1000}), .pauses = true};
    fixture.graph.deliver(mail("one", 20'000));
    fixture.enter();
    REQUIRE(fixture.fetch({1}));
    REQUIRE(fixture.received.messages.size() == 1);
    CHECK(bytesOf(fixture.received.messages[0].content) == mail("one", 20'000));
}

SCENARIO("a server that says nothing is given up", "[graph]") {
    Fixture fixture;
    fixture.access.dialer().link = {.blackHole = true};
    const auto opened = fixture.open();
    REQUIRE(!opened);
    CHECK(opened.error().code == Code::channelTimeout);
    CHECK(opened.error().reaction == Reaction::reconnect);
}

SCENARIO("who is stopped ends at once", "[graph]") {
    Fixture fixture;
    fixture.graph.deliver(mail("one"));
    fixture.enter();
    fixture.stop.request_stop();
    const auto listed = fixture.list();  // what select() was told is not asked again
    CHECK(listed);
    const auto again = fixture.list();
    REQUIRE(!again);
    CHECK(again.error().code == Code::channelStopped);
    const auto fetched = fixture.fetch({1});
    REQUIRE(!fetched);
    CHECK(fetched.error().code == Code::channelStopped);
}
