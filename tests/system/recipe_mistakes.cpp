#include "tests/system/recipe_mistakes.h"

namespace systemtest {

using servers::EwsServer;

namespace {

void graphRefuses(Stage& stage, int status, const std::string& code, const std::string& message, const std::string& of = "/v1.0/users/") {
    stage.providers.graph().fail({.what = of, .status = status, .code = code, .times = 1000, .message = message});
}
void ewsAnswers(Stage& stage, servers::EwsAnswer answer) {
    stage.providers.ews.instead = [answer](const servers::EwsRequest&) { return std::optional(answer); };
}
void ownEwsAnswers(Stage& stage, servers::EwsAnswer answer) {
    stage.providers.ownEws.instead = [answer](const servers::EwsRequest&) { return std::optional(answer); };
}
servers::EwsAnswer blocked(const std::string& reason) { return EwsServer::plain(403, {{"X-EWS-Policy-Reason", reason}}); }

const std::string orders = Providers::user, ceo = Providers::other;

std::vector<Mistake> mistakesInTheCloud() {
    const auto secretsId = [](Stage& s) { s.file("m365.secret", "33333333-4444-5555-6666-777777777777"); };
    const auto misspelled = [](Stage& s) { s.set("mailbox.orders.user", "order@contoso.com"); };
    const auto forGraph = [](Stage& s) { s.set("credential.m365.scopes", "https://graph.microsoft.com/.default"); };
    const auto noGraphConsent = [](Stage& s) {
        s.providers.graphRoles.clear();
        graphDenies(s);
    };
    const std::vector<std::string> denied{"doctor", "orders", "--denied", ceo};
    return {
        {"microsoft365-graph.md", "the secret's ID in place of its Value", secretsId},
        {"microsoft365-graph.md", "tenant id and client id mixed up",
         [](Stage& s) {
             s.set("credential.m365.tenant", Providers::application);
             s.set("credential.m365.client_id", Providers::tenant);
         }},
        {"microsoft365-graph.md", "a client id of another tenant", [](Stage& s) { s.set("credential.m365.client_id", Providers::object); }},
        {"microsoft365-graph.md", "no admin consent, or a *delegated* permission", noGraphConsent},
        {"microsoft365-graph.md", "the mailbox's name misspelled", misspelled},
        {"microsoft365-graph.md", "the mailbox is on an Exchange Server, or has no licence",
         [](Stage& s) {
             graphRefuses(s, 404, "MailboxNotEnabledForRESTAPI", "The mailbox is either inactive, soft-deleted, or is hosted on-premise.");
         }},
        {"microsoft365-graph.md", "a policy or management scope leaves the mailbox out", [](Stage& s) { graphDenies(s); }},
        {"microsoft365-graph.md", "an old line `credential.m365.scopes` asks for Exchange",
         [](Stage& s) { s.set("credential.m365.scopes", "https://outlook.office365.com/.default"); }},

        {"microsoft365-imap.md", "the object id of the app registration given to New-ServicePrincipal, or that line forgotten",
         [](Stage& s) { s.providers.registered = false; }},
        {"microsoft365-imap.md", "no Add-MailboxPermission for this mailbox", [](Stage& s) { s.providers.mailboxes.clear(); }},
        {"microsoft365-imap.md", "no admin consent", [](Stage& s) { s.providers.exchangeRoles.clear(); }},
        {"microsoft365-imap.md", "scopes of Microsoft Graph written down", forGraph},
        {"microsoft365-imap.md", "the secret's ID in place of its Value", secretsId},
        {"microsoft365-imap.md", "the secret has expired", [](Stage& s) { s.providers.entraRefuses = 7000222; }},
        {"microsoft365-imap.md", "full access to more than it should have (`--denied ceo@contoso.com`)",
         [](Stage& s) { s.providers.mailboxes.insert(ceo); }, denied},

        {"microsoft365-ews.md", "EWS switched off for the tenant or the mailbox",
         [](Stage& s) { ewsAnswers(s, blocked("EWS is disabled for this user or tenant")); }},
        {"microsoft365-ews.md", "the application not among EwsAllowedAppIDs",
         [](Stage& s) { ewsAnswers(s, blocked("EWS is blocked by policy for this user or tenant")); }},
        {"microsoft365-ews.md", "no admin consent for full_access_as_app",
         [](Stage& s) {
             s.providers.exchangeRoles.clear();
             ewsAnswers(s, EwsServer::plain(403));
         }},
        {"microsoft365-ews.md", "the mailbox's licence has no EWS (Kiosk, F1, F3)", [](Stage& s) { ewsAnswers(s, EwsServer::plain(403)); }},
        {"microsoft365-ews.md", "scopes of Microsoft Graph written down", forGraph},
        {"microsoft365-ews.md", "the mailbox's name misspelled", misspelled},

        {"some-mailboxes-only.md", "the consent in Entra is still there (`--denied ceo@contoso.com`)",
         [](Stage& s) { s.providers.graph().opensAll(true); }, denied},
        {"some-mailboxes-only.md", "the management scope has the other mailbox too, or was left out (`--denied ceo@contoso.com`)",
         [](Stage& s) {
             s.providers.graphRoles.clear();
             s.providers.graph().opensAll(true);
         },
         denied},
        {"some-mailboxes-only.md", "the mailbox outside the scope, or all of it less than two hours old", noGraphConsent},
        {"some-mailboxes-only.md", "the object id of the app registration given to New-ServicePrincipal", noGraphConsent},
        {"some-mailboxes-only.md", "an application access policy leaves the mailbox out", [](Stage& s) { graphDenies(s); }},
        {"some-mailboxes-only.md", "whether the other stays closed cannot be told, since the own one does not open (`--denied ceo@contoso.com`)",
         noGraphConsent, denied},
    };
}

std::vector<Mistake> mistakesElsewhere() {
    const std::vector<std::string> login{"login", "me"}, plan{"move", "orders", "--to", "graph", "--plan"};
    const auto clockIsOff = [](Stage& s) { s.providers.googleClock = false; };
    return {
        {"microsoft365-person.md", "nobody has signed in yet", [](Stage&) {}, {}, false},
        {"microsoft365-person.md", "the consent was taken back, or the password changed",
         [](Stage& s) {
             s.providers.lifetime = 1;
             s.providers.entraRefuses = 50173;
         }},
        {"microsoft365-person.md", "somebody else has signed in (`postern login me`)", [](Stage& s) { s.providers.signsIn = ceo; }, login, false},
        {"microsoft365-person.md", "the application registered as a single-page application (`postern login me`)",
         [](Stage& s) { s.providers.entraRefuses = 9002327; }, login, false},
        {"microsoft365-person.md", "the secret's ID in place of its Value (`postern login me`)",
         [](Stage& s) { s.file("m365.secret", "33333333-4444-5555-6666-777777777777"); }, login, false},
        {"microsoft365-person.md", "scopes without `IMAP.AccessAsUser.All` written down",
         [](Stage& s) {
             s.set("credential.me.scopes", "https://outlook.office.com/Mail.Read offline_access");
             s.providers.scopes = {"Mail.Read"};
         }},
        {"microsoft365-person.md", "a shared mailbox to which the person has no full access",
         [](Stage& s) {
             s.providers.signsIn = "anna@contoso.com";
             s.providers.mailboxes.clear();
         }},
        {"microsoft365-person.md", "*Allow public client flows* is No (`postern login me`)", [](Stage& s) { s.providers.entraRefuses = 7000218; },
         login, false},
        {"microsoft365-person.md", "Conditional Access blocks device codes (`postern login me`)", [](Stage& s) { s.providers.entraRefuses = 53003; },
         login, false},

        {"exchange-server.md", "Basic not enabled on the virtual directory",
         [](Stage& s) {
             ownEwsAnswers(s, EwsServer::plain(401, {{"WWW-Authenticate", "Negotiate"}}));
         }},
        {"exchange-server.md", "a wrong password, or an account without its domain",
         [](Stage& s) {
             ownEwsAnswers(s, EwsServer::plain(401, {{"WWW-Authenticate", "Basic realm=\"mail.corp.example\""}}));
         }},
        {"exchange-server.md", "no role ApplicationImpersonation for this mailbox",
         [](Stage& s) {
             s.providers.ownEws.instead = [](const servers::EwsRequest& request) {
                 const bool acts = request.body.find("ExchangeImpersonation") != std::string::npos;
                 return std::optional(acts ? EwsServer::fault("ErrorImpersonateUserDenied") : EwsServer::refusal("GetFolder", "ErrorAccessDenied"));
             };
         }},
        {"exchange-server.md", "the certificate's authority not in the truststore",
         [](Stage& s) { s.file("corporate-ca.pem", servers::makeCertificate({.commonName = "another", .authority = true}).pem()); }},
        {"exchange-server.md", "url of another host than the certificate's",
         [](Stage& s) { s.set("mailbox.scanner.url", "https://exchange01.corp.example/EWS/Exchange.asmx"); }},
        {"exchange-server.md", "url of Outlook on the web",
         [](Stage& s) {
             ownEwsAnswers(s, EwsServer::plain(200, {{"Content-Type", "text/html"}}, "<html>Outlook</html>"));
         }},
        {"exchange-server.md", "another address of the mailbox as user",
         [](Stage& s) { ownEwsAnswers(s, EwsServer::fault("ErrorNonPrimarySmtpAddress")); }},

        {"certificate-and-proxy.md", "the certificate not uploaded, or another one", [](Stage& s) { s.providers.certificate.clear(); }},
        {"certificate-and-proxy.md", "a wrong password of the PKCS#12 file", [](Stage& s) { s.file("client.password", "another"); }},
        {"certificate-and-proxy.md", "the clock of this machine is off", [](Stage& s) { s.providers.entraRefuses = 700024; }},
        {"certificate-and-proxy.md", "the proxy wants another user or password", [](Stage& s) { s.file("proxy.password", "another"); }},
        {"certificate-and-proxy.md", "the proxy does not let through to Graph",
         [](Stage& s) { s.providers.tunnel().deny("graph.microsoft.com:443"); }},
        {"certificate-and-proxy.md", "the proxy opens the TLS of others (inspection)",
         [](Stage& s) { s.place.file("roots.pem", Providers::ownAuthority().pem()); }},

        {"google-workspace.md", "no domain-wide delegation, another client id, or another scope", [](Stage& s) { s.providers.delegated = false; }},
        {"google-workspace.md", "no such user, or the address of a group or an alias",
         [](Stage& s) { s.set("mailbox.orders.user", "order@contoso.com"); }},
        {"google-workspace.md", "the key deleted or disabled at Google", [](Stage& s) { s.providers.googleKey = false; }},
        {"google-workspace.md", "IMAP switched off for the user", [](Stage& s) { s.providers.googleImap = false; }},
        {"google-workspace.md", "this machine's clock is off", clockIsOff},

        {"ews-to-graph.md", "no Mail.ReadWrite of Graph for the application (`postern move orders --to graph --plan`)",
         [](Stage& s) { graphDenies(s); }, plan},
        {"ews-to-graph.md", "scopes of Exchange written down (`postern move orders --to graph --plan`)",
         [](Stage& s) { s.set("credential.m365.scopes", "https://outlook.office365.com/.default"); }, plan},
        {"ews-to-graph.md", "a credential without a provider (`postern move orders --to graph --plan`)",
         [](Stage& s) {
             s.drop("credential.m365.provider");
             s.drop("credential.m365.tenant");
             s.set("credential.m365.token_endpoint", std::string("https://login.microsoftonline.com/") + Providers::tenant + "/oauth2/v2.0/token");
             s.set("credential.m365.scopes", "https://outlook.office365.com/.default");
             s.set("mailbox.orders.url", "https://outlook.office365.com/EWS/Exchange.asmx");
         },
         plan},
        {"ews-to-graph.md", "the mailbox not in Exchange Online (`postern move orders --to graph --plan`)",
         [](Stage& s) {
             graphRefuses(s, 404, "MailboxNotEnabledForRESTAPI", "The mailbox is either inactive, soft-deleted, or is hosted on-premise.");
         },
         plan},
    };
}

}  // namespace

void graphDenies(Stage& stage, const std::string& of) {
    graphRefuses(stage, 403, "ErrorAccessDenied", "Access is denied. Check credentials and try again.", of);
}

std::vector<Mistake> mistakes() {
    auto all = mistakesInTheCloud();
    const auto more = mistakesElsewhere();
    all.insert(all.end(), more.begin(), more.end());
    return all;
}

}  // namespace systemtest
