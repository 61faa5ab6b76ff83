#include "auth/diagnosis/diagnosis.h"

#include <catch2/catch.hpp>

using namespace auth::diagnosis;
using plugin::Code;
using plugin::Reaction;

namespace {

Claims exchange() {
    Claims claims;
    claims.audience = {"https://outlook.office365.com"};
    claims.issuer = "https://sts.windows.net/t/";
    claims.application = "app-1";
    claims.object = "object-1";
    claims.roles = {"IMAP.AccessAsApp"};
    claims.notBefore = 1000;
    claims.expires = 5000;
    return claims;
}

Case signInRefused() { return {{Reaction::askOperator, Code::mailboxSignInRefused, "no"}, exchange(), 2000, "box@example.test", "c"}; }

std::string idOf(const Case& seen) {
    const auto found = diagnose(seen);
    return found ? found->id : "-";
}

}  // namespace

TEST_CASE("the provider's number goes before what the token says", "[diagnosis]") {
    auto seen = signInRefused();
    seen.error = {Reaction::askOperator, Code::tokenClientRefused, "HTTP 401", {}, "AADSTS7000222 trace_id=1"};
    CHECK(idOf(seen) == "secret-expired");
    seen.error.provider.clear();
    seen.error.what = "invalid_client: AADSTS7000215: Invalid client secret";
    CHECK(idOf(seen) == "secret-wrong");
    seen.error.what = "invalid_client: AADSTS0: nothing, AADSTS424242: unknown";
    CHECK(idOf(seen) == "client-refused");
}

TEST_CASE("the token's own words go before the server's", "[diagnosis]") {
    auto seen = signInRefused();
    CHECK(idOf(seen) == "service-principal");
    seen.error.code = Code::mailboxAccess;
    CHECK(idOf(seen) == "mailbox-access");
    seen.claims->roles.clear();
    CHECK(idOf(seen) == "role-missing");
    seen.claims->audience = {"https://graph.microsoft.com/"};
    CHECK(idOf(seen) == "graph-audience");
    seen.now = 900;
    CHECK(idOf(seen) == "clock-wrong");
    seen.now = 5061;
    CHECK(idOf(seen) == "clock-wrong");
    seen.claims.reset();
    CHECK(idOf(seen) == "mailbox-access-any");
    seen.error.code = Code::mailboxSignInRefused;
    CHECK(idOf(seen) == "sign-in-refused");
}

TEST_CASE("a token is not blamed for what comes before the sign-in, or after it", "[diagnosis]") {
    auto seen = signInRefused();
    seen.claims->audience = {"https://graph.microsoft.com"};
    seen.error.code = Code::channelCertificateUntrusted;
    CHECK(idOf(seen) == "certificate-untrusted");
    seen.error.code = Code::mailboxFolderMissing;
    CHECK(idOf(seen) == "-");
}

TEST_CASE("lines to paste are complete, and made of nothing a shell would understand", "[diagnosis]") {
    const auto lines = diagnose(signInRefused())->fix;
    CHECK(lines[1] == "New-ServicePrincipal -AppId app-1 -ObjectId object-1");
    CHECK(lines[2] == "Add-MailboxPermission -Identity box@example.test -User object-1 -AccessRights FullAccess");
    CHECK(lines[3] == "Set-CASMailbox -Identity box@example.test -ImapEnabled $true");
    auto hostile = signInRefused();
    hostile.claims->object = "x; Remove-Mailbox {user}";
    hostile.claims->application.clear();
    CHECK(diagnose(hostile)->fix[1] == "New-ServicePrincipal -AppId <application id> -ObjectId <object id of the enterprise application>");
}
