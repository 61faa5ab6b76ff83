// Every row of what a server may answer instead of what was asked for, and what follows from it.
#include "listener/ews/refusal.h"
#include "tests/listener/ews/fixture.h"

using namespace ewstest;
using namespace std::chrono_literals;
using plugin::Code;
using plugin::Reaction;
using servers::EwsAnswer;
using servers::EwsServer;

namespace {

plugin::Error errorOf(const std::function<EwsAnswer(const servers::EwsRequest&)>& answer) {
    Fixture fixture;
    fixture.server.instead = [&answer](const servers::EwsRequest& request) { return std::optional{answer(request)}; };
    auto opened = fixture.open();
    REQUIRE_FALSE(opened);
    CHECK(fixture.access.tokens().refusedOnes.empty());
    return opened.error();
}
plugin::Error errorOf(const EwsAnswer& answer) {
    return errorOf([&answer](const servers::EwsRequest&) { return answer; });
}

bool has(const plugin::Error& error, std::string_view text) { return error.what.find(text) != std::string::npos; }

}  // namespace

SCENARIO("EWS that is switched off or not for us is told with what an administrator can do, and with the way out", "[ews]") {
    GIVEN("a tenant or mailbox for which it is off") {
        const auto error = errorOf(EwsServer::plain(403, {{"X-EWS-Policy-Reason", "EWS is disabled for this user or tenant"}}));
        CHECK((error.code == Code::mailboxEwsBlocked && error.reaction == Reaction::askOperator));
        CHECK(has(error, "EWS is disabled for this user or tenant"));
        CHECK(has(error, "Set-OrganizationConfig -EwsEnabled $true"));
        CHECK(has(error, "Set-CASMailbox -Identity intake@contoso.example -EwsEnabled $true"));
        CHECK(has(error, "protocol = graph"));
    }
    GIVEN("an application that is not in the tenant's list") {
        const auto error = errorOf(EwsServer::plain(403, {{"X-EWS-Policy-Reason", "EWS is blocked by policy for this user or tenant"}}));
        CHECK((error.code == Code::mailboxEwsBlocked && error.reaction == Reaction::askOperator));
        CHECK(has(error, "Set-OrganizationConfig -EwsAllowedAppIDs"));
        CHECK(has(error, "Get-OrganizationConfig -RetrieveEwsOperationAccessPolicy"));
        CHECK(has(error, "24 hours"));
        CHECK(has(error, "protocol = graph"));
    }
    GIVEN("a 403 that says nothing of it") {
        const auto error = errorOf(EwsServer::plain(403, {}, "Forbidden"));
        CHECK((error.code == Code::mailboxEwsForbidden && error.reaction == Reaction::askOperator));
        CHECK(has(error, "licence"));
        CHECK_FALSE(has(error, "Set-OrganizationConfig"));
    }
}

SCENARIO("statuses that ask for patience are given it, for as long as they say", "[ews]") {
    for (const int status : {429, 502, 503, 504}) {
        INFO(status);
        const auto told = errorOf(EwsServer::plain(status, {{"Retry-After", "120"}}, "later"));
        CHECK((told.code == Code::mailboxThrottled && told.reaction == Reaction::retryLater && told.retryAfter == 120s));
        // 90 s from when the clock of the fixture begins
        const auto dated = errorOf(EwsServer::plain(status, {{"Retry-After", "Mon, 21 Sep 2026 14:14:50 GMT"}}));
        CHECK((dated.code == Code::mailboxThrottled && dated.retryAfter && *dated.retryAfter <= 90s && *dated.retryAfter > 80s));
        const auto untold = errorOf(EwsServer::plain(status, {{"Retry-After", "soon"}}));
        CHECK((untold.code == Code::mailboxThrottled && !untold.retryAfter));
    }
    GIVEN("a 503 with a fault in it") {
        auto answer = EwsServer::fault("ErrorServerBusy", 4000);
        answer.status = 503;
        answer.headers["Retry-After"] = "9";
        CHECK(errorOf(answer).retryAfter == 4s);
        answer = EwsServer::fault("ErrorServerBusy");
        answer.headers["Retry-After"] = "9";
        CHECK(errorOf(answer).retryAfter == 9s);
    }
}

