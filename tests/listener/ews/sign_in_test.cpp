#include "tests/listener/ews/fixture.h"
#include "tests/servers/base64.h"

using namespace ewstest;
using plugin::Code;
using plugin::Reaction;

namespace {

/// A token that says these claims; nobody checks its signature.
std::string tokenOf(const std::string& claims) { return "eyJhbGciOiJSUzI1NiJ9." + servers::base64Url(claims) + ".c2lnbmF0dXJl"; }

}  // namespace

SCENARIO("an application acts for the mailbox in each request", "[ews]") {
    Fixture fixture;
    fixture.begin();
    REQUIRE(fixture.mailbox().protocol() == "ews");
    REQUIRE(fixture.mailbox().rendersAnew());
    REQUIRE(fixture.mailbox().server() == "Exchange 15.20 V2018_01_08");
    for (const auto& request : fixture.server.requests()) {
        CHECK(request.header("x-anchormailbox") == "intake@contoso.example");
        CHECK(request.body.find("<t:SmtpAddress>intake@contoso.example</t:SmtpAddress>") != std::string::npos);
        CHECK(request.header("user-agent") == "Postern/0.5.0");
        CHECK(request.target == "/EWS/Exchange.asmx");
    }
    CHECK(fixture.access.tokens().protocols == Fixture::Names(fixture.server.requests().size() + 1, "ews"));
    CHECK(fixture.access.dialer().dialled == 1);
}

