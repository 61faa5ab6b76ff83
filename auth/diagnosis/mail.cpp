// What mail servers say.
#include "auth/diagnosis/rows.h"

namespace auth::diagnosis {

namespace {

/// Gmail's alerts, as mail programs have published them; limits: support.google.com/a/answer/1071518.
constexpr std::array google{
    WordedRow{{"application-specific password required", "invalidsecondfactor"},
              {"gmail-app-password", "the account has a second factor: its own password does not open IMAP or POP3",
               "sign in with OAuth (credential.{credential}.provider = google), or make an app password: https://myaccount.google.com/apppasswords"}},
    WordedRow{{"web login required", "webalert", "log in via your web browser"},
              {"gmail-web-login", "Google wants somebody to sign in with a browser first",
               "sign in to the account with a browser from this network\nhttps://accounts.google.com/DisplayUnlockCaptcha, then try again"}},
    WordedRow{{"not enabled for imap use", "imap access is disabled", "not enabled for pop access"},
              {"gmail-disabled", "IMAP or POP3 is switched off for the account or the domain",
               "Google Admin console: Apps > Google Workspace > Gmail > End User Access > POP and IMAP access\n"
               "the account: Gmail > Settings > Forwarding and POP/IMAP > Enable IMAP"}},
    WordedRow{{"too many simultaneous connections"},
              {"gmail-connections", "the account has too many connections (Gmail allows 15)",
               "close other programs that read this mailbox; name fewer folders in mailbox.{mailbox}.folders"}},
    WordedRow{{"exceeded command or bandwidth limits", "exceeded bandwidth limits"},
              {"gmail-bandwidth", "the account has fetched more than Gmail allows in a day (2500 MB by IMAP)",
               "wait up to 24 hours; look for other programs that download the whole mailbox"}},
};

constexpr std::string_view tryAuthorization =
    "Connect-ExchangeOnline\n"
    "Test-ServicePrincipalAuthorization -Identity {appid} -Resource {user}\n"
    "Test-ApplicationAccessPolicy -Identity {user} -AppId {appid}\n"
    "Get-EXOMailbox -Identity {user}";

/// x-ms-diagnostics: learn.microsoft.com/exchange/client-developer/exchange-web-services/instrumenting-client-requests-for-ews-and-rest-in-exchange,
/// reasons as users have published them. EWS: web-service-reference/responsecode. Graph: learn.microsoft.com/graph/resolve-auth-errors.
constexpr std::array exchange{
    WordedRow{{"ews is disabled for this user or tenant"},
              {"ews-disabled", "EWS is switched off for the tenant or the mailbox; Exchange Online ends it for everybody on 1 April 2027",
               "postern move {mailbox} --to graph, or mailbox.{mailbox}.fallback = graph; it needs Mail.ReadWrite of Microsoft Graph\n"
               "until then: Set-OrganizationConfig -EwsEnabled $true\nSet-CASMailbox -Identity {user} "
               "-EwsEnabled $true"}},
    WordedRow{{"ews is blocked by policy for this user or tenant"},
              {"ews-not-allowed", "the application is not in the tenant's list of those that may use EWS",
               "Get-OrganizationConfig -RetrieveEwsOperationAccessPolicy\n"
               "Set-OrganizationConfig -EwsAllowedAppIDs with the whole list and {appid}; it takes up to 24 hours"}},
    WordedRow{{"hostname component of the audience claim"},
              {"audience-host", "Exchange expects its own address as the token's audience and sees another: something in front of it ends TLS",
               "no TLS offloading in front of Exchange; its virtual directories and Entra's list of its addresses must name the same https:// host"}},
    WordedRow{
        {"the audience claim value is invalid", "invalidaudienceforresource", "access token validation failure. invalid audience", "2000003;reason="},
        {"audience-invalid", "the token is for something else than {name}", "set credential.{credential}.scopes = {resource}"}},
    WordedRow{{"not enough scope to make this call", "contains no permissions", "2000008;reason="},
              {"exchange-permission", "the token has no permission that Exchange knows for this",
               "Entra admin center: App registrations > the application > API permissions > Add > APIs my organization uses > {api} > Application "
               "permissions > {role}\nconsent as an administrator: {consent}"}},
    WordedRow{{"2000002;reason=", "lifetime validation failed, the token is expired"}, clockWrong},
    WordedRow{{"2000004;reason="},
              {"exchange-tenant", "the token is from another tenant than the mailbox",
               "correct credential.{credential}.tenant, or the tenant in .token_endpoint"}},
    WordedRow{
        {"2000005;reason="},
        {"exchange-user", "Exchange does not know the user of the token", "check mailbox.{mailbox}.user, and that it has a mailbox in Exchange"}},
    WordedRow{{"2000006;reason="},
              {"exchange-client", "Exchange does not accept the application of the token",
               "Connect-ExchangeOnline\nNew-ServicePrincipal -AppId {appid} -ObjectId {oid}"}},
    WordedRow{{"2000000;reason=", "2000001;reason=", "invalidauthenticationtoken", "jwt is not well formed"},
              {"token-invalid", "the token does not pass for one there: it was changed on the way, is of another cloud, or is for something else",
               "set credential.{credential}.scopes = {resource}\ncompare the cloud of credential.{credential}.token_endpoint with the server's"}},
    WordedRow{{"2000007;reason="}, {"exchange-trouble", "a fault of Exchange's own", "nothing, it is tried again"}},
    WordedRow{{"errorimpersonateuserdenied", "errorimpersonationdenied"},
              {"ews-impersonation", "the account may not act for this mailbox",
               "Exchange Online: grant the application {role}; the role ApplicationImpersonation is gone there since 2025\n"
               "Exchange Server: New-ManagementRoleAssignment -Name Postern -Role ApplicationImpersonation -User ACCOUNT\n"
               "or for this mailbox alone: Add-MailboxPermission -Identity {user} -User ACCOUNT -AccessRights FullAccess"}},
    WordedRow{{"errorimpersonationrequired", "exchangeimpersonation soap header must be present"},
              {"ews-impersonation-missing", "an application's request must name the mailbox it acts for", "set mailbox.{mailbox}.user"}},
    WordedRow{{"errornonexistentmailbox", "errorinvaliduser", "request_resourcenotfound"},
              {"mailbox-missing", "there is no mailbox of this address in the tenant",
               "Connect-ExchangeOnline\nGet-EXOMailbox -Identity {user}\ncorrect mailbox.{mailbox}.user"}},
    WordedRow{
        {"mailboxnotenabledforrestapi", "mailboxnotsupportedforrestapi", "mailbox is either inactive, soft-deleted"},
        {"mailbox-not-online", "the mailbox is not in Exchange Online, or has no licence",
         "Connect-ExchangeOnline\nGet-EXOMailbox -Identity {user}\na mailbox of an Exchange Server is read with mailbox.{mailbox}.protocol = ews"}},
    WordedRow{{"erroraccountdisabled"},
              {"mailbox-disabled", "the mailbox's account is disabled",
               "enable it, or make the mailbox a shared one: Set-Mailbox -Identity {user} -Type Shared"}},
    WordedRow{{"errorinvalidlicense"},
              {"mailbox-licence", "the mailbox has no licence for this way of access",
               "give {user} an Exchange Online plan; Kiosk and F plans have no EWS"}},
    WordedRow{
        {"errororganizationaccessblocked"},
        {"organisation-blocked", "Exchange Online has blocked the whole organisation", "look at the Microsoft 365 admin center: Health, Billing"}},
    WordedRow{
        {"authorization_requestdenied"},
        {"graph-permission", "the application has no permission for this in Microsoft Graph",
         "Entra admin center: App registrations > the application > API permissions > Add > Microsoft Graph > Application permissions > {role}\n"
         "consent as an administrator: {consent}"}},
    WordedRow{{"erroraccessdenied", "access is denied. check credentials"},
              {"mailbox-denied", "the application or user has no right on this mailbox: no permission, or a management scope or policy leaves it out",
               tryAuthorization}},
    WordedRow{
        {"errorexceededconnectioncount", "errortoomanyobjectsopened", "mailboxconcurrency", "applicationthrottled"},
        {"exchange-concurrency", "the mailbox has too many requests at a time", "nothing, fewer are made; look for other programs that read it"}},
};

/// RFC 5530, and Dovecot.
constexpr std::array imap{
    WordedRow{{"[authorizationfailed]"},
              {"imap-authorization", "the sign-in was accepted, but not for this mailbox",
               "let the account act for {user} at the server, or set mailbox.{mailbox}.user to its own mailbox"}},
    WordedRow{{"[expired]"}, {"imap-expired", "what was signed in with has expired", "renew the password; a token is renewed by itself"}},
    WordedRow{{"[privacyrequired]", "plaintext authentication disallowed", "cleartext authentication not allowed"},
              {"imap-privacy", "the server takes no sign-in without TLS", "set mailbox.{mailbox}.tls = implicit or starttls"}},
    WordedRow{{"[contactadmin]"}, {"imap-contact", "the server's administrator has to do something", "ask whoever runs the server"}},
    WordedRow{{"[limit]", "[overquota]"}, {"imap-limit", "a limit of the server is reached", "ask whoever runs the server which one it is"}},
    WordedRow{{"[inuse]"}, {"imap-in-use", "another program holds the mailbox", "close it; it is tried again"}},
    WordedRow{{"temporary authentication failure"},
              {"imap-unavailable", "the server cannot check sign-ins now, for a token mostly because it does not reach the token's issuer",
               "nothing, it is tried again; if it stays, look at the server's log (Dovecot: dovecot-oauth2.conf.ext, introspection_url)"}},
    WordedRow{{"[unavailable]", "[serverbug]"},
              {"imap-trouble", "the server has trouble of its own", "nothing, it is tried again; if it stays, ask whoever runs the server"}},
};

/// As auth/sasl writes a challenge into an error's text.
constexpr std::array challenge{
    WordedRow{{"(status insufficient_scope", "(status 403"},
              {"challenge-scope", "the token is good, its scopes are not enough: the server wants {wanted}",
               "set credential.{credential}.scopes = {wanted}"}},
    WordedRow{{"(status invalid_request", "(status 400"},
              {"challenge-malformed", "the server does not understand the sign-in: user name or token do not have the form it wants",
               "set mailbox.{mailbox}.user to the whole address\nset credential.{credential}.scopes = {wanted}\n"
               "try the other mechanism: mailbox.{mailbox}.sasl = xoauth2 or oauthbearer"}},
    WordedRow{{"(status 401", "(status invalid_token"},
              {"challenge-token", "the server refuses the token: it has ended, is another user's, or is for other scopes; it wants {wanted}",
               "check that {user} is the account that consented, or one the application may act for\n"
               "set credential.{credential}.scopes = {wanted}"}},
};

constexpr std::array code{
    CodedRow{plugin::Code::mailboxAccess,
             {"mailbox-access-any", "the sign-in was accepted, the mailbox was not opened: no rights on it, a wrong name, or {name} disabled for it",
              "check mailbox.{mailbox}.user, the rights of the account on that mailbox, and that {name} is enabled for it"}},
    CodedRow{plugin::Code::mailboxSignInRefused,
             {"sign-in-refused", "the server does not take this sign-in for this mailbox",
              "check that {user} exists at that server and is spelled as it is there\n"
              "check that the server accepts tokens of this issuer, audience and scope; for a password: user name and password"}},
    CodedRow{plugin::Code::mailboxEwsForbidden,
             {"ews-forbidden",
              "EWS is closed for this mailbox: its licence has no EWS (Kiosk, F1 and F3 have none), a management scope or policy leaves it out, or "
              "Conditional Access forbids it",
              "use mailbox.{mailbox}.protocol = graph, which needs no EWS\n"
              "Connect-ExchangeOnline\n"
              "Get-CASMailbox -Identity {user} | Format-List Ews*\n"
              "Test-ServicePrincipalAuthorization -Identity {appid} -Resource {user}"}},
    CodedRow{plugin::Code::mailboxBasicNotOffered,
             {"ews-basic-disabled", "the server takes no name and password for EWS (Basic), only what it offers here",
              "Exchange Management Shell: Get-WebServicesVirtualDirectory | Set-WebServicesVirtualDirectory -BasicAuthentication $true"}},
    CodedRow{plugin::Code::mailboxBasicRefused,
             {"ews-password-refused", "the server does not take this name and password",
              "check credential.{credential}.username: DOMAIN\\account or account@domain, as Windows knows it\n"
              "check the password where it is stored, and that the account is neither locked nor has to change it"}},
    CodedRow{plugin::Code::tokenClientRefused,
             {"client-refused", "the token endpoint does not take this client id and secret",
              "compare client_id and client_secret with what the provider shows; blanks and line ends count\n"
              "try the other places for the secret: credential.{credential}.authentication = basic, basic_raw or body\n"
              "where a key signs instead: compare its thumbprint (postern keystores) with the certificate registered at the provider"}},
    CodedRow{plugin::Code::tokenScopeRefused,
             {"scope-refused", "the token endpoint does not offer these scopes to this client",
              "compare credential.{credential}.scopes with what the provider documents"}},
    CodedRow{plugin::Code::tokenSignInNeeded,
             {"sign-in-missing", "nobody has signed in yet, or what was granted has ended",
              "postern login {credential}\nas the user the service runs as, with the same server.data; the service goes on by itself"}},
    CodedRow{plugin::Code::tokenNotJson,
             {"not-a-token-endpoint", "what answers at token_endpoint is no token endpoint: a web page, a proxy's login page perhaps",
              "correct credential.{credential}.token_endpoint\nlook at it from this machine: curl -i -X POST THAT-URL"}},
    CodedRow{plugin::Code::mailboxThrottled,
             {"throttled", "the server slows us down", "wait as long as it asks; look for other programs that sign in to the same mailbox"}},
    CodedRow{plugin::Code::mailboxNoMechanism,
             {"no-mechanism", "the server offers no sign-in that goes with this credential",
              "enable OAuth (XOAUTH2 or OAUTHBEARER) at the server, or use a credential of grant user_password"}},
    CodedRow{plugin::Code::channelCertificateUntrusted,
             {"certificate-untrusted", "the server's certificate is signed by nobody this machine trusts",
              "put the issuer's certificate into a PEM file\n"
              "truststore.<alias>.path = that file, and .truststore = <alias> beside the host; with an intercepting proxy: its certificate"}},
    CodedRow{plugin::Code::channelCertificateName,
             {"certificate-name", "the server's certificate is for another name", "use the name the certificate was made for"}},
    CodedRow{plugin::Code::channelNotTls, {"not-tls", "the port does not speak TLS", "993 goes with tls = implicit, 143 with tls = starttls"}},
};

}  // namespace

std::span<const WordedRow> googleMailRows() { return google; }
std::span<const WordedRow> exchangeRows() { return exchange; }
std::span<const WordedRow> imapRows() { return imap; }
std::span<const WordedRow> challengeRows() { return challenge; }
std::span<const CodedRow> codeRows() { return code; }

}  // namespace auth::diagnosis