SCENARIO("what is no EWS is told as that", "[ews]") {
    for (const auto& answer : {EwsServer::plain(302, {{"Location", "https://login.example"}}), EwsServer::plain(307), EwsServer::plain(404),
                               EwsServer::plain(410), EwsServer::plain(200, {{"Content-Type", "text/html"}}, "<html>Sign in</html>"),
                               EwsServer::plain(401 + 99, {{"Content-Type", "text/html"}}, "<html>Oh")}) {
        INFO(answer.status);
        const auto error = errorOf(answer);
        CHECK((error.code == Code::channelHttpProtocol && error.reaction == Reaction::askOperator));
        CHECK((answer.body.empty() || has(error, answer.body)));
    }
    const auto odd = errorOf(EwsServer::plain(500, {}, "Oops"));
    CHECK((odd.code == Code::mailboxCommandRefused && odd.reaction == Reaction::retryLater && has(odd, "Oops")));
}

SCENARIO("an answer that cannot be read costs the connection", "[ews]") {
    for (const std::string body : {"", "Hello", "<s:Envelope xmlns:s=\"urn:s\"><s:Body/></s:Envelope>", "<a></b>"}) {
        INFO(body);
        const auto error = errorOf(EwsServer::plain(200, {{"Content-Type", "text/xml"}}, body));
        CHECK((error.code == Code::mailboxProtocol && error.reaction == Reaction::reconnect));
    }
}

SCENARIO("a busy server is left alone for as long as it says, wherever it says so", "[ews]") {
    GIVEN("a fault") {
        const auto error = errorOf(EwsServer::fault("ErrorServerBusy", 297749));
        CHECK((error.code == Code::mailboxThrottled && error.reaction == Reaction::retryLater && error.retryAfter == 297749ms));
    }
    GIVEN("a message of an answer with status 200") {
        const auto error = errorOf(EwsServer::refusal("GetFolder", "ErrorServerBusy", 2500));
        CHECK((error.code == Code::mailboxThrottled && error.reaction == Reaction::retryLater && error.retryAfter == 2500ms));
    }
    GIVEN("no time at all") { CHECK_FALSE(errorOf(EwsServer::fault("ErrorServerBusy")).retryAfter); }
}

namespace {

struct Row {
    const char* code;
    Reaction reaction;
    Code as;
};

}  // namespace

