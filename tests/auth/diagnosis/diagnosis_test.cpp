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

TEST_CASE("an administrator's consent is asked for where the tenant lives", "[diagnosis]") {
    auto seen = signInRefused();
    seen.error = {Reaction::askOperator, Code::tokenRequestRefused, "HTTP 400 invalid_grant", {}, "AADSTS90094"};
    seen.claims.reset();
    const auto first = [&] { return diagnose(seen)->fix.front(); };
    CHECK(first() == "consent as an administrator: https://login.microsoftonline.com/<tenant id>/adminconsent?client_id=<application id>");
    seen.application = "app-2";
    seen.tokenEndpoint = "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token";
    CHECK(first() == "consent as an administrator: https://login.microsoftonline.com/contoso.example/adminconsent?client_id=app-2");
    seen.tokenEndpoint = "https://login.microsoftonline.us/t-1/oauth2/v2.0/token";
    CHECK(first() == "consent as an administrator: https://login.microsoftonline.us/t-1/adminconsent?client_id=app-2");
    seen.claims = exchange();
    seen.claims->tenant = "t-2";
    CHECK(first() == "consent as an administrator: https://login.microsoftonline.us/t-2/adminconsent?client_id=app-1");
    seen.claims->tenant = "t-2/../evil?x";
    seen.tokenEndpoint = "no URL";
    CHECK(first() == "consent as an administrator: https://login.microsoftonline.com/<tenant id>/adminconsent?client_id=app-1");
}

TEST_CASE("what is asked for goes by the mailbox's protocol", "[diagnosis]") {
    auto seen = signInRefused();
    seen.protocol = "ews";
    seen.claims->roles.clear();
    CHECK(diagnose(seen)->cause == "the token has no role full_access_as_app: the permission is missing, or nobody has consented to it");
    seen.protocol = "graph";
    seen.claims->audience = {"https://outlook.office365.com"};
    CHECK(diagnose(seen)->fix.front() == "set credential.c.scopes = https://graph.microsoft.com/.default");
    seen.protocol = "pop3";
    seen.claims->roles = {"POP.AccessAsApp"};
    CHECK(diagnose(seen)->fix.back() == "Set-CASMailbox -Identity box@example.test -PopEnabled $true");
    seen.protocol = "graph";
    seen.claims->audience = {"https://graph.microsoft.com"};
    seen.claims->roles = {"Mail.ReadWrite"};
    seen.user = "it's one@example.test";
    CHECK(opensTooMuch(seen).fix[3] ==
          "New-ManagementRoleAssignment -App object-1 -Role \"Application Mail.ReadWrite\" -CustomResourceScope Postern");
    CHECK(opensTooMuch(seen).fix.back() == "Test-ServicePrincipalAuthorization -Identity app-1 -Resource 'it''s one@example.test'");
}

TEST_CASE("a challenge's scope is what the credential should ask for", "[diagnosis]") {
    const auto fix = [](const std::string& text) {
        return diagnose({.error = {Reaction::reauthenticate, Code::mailboxSignInRefused, text}, .credential = "c"})->fix.back();
    };
    CHECK(fix("NO x (status 401, schemes bearer, scope https://mail.google.com/)") == "set credential.c.scopes = https://mail.google.com/");
    CHECK(fix("NO x (status 401)") == "set credential.c.scopes = <the scopes the server documents>");
}

TEST_CASE("a log line has the cause once, the first step, and nothing where there is nothing to do", "[diagnosis]") {
    Case seen{.error = {Reaction::askOperator, Code::tokenClientRefused, "HTTP 401 invalid_client", {}, "AADSTS7000222"}, .credential = "c"};
    auto fields = logFields(seen);
    REQUIRE(fields.size() == 2);
    CHECK(fields[0].key == "cause");
    CHECK(fields[0].value == "the client secret has expired");
    CHECK(fields[1].key == "fix");
    seen.error.what += " (the client secret has expired)";
    fields = logFields(seen);
    REQUIRE(fields.size() == 1);
    CHECK(fields[0].value == "Entra admin center: App registrations > the application > Certificates & secrets: make a new secret");
    seen.error.reaction = Reaction::retryLater;
    CHECK(logFields(seen).empty());
    CHECK(logFields({.error = {Reaction::askOperator, Code::mailboxFolderMissing, "no folder"}}).empty());
}