SCENARIO("a token that says it is an application's is treated as one", "[ews]") {
    Fixture fixture;
    fixture.settings.application = false;
    fixture.access.tokens().current = tokenOf(R"({"aud":"https://outlook.office365.com","appid":"app-1","roles":["full_access_as_app"]})");
    fixture.server.tokens = {fixture.access.tokens().current};
    REQUIRE(fixture.open());
}

SCENARIO("a person's own token impersonates nobody, and names the mailbox it means", "[ews]") {
    Fixture fixture;
    fixture.settings.application = false;
    fixture.server.impersonation = servers::EwsServer::Impersonation::forbidden;
    REQUIRE(fixture.open());
    REQUIRE(fixture.server.requests().front().body.find("<t:EmailAddress>intake@contoso.example</t:EmailAddress>") != std::string::npos);
    GIVEN("a mailbox that is not the person's") {
        fixture.renew();
        fixture.settings.user = "other@contoso.example";
        fixture.server.impersonation = servers::EwsServer::Impersonation::denied;
        const auto opened = fixture.open();
        REQUIRE_FALSE(opened);
        CHECK((opened.error().code == Code::mailboxAccess && opened.error().reaction == Reaction::askOperator));
        CHECK(opened.error().what.find("ErrorNonExistentMailbox") != std::string::npos);
        CHECK(fixture.server.requests().size() == 3);  // as oneself and for the other, once
    }
    GIVEN("a service account's, which may act for others") {
        const auto* code = GENERATE("ErrorAccessDenied", "ErrorNonExistentMailbox", "ErrorFolderNotFound");
        const bool asFault = GENERATE(true, false);
        fixture.renew();
        fixture.server.impersonation = servers::EwsServer::Impersonation::required;
        fixture.server.instead = [code, asFault](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
            if (request.body.find("ExchangeImpersonation") != std::string::npos) return std::nullopt;
            return asFault ? servers::EwsServer::fault(code) : servers::EwsServer::refusal(request.operation, code);
        };
        REQUIRE(fixture.open());
        REQUIRE(fixture.select("INBOX"));
    }
}

SCENARIO("a server on premises is signed in to with a password", "[ews]") {
    Fixture fixture;
    fixture.settings.application = false;
    fixture.access.signInKind = auth::Access::Kind::password;
    fixture.server.basicPassword = "geheim";
    GIVEN("the mailbox's own") {
        fixture.server.basicUser = fixture.settings.user;
        fixture.server.impersonation = servers::EwsServer::Impersonation::forbidden;
        REQUIRE(fixture.open());
    }
    GIVEN("that of a service account which may act for others") {
        fixture.server.basicUser = fixture.access.username = "CORP\\service";
        REQUIRE(fixture.open());
    }
    GIVEN("that of one which has been given the mailbox alone") {
        fixture.server.basicUser = fixture.access.username = "CORP\\service";
        fixture.server.impersonation = servers::EwsServer::Impersonation::denied;
        REQUIRE(fixture.open());
        REQUIRE(fixture.server.requests().size() == 2);
    }
    GIVEN("that of one which has neither") {
        fixture.server.basicUser = fixture.access.username = "CORP\\service";
        fixture.server.instead = [](const servers::EwsRequest& request) -> std::optional<servers::EwsAnswer> {
            const bool acts = request.body.find("ExchangeImpersonation") != std::string::npos;
            return servers::EwsServer::fault(acts ? "ErrorImpersonateUserDenied" : "ErrorAccessDenied");
        };
        const auto opened = fixture.open();
        REQUIRE_FALSE(opened);
        CHECK(opened.error().code == Code::mailboxAccess);
        CHECK(opened.error().what.find("ErrorImpersonateUserDenied") < opened.error().what.find("ErrorAccessDenied"));
        CHECK(opened.error().what.find("ErrorAccessDenied") != std::string::npos);
        CHECK(fixture.server.requests().size() == 2);
    }
    GIVEN("any, and a server that takes none but tickets") {
        fixture.server.instead = [](const servers::EwsRequest&) {
            return std::optional(servers::EwsServer::plain(401, {{"WWW-Authenticate", "Negotiate\r\nWWW-Authenticate: NTLM"}}));
        };
        const auto error = fixture.open().error();
        CHECK((error.code == Code::mailboxBasicNotOffered && error.reaction == Reaction::askOperator));
        CHECK(error.what.find("WWW-Authenticate: Negotiate, NTLM") != std::string::npos);
    }
    GIVEN("a wrong one") {
        fixture.server.basicUser = fixture.settings.user;
        fixture.server.basicPassword = "anders";
        const auto opened = fixture.open();
        REQUIRE_FALSE(opened);
        CHECK((opened.error().code == Code::mailboxBasicRefused && opened.error().reaction == Reaction::askOperator));
        CHECK(opened.error().what.find("geheim") == std::string::npos);
    }
}

SCENARIO("a refused token is told to the source once, and ends the session", "[ews]") {
    Fixture fixture;
    GIVEN("one that was never good") {
        fixture.access.tokens().current = "token-0";
        const auto opened = fixture.open();
        REQUIRE_FALSE(opened);
        CHECK((opened.error().code == Code::mailboxSignInRefused && opened.error().reaction == Reaction::reauthenticate));
        CHECK(opened.error().what.find("2000001;reason=\"The token is not good.\"") != std::string::npos);
        CHECK(opened.error().what.find("WWW-Authenticate") != std::string::npos);
        CHECK(fixture.access.tokens().refusedOnes == Fixture::Names{"token-0"});
        CHECK(fixture.server.requests().size() == 1);
    }
    GIVEN("one that ends in the middle, and its successor") {
        fixture.begin();
        fixture.server.tokens = {"token-2"};
        const auto listed = fixture.select("INBOX");
        REQUIRE_FALSE(listed);
        CHECK(listed.error().reaction == Reaction::reauthenticate);
        CHECK(fixture.select("INBOX").error().reaction == Reaction::reauthenticate);  // over
        CHECK(fixture.access.tokens().refusedOnes == Fixture::Names{"token-1"});
        fixture.renew();
        fixture.access.tokens().current = "token-2";
        REQUIRE(fixture.open());
        REQUIRE(fixture.select("INBOX"));
    }
    GIVEN("a source that renews before the end") {
        fixture.begin();
        fixture.server.tokens = {"token-2"};
        fixture.access.tokens().current = "token-2";
        REQUIRE(fixture.select("INBOX"));
    }
}

SCENARIO("a token for another API is told before anything is asked", "[ews]") {
    Fixture fixture;
    const auto refused = [&fixture](const std::string& claims) {
        fixture.access.tokens().current = tokenOf(claims);
        auto opened = fixture.open();
        REQUIRE_FALSE(opened);
        CHECK((opened.error().code == Code::mailboxWrongAudience && opened.error().reaction == Reaction::askOperator));
        CHECK(fixture.server.requests().empty());
        return opened.error().what;
    };
    GIVEN("one for Graph") {
        const auto what = refused(R"({"aud":"https://graph.microsoft.com/","iss":"https://sts.windows.net/x/","roles":["Mail.Read"]})");
        CHECK(what.find("to https://ews.contoso.example/.default") != std::string::npos);
        CHECK(what.find("protocol = graph") != std::string::npos);
    }
    GIVEN("one for something else, at Exchange Online") {
        fixture.settings.url = "https://outlook.office365.com/EWS/Exchange.asmx";
        CHECK(refused(R"({"aud":"https://vault.azure.net","roles":["x"]})").find("https://outlook.office365.com/.default") != std::string::npos);
    }
    GIVEN("one for a server on premises, whose audience only that server knows") {
        fixture.access.tokens().current = tokenOf(R"({"aud":"https://mail.contoso.example/","roles":["full_access_as_app"]})");
        fixture.server.tokens = {fixture.access.tokens().current};
        REQUIRE(fixture.open());
    }
}

SCENARIO("an older server is asked by an older schema, after it has said so", "[ews]") {
    Fixture fixture;
    fixture.server.newestSchema = "Exchange2010_SP2";
    fixture.begin(1);
    REQUIRE(fixture.server.operations() == Fixture::Names{"GetFolder", "GetFolder", "SyncFolderItems"});
    GIVEN("one that is older still") {
        fixture.renew();
        fixture.server.newestSchema = "Exchange2007_SP1";
        const auto opened = fixture.open();
        REQUIRE_FALSE(opened);
        CHECK((opened.error().code == Code::mailboxProtocol && opened.error().reaction == Reaction::askOperator));
        CHECK(fixture.server.requests().size() == 5);  // lowered once
    }
}

SCENARIO("a connection the server closes is replaced, and nobody notices", "[ews]") {
    Fixture fixture;
    fixture.server.requestsPerConnection = 1;
    fixture.begin(3);
    REQUIRE(fixture.fetch({1, 2, 3}));
    CHECK(fixture.received.messages.size() == 3);
    CHECK(fixture.access.dialer().dialled == fixture.server.requests().size());
    GIVEN("one that never says anything") {
        fixture.renew();
        fixture.server.requestsPerConnection = 0;
        const auto dialled = fixture.access.dialer().dialled;
        const auto opened = fixture.open();
        REQUIRE_FALSE(opened);
        CHECK((opened.error().code == Code::channelClosed && opened.error().reaction == Reaction::reconnect));
        CHECK(fixture.access.dialer().dialled == dialled + 1);
    }
}

SCENARIO("a slow server is waited for, and one that says nothing is not", "[ews]") {
    Fixture fixture;
    GIVEN("a slow one") {
        fixture.server.delay = std::chrono::seconds{50};
        fixture.begin(1);
        REQUIRE(fixture.fetch({1}));
        CHECK(fixture.received.messages.size() == 1);
    }
    GIVEN("one that says nothing") {
        fixture.server.delay = std::chrono::hours{1};
        const auto opened = fixture.open();
        REQUIRE_FALSE(opened);
        CHECK((opened.error().code == Code::channelTimeout && opened.error().reaction == Reaction::reconnect));
        CHECK(fixture.loop.clock().steady() - plugin::Steady{} < std::chrono::hours{1} + std::chrono::minutes{3});
    }
}

SCENARIO("what the server repeats of a token is shown to nobody", "[ews]") {
    Fixture fixture;
    fixture.access.tokens().current = "token-very-secret-and-long-enough";
    fixture.server.instead = [](const servers::EwsRequest& request) {
        return servers::EwsServer::plain(403, {{"X-EWS-Policy-Reason", "you sent " + request.header("authorization")}},
                                         request.header("authorization"));
    };
    const auto opened = fixture.open();
    REQUIRE_FALSE(opened);
    CHECK(describe(opened.error()).find("secret-and") == std::string::npos);
    CHECK(fixture.log.text.find("secret-and") == std::string::npos);
}