SCENARIO("each code of a refusal has its reaction, as a fault and as a message", "[ews]") {
    const auto [code, reaction, as] = GENERATE(values<Row>({
        {"ErrorTooManyObjectsOpened", Reaction::retryLater, Code::mailboxThrottled},
        {"ErrorExceededConnectionCount", Reaction::retryLater, Code::mailboxThrottled},
        {"ErrorExceededSubscriptionCount", Reaction::retryLater, Code::mailboxCommandRefused},
        {"ErrorTimeoutExpired", Reaction::retryLater, Code::mailboxCommandRefused},
        {"ErrorNotEnoughMemory", Reaction::retryLater, Code::mailboxCommandRefused},
        {"ErrorDataSizeLimitExceeded", Reaction::retryLater, Code::mailboxCommandRefused},
        {"ErrorMessageSizeExceeded", Reaction::retryLater, Code::mailboxCommandRefused},
        {"ErrorInternalServerTransientError", Reaction::retryLater, Code::mailboxCommandRefused},
        {"ErrorInternalServerError", Reaction::retryLater, Code::mailboxCommandRefused},
        {"ErrorADUnavailable", Reaction::retryLater, Code::mailboxCommandRefused},
        {"ErrorConnectionFailed", Reaction::retryLater, Code::mailboxCommandRefused},
        {"ErrorMailboxStoreUnavailable", Reaction::retryLater, Code::mailboxCommandRefused},
        {"ErrorMailboxMoveInProgress", Reaction::retryLater, Code::mailboxCommandRefused},
        {"ErrorMailboxFailover", Reaction::retryLater, Code::mailboxCommandRefused},
        {"ErrorClientDisconnected", Reaction::retryLater, Code::mailboxCommandRefused},
        {"ErrorNoRespondingCASInDestinationSite", Reaction::retryLater, Code::mailboxCommandRefused},
        {"ErrorSyncFolderNotFound", Reaction::askOperator, Code::mailboxFolderMissing},
        {"ErrorFolderNotFound", Reaction::askOperator, Code::mailboxFolderMissing},
        {"ErrorImpersonateUserDenied", Reaction::askOperator, Code::mailboxAccess},
        {"ErrorImpersonationDenied", Reaction::askOperator, Code::mailboxAccess},
        {"ErrorNonExistentMailbox", Reaction::askOperator, Code::mailboxAccess},
        {"ErrorNonPrimarySmtpAddress", Reaction::askOperator, Code::mailboxAccess},
        {"ErrorAccessDenied", Reaction::askOperator, Code::mailboxAccess},
        {"ErrorAccountDisabled", Reaction::askOperator, Code::mailboxAccess},
        {"ErrorInvalidLicense", Reaction::askOperator, Code::mailboxAccess},
        {"ErrorOrganizationAccessBlocked", Reaction::askOperator, Code::mailboxAccess},
        {"ErrorImpersonationRequired", Reaction::askOperator, Code::mailboxProtocol},
        {"ErrorSchemaValidation", Reaction::askOperator, Code::mailboxProtocol},
        {"ErrorInvalidRequest", Reaction::askOperator, Code::mailboxProtocol},
        {"ErrorInvalidIdMalformed", Reaction::askOperator, Code::mailboxProtocol},
        {"ErrorOfNextYear", Reaction::retryLater, Code::mailboxCommandRefused},
    }));
    INFO(code);
    for (const auto& answer : {EwsServer::fault(code), EwsServer::refusal("GetFolder", code)}) {
        const auto error = errorOf(answer);
        CHECK((error.reaction == reaction && error.code == as));
        CHECK(has(error, code));
        CHECK(has(error, "ews.contoso.example: GetFolder: "));
        CHECK(error.retryAfter == (as == Code::mailboxThrottled ? std::optional<std::chrono::milliseconds>{30s} : std::nullopt));
    }
}

SCENARIO("the texts of who may not enter name the likely cause", "[ews]") {
    CHECK(has(errorOf(EwsServer::fault("ErrorImpersonateUserDenied")), "full_access_as_app"));
    CHECK(has(errorOf(EwsServer::fault("ErrorImpersonateUserDenied")), "ApplicationImpersonation"));
    CHECK(has(errorOf(EwsServer::fault("ErrorNonExistentMailbox")), "no mailbox of this address"));
    CHECK(has(errorOf(EwsServer::fault("ErrorInvalidLicense")), "licence"));
}

SCENARIO("an application without impersonation is told what is missing", "[ews]") {
    Fixture fixture;
    fixture.settings.application = false;  // the configuration is wrong about it, and the token is opaque
    const auto opened = fixture.open();
    REQUIRE_FALSE(opened);
    CHECK((opened.error().code == Code::mailboxProtocol && has(opened.error(), "ExchangeImpersonation SOAP header must be present")));
}

SCENARIO("an answer with more than was asked for is not gathered", "[ews]") {
    const auto error = errorOf([](const servers::EwsRequest& request) {
        auto answer = EwsServer::refusal(request.operation, "ErrorAccessDenied");
        const std::string begin = "<m:GetFolderResponseMessage ", end = "</m:GetFolderResponseMessage>";
        const auto from = answer.body.find(begin), to = answer.body.find(end) + end.size();
        answer.body.insert(to, answer.body.substr(from, to - from));
        return answer;
    });
    CHECK((error.code == Code::mailboxProtocol && error.reaction == Reaction::reconnect));
}

SCENARIO("an answer that only trickles is as dead as one that is silent", "[ews]") {
    Fixture fixture;
    fixture.access.dialer().link = {.chunk = 1, .pauses = true};  // an octet each millisecond
    GIVEN("less in its time than can be lived with") {
        fixture.settings.ioTimeout = 500ms;
        const auto opened = fixture.open();
        REQUIRE_FALSE(opened);
        CHECK((opened.error().code == Code::channelTimeout && opened.error().reaction == Reaction::reconnect));
    }
    GIVEN("as much as is needed") {
        fixture.settings.ioTimeout = 60s;
        REQUIRE(fixture.open());
    }
}