TEST_CASE("the offset of a clock is told where it explains something", "[diagnosis]") {
    using std::chrono::seconds;
    Case seen{.error = {Reaction::askOperator, Code::tokenClientRefused, "HTTP 401 invalid_client", {}, "AADSTS700024 clock_offset=-94"}};
    CHECK(clockOffsetIn(seen.error) == seconds(-94));
    CHECK(diagnose(seen)->cause == "this machine's clock is wrong, or the token endpoint's, which is 94 s behind this machine's");
    seen.clockOffset = seconds(3);
    CHECK(diagnose(seen)->cause == "this machine's clock is wrong, or the token endpoint's");
    seen.error.provider = "AADSTS700024 clock_offset=soon";
    CHECK_FALSE(clockOffsetIn(seen.error));
    CHECK(isWorthAWord(seconds(61)));
    CHECK(isWorthAWord(seconds(-61)));
    CHECK_FALSE(isWorthAWord(seconds(60)));
}

TEST_CASE("addresses are quoted so that no shell reads more into them", "[diagnosis]") {
    const auto line = [](const std::string& user) {
        auto seen = signInRefused();
        seen.user = user;
        return diagnose(seen)->fix[2];
    };
    const auto of = [](const std::string& written) {
        return "Add-MailboxPermission -Identity " + written + " -User object-1 -AccessRights FullAccess";
    };
    CHECK(line("o'brien@x.org") == of("'o''brien@x.org'"));
    CHECK(line("o\u2019brien@x.org; rm") == of("'o\u2019\u2019brien@x.org; rm'"));
    CHECK(line("-whatif@x.org") == of("'-whatif@x.org'"));
    CHECK(line("@x.org") == of("'@x.org'"));
}

TEST_CASE("what is to be pasted names the cloud the token comes from", "[diagnosis]") {
    struct Row {
        std::string endpoint, protocol, resource, provider{};
    };
    const auto row =
        GENERATE(Row{"https://login.microsoftonline.com/t/oauth2/v2.0/token", "imap", "https://outlook.office365.com/.default"},
                 Row{"https://login.microsoftonline.us/t/oauth2/v2.0/token", "imap", "https://outlook.office365.us/.default"},
                 Row{"https://login.microsoftonline.us/t/oauth2/v2.0/token", "graph", "https://graph.microsoft.us/.default"},
                 Row{"https://login.microsoftonline.us/t/oauth2/v2.0/token", "imap", "https://outlook-dod.office365.us/.default", "microsoft365-dod"},
                 Row{"https://login.microsoftonline.us/t/oauth2/v2.0/token", "graph", "https://dod-graph.microsoft.us/.default", "microsoft365-dod"},
                 Row{"https://login.microsoftonline.us/t/oauth2/v2.0/token", "ews", "https://outlook.office365.us/.default", "custom"},
                 Row{"https://idp.example/token", "ews", "https://outlook.office365.com/.default", "google"},
                 Row{"https://login.chinacloudapi.cn/t/oauth2/v2.0/token", "ews", "https://partner.outlook.cn/.default"},
                 Row{"https://idp.example/token", "imap", "https://outlook.office365.com/.default"});
    auth::diagnosis::Case seen{.error = {plugin::Reaction::askOperator, Code::tokenScopeRefused, "AADSTS28002"}};
    seen.credential = "m365";
    seen.protocol = row.protocol;
    seen.tokenEndpoint = row.endpoint;
    seen.provider = row.provider;
    const auto found = auth::diagnosis::diagnose(seen);
    REQUIRE(found);
    CHECK(found->fix.front() == "set credential.m365.scopes = " + row.resource);
}
