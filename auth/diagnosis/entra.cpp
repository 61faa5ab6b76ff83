// What Entra says with a number. Microsoft asks not to program against these: they explain, nothing more.
// Source: learn.microsoft.com/entra/identity-platform/reference-error-codes; 1002012, 501051, 530031, 70020, 7002xx, 700003, 700024, 9002325 to
// 9002327 as users have published them.
#include "auth/diagnosis/rows.h"

namespace auth::diagnosis {

namespace {

constexpr std::string_view useTenant =
    "put the tenant's id into credential.{credential}.tenant, or in place of /common or /consumers into .token_endpoint";
constexpr std::string_view oneDefault = "set credential.{credential}.scopes = {resource}\none resource, ending in /.default, not encoded";
constexpr std::string_view addPermission =
    "Entra admin center: App registrations > the application > API permissions > Add > APIs my organization uses > {api} > Application permissions > "
    "{role}\n"
    "consent as an administrator: {consent}";
constexpr std::string_view consent =
    "consent as an administrator: {consent}\n"
    "where that page ends with AADSTS500113, the application has no redirect URI; the consent is given all the same";
constexpr std::string_view signInAgain = "sign in again: postern login {credential}";
constexpr std::string_view asApplication = "exclude the service in Conditional Access, or sign in as an application (client_credentials)";
constexpr std::string_view registerRedirect =
    "Entra admin center: App registrations > the application > Authentication: register the redirect URI exactly as it is sent\n"
    "postern login {credential} prints it first";

constexpr std::array rows{
    // client and secret
    NumberedRow{{7000215},
                {"secret-wrong", "the client secret is not one of the application's: mostly the secret's ID was pasted instead of its Value",
                 "Entra admin center: App registrations > the application > Certificates & secrets: make a new secret and copy its Value\n"
                 "put it, as it is, where credential.{credential}.client_secret points"}},
    NumberedRow{{7000222},
                {"secret-expired", "the client secret has expired",
                 "Entra admin center: App registrations > the application > Certificates & secrets: make a new secret\n"
                 "put its Value where credential.{credential}.client_secret points; the service reads it again by itself"}},
    NumberedRow{{7000218},
                {"secret-missing", "no client secret reached Entra",
                 "set credential.{credential}.client_secret\n"
                 "for a sign-in without a secret: App registrations > the application > Authentication > Allow public client flows: Yes"}},
    NumberedRow{{700025},
                {"public-client", "the application is a public client: it must not send a secret",
                 "Entra admin center: App registrations > the application > Authentication: register a Web platform instead, and make a secret"}},
    NumberedRow{{700027, 50012, 700030},
                {"certificate-unknown", "the certificate is not one of the application's",
                 "upload the certificate that credential.{credential}.keystore holds: App registrations > the application > "
                 "Certificates & secrets > Certificates\n"
                 "postern keystores ALIAS --certificate KEY prints it"}},
    NumberedRow{{700024, 500133}, clockWrong},
    NumberedRow{{700211, 700212, 700213, 70021},
                {"federation-unknown", "no federated credential of the application fits the assertion's issuer, audience or subject",
                 "correct the federated credential: the error names the value that was presented"}},
    NumberedRow{{700229},
                {"federation-user-token", "the assertion is a token of a user; only an application's own token may stand for a federated credential",
                 "have the assertion made by an application or a managed identity"}},
    NumberedRow{
        {700016, 700011},
        {"application-unknown", "the application is not known in this tenant: the client id or the tenant is wrong, or it was never consented there",
         "compare credential.{credential}.client_id with App registrations > the application > Application (client) ID\n"
         "compare credential.{credential}.tenant, or the tenant in .token_endpoint, with Directory (tenant) ID on the same page\n"
         "an application of another tenant: consent as an administrator: {consent}"}},
    NumberedRow{{7000112, 70001, 1000031},
                {"application-disabled", "the application is disabled in this tenant",
                 "Entra admin center: Enterprise applications > the application > Properties > Enabled for users to sign in: Yes"}},
    NumberedRow{{7000114},
                {"on-behalf-of", "the application may not ask on behalf of others",
                 "use an application of your own with credential.{credential}.grant = client_credentials"}},
    NumberedRow{{65002},
                {"microsofts-application", "the client id is that of one of Microsoft's own applications",
                 "register an application of your own and set credential.{credential}.client_id to its Application (client) ID"}},
    NumberedRow{{50146, 50003},
                {"signing-key", "the application wants a signing key of its own, and has none that is valid",
                 "ask the application's owner to add a valid signing key"}},

    // tenant and cloud
    NumberedRow{
        {90002, 50049},
        {"tenant-unknown", "there is no such tenant: its id or domain is misspelled, or it lives in another cloud",
         "correct credential.{credential}.tenant, or the tenant in .token_endpoint: Directory (tenant) ID at App registrations > the application"}},
    NumberedRow{{50059, 50128, 90019}, {"tenant-missing", "nothing in the request says which tenant it is for", useTenant}},
    NumberedRow{{500021, 500022, 50002},
                {"tenant-restricted", "a proxy on the way allows sign-ins to other tenants only (tenant restrictions)",
                 "have the tenant added to the proxy's header Restrict-Access-To-Tenants, or use a way without it: credential.{credential}.proxy"}},
    NumberedRow{{500212, 500213},
                {"cross-tenant-policy", "the cross-tenant access policy of one of the two tenants forbids this user",
                 "Entra admin center: External Identities > Cross-tenant access settings, or use an account of the tenant itself"}},
    NumberedRow{
        {90038, 900382, 900432, 90051, 90043},
        {"other-cloud", "the tenant lives in another national cloud",
         "set credential.{credential}.provider = microsoft365-gcch, microsoft365-dod or microsoft365-china\n"
         "without a provider, use that cloud's endpoints: login.microsoftonline.us (US government) or login.partner.microsoftonline.cn (China)"}},
    NumberedRow{{50194, 9001023, 90124, 90130, 9002332},
                {"tenant-not-named", "an application signs in to its own tenant, not to /common", useTenant}},

    // scope and resource
    NumberedRow{{70011, 1002012}, {"scope-not-default", "the scope does not have the form an application needs", oneDefault}},
    NumberedRow{{28002, 28003, 700022, 700023}, {"scope-several", "the scope is empty or names several resources", oneDefault}},
    NumberedRow{{901002},
                {"resource-parameter", "this endpoint takes no parameter `resource`",
                 "remove credential.{credential}.token.parameter.resource; the scope names the resource"}},
    NumberedRow{{500011, 50001},
                {"resource-unknown", "the resource in the scope is not known in this tenant: it is misspelled, or the tenant has no Exchange Online",
                 oneDefault}},
    NumberedRow{{650052, 650054},
                {"service-missing", "the tenant has no subscription to the service the application asks for",
                 "give the tenant an Exchange Online plan, or remove the permission: App registrations > the application > API permissions"}},

    // consent and permissions
    NumberedRow{{90094, 90095, 90099}, {"admin-consent", "an administrator has to consent: users may not in this tenant", consent}},
    NumberedRow{{65001, 90008},
                {"consent-missing", "nobody has consented to the application's permissions",
                 "Entra admin center: App registrations > the application > API permissions > Grant admin consent\n"
                 "or open as an administrator: {consent}"}},
    NumberedRow{{65004}, {"consent-declined", "whoever signed in declined to consent", signInAgain}},
    NumberedRow{{501051}, {"role-not-assigned", "the application has no role for {api}, which demands an assignment", addPermission}},
    NumberedRow{{50105},
                {"user-not-assigned", "the application wants its users assigned, and this one is not",
                 "Entra admin center: Enterprise applications > the application > Users and groups > Add user\n"
                 "or Properties > Assignment required: No"}},
    NumberedRow{{650056, 650057, 65005}, {"permission-missing", "{api} is not among the application's permissions", addPermission}},

    // users
    NumberedRow{{50034, 50020, 90072, 51004, 16000, 16003, 50014, 50197},
                {"user-not-in-tenant", "the user is not in this tenant", "check the account and the tenant"}},
    NumberedRow{{500208},
                {"account-type", "accounts of this kind (personal, or work) may not sign in here", "sign in with an account of the tenant"}},
    NumberedRow{{50126, 50056, 50064}, {"password-wrong", "user name or password is wrong", "check both where they are stored"}},
    NumberedRow{{50055, 50144, 50135}, {"password-expired", "the password has expired or must be changed", "change it at https://aka.ms/sspr"}},
    NumberedRow{
        {50057},
        {"account-disabled", "the user's account is disabled",
         "Entra admin center: Users > the user > Account status: Enabled; a shared mailbox needs no enabled account when an application signs in"}},
    NumberedRow{{50053},
                {"account-locked", "the account is locked after too many failed sign-ins, or the address we come from is suspicious to Microsoft",
                 "Entra admin center: Sign-in logs, error code 50053: Failure reason\nfind what else signs in with an old password"}},
    NumberedRow{{53011, 530034, 53004},
                {"account-at-risk", "the account is blocked because it is at risk",
                 "Entra admin center: Protection > Risky users: look into it, then dismiss or confirm"}},
    NumberedRow{{50058}, {"nobody-signed-in", "nobody is signed in, and the request forbids asking", signInAgain}},
    NumberedRow{{53000, 53001, 50097, 50005, 50155, 50187, 50129, 700003},
                {"device-wanted", "Conditional Access wants a device that is known or compliant; a service is none", asApplication}},
    NumberedRow{{53002, 50127}, {"app-not-approved", "Conditional Access wants an approved app", asApplication}},
    NumberedRow{
        {50131, 530032, 530031},
        {"conditional-access", "Conditional Access or a security policy forbids the sign-in",
         "Entra admin center: Sign-in logs > the sign-in > Conditional Access names the policy\nexclude the service's application or address there"}},
    NumberedRow{{50074, 50076, 50079, 53003, 530035, 50072, 50078, 50158, 50161, 700020},
                {"interaction-wanted", "a second factor or Conditional Access stands in the way", asApplication}},
    NumberedRow{{75011}, {"authentication-method", "the user has signed in by another method than was asked for", signInAgain}},
    NumberedRow{{130004}, {"passwordless-key", "the user has no key for a sign-in without password", "sign in with another method"}},
    NumberedRow{{80012}, {"logon-hours", "the account may not sign in at this hour", "Active Directory: the user > Account > Logon Hours"}},
    NumberedRow{{80001, 80002, 80005, 80007, 80010, 80013, 80014},
                {"on-premises-agent", "the tenant's own directory did not check the password in time (pass-through authentication)",
                 "look at the Authentication Agent's servers and at their clocks; it is tried again"}},
    NumberedRow{{20001, 20012, 20033, 40008, 40009, 40015, 50008, 50107},
                {"federated-provider", "the tenant's federated identity provider does not answer as it should", "ask whoever runs it"}},

    // what was granted, and how
    NumberedRow{{700084, 9002325, 9002326, 9002327},
                {"redirect-platform", "the redirect URI is registered for a single-page application, which a service is not",
                 "Entra admin center: App registrations > the application > Authentication: register it under Web, or under Mobile and desktop\n"
                 "sign in again: postern login {credential}"}},
    NumberedRow{{70043}, {"sign-in-frequency", "Conditional Access wants a sign-in by a person again after some time", asApplication}},
    NumberedRow{{50173, 700082, 70008, 50089, 50132, 50133, 50139, 70000},
                {"grant-ended", "the stored grant has ended or was taken back", signInAgain}},
    NumberedRow{{50011, 70004}, {"redirect-mismatch", "the redirect URI is not one of the application's", registerRedirect}},
    NumberedRow{{500113, 900971}, {"redirect-missing", "the application has no redirect URI", registerRedirect}},
    NumberedRow{{54005}, {"code-used", "the code was redeemed twice", signInAgain}},
    NumberedRow{{700005},
                {"code-other-tenant", "the code was made by another tenant than the one asked for a token",
                 "name the same tenant in credential.{credential}.authorization_endpoint and .token_endpoint"}},
    NumberedRow{{501481, 50147, 501491}, {"pkce-wrong", "the code's PKCE verifier does not fit", signInAgain}},
    NumberedRow{{70018, 90119}, {"device-code-wrong", "another code was typed than the one shown", signInAgain}},
    NumberedRow{{70019, 70020}, {"device-code-expired", "nobody typed the code in time", signInAgain}},
    NumberedRow{{90120}, {"device-code-done", "the code was already used or declined", signInAgain}},
    NumberedRow{{50134}, {"device-code-elsewhere", "the code was confirmed in another region than the one it was made in", signInAgain}},
    NumberedRow{{70016}, {"device-code-waits", "nobody has confirmed the code yet", "type the code at the page it was shown with"}},
    NumberedRow{{700054, 700051, 70005},
                {"response-type", "the application may not ask for this kind of answer (response_type)",
                 "remove credential.{credential}.authorize.parameter.response_type"}},
    NumberedRow{{70003},
                {"grant-unsupported", "Entra knows no such grant",
                 "correct credential.{credential}.grant, and token_endpoint: https://login.microsoftonline.com/TENANT/oauth2/v2.0/token"}},
    NumberedRow{{900561, 90056},
                {"endpoint-other", "the URL is that of another endpoint, or the way to it turns POST into GET",
                 "credential.{credential}.token_endpoint ends in /oauth2/v2.0/token"}},

    // the provider
    NumberedRow{
        {50196},
        {"asked-too-often", "Entra was asked too often and sees a loop", "wait some minutes; look for other programs that use the same application"}},
    NumberedRow{{90006, 90012, 90024, 90033, 50033, 90055, 90090, 90091, 50087, 40010},
                {"provider-trouble", "a passing fault of the provider", "nothing, it is tried again"}},
    NumberedRow{{50000, 90036, 90092},
                {"provider-fault", "a fault of the provider that does not pass by itself",
                 "ask Microsoft, with the trace_id and correlation_id of the error"}},

    // what stands beside a number that says more
    NumberedRow{{70002},
                {"client-invalid", "the client's secret or assertion is not one of the application's",
                 "compare credential.{credential}.client_id and client_secret with App registrations > the application"}},
    NumberedRow{{900144},
                {"parameter-missing", "a parameter is missing, or its setting is empty",
                 "the error names it: set the key of that name under credential.{credential}, or credential.{credential}.token.parameter.NAME"}},
    NumberedRow{{9002313, 90014, 90023, 90004, 90100, 90121},
                {"request-malformed", "Entra does not understand the request",
                 "look for blanks, quotation marks and encoded characters in client_id, scopes and token_endpoint of credential.{credential}"}},
};

}  // namespace

std::span<const NumberedRow> entraRows() { return rows; }

}  // namespace auth::diagnosis
