// What providers and mail servers say, and the one row each leads to. A new row wants a line here.
#include "auth/diagnosis/diagnosis.h"
#include "auth/diagnosis/rows.h"
#include "auth/token/token_response.h"

#include <catch2/catch.hpp>

#include <functional>
#include <map>
#include <set>

using namespace auth::diagnosis;
using plugin::Code;
using plugin::Error;
using plugin::Reaction;

namespace {

std::string idOf(const Case& seen) {
    const auto found = diagnose(seen);
    return found ? found->id : "-";
}

/// The error an answer of a token endpoint becomes.
Error answered(const std::string& error, const std::string& description, const std::string& more = "") {
    const auto body = R"({"error":")" + error + R"(","error_description":")" + description + "\"" + more + "}";
    const auto verdict = auth::judge({400, "application/json", "", body}, plugin::Wall{}, [](std::string_view) { return false; });
    REQUIRE_FALSE(verdict);
    return verdict.error();
}

Error entra(const std::string& error, std::int64_t number) {
    const auto text = std::to_string(number);
    return answered(error, "AADSTS" + text + ": as Entra puts it. Trace ID: 0a1b", R"(,"error_codes":[)" + text + R"(],"trace_id":"0a1b")");
}

/// As auth/token shows it to those who wait for a token.
Error shown(Error error) {
    error.what = "credential c, https://login.example/token: " + error.what;
    return error;
}

struct Numbers {
    const char* id;
    const char* error;
    std::vector<std::int64_t> numbers;
};
const std::vector<Numbers> entraNumbers{
    {"secret-wrong", "invalid_client", {7000215}},
    {"secret-expired", "invalid_client", {7000222}},
    {"secret-missing", "invalid_client", {7000218}},
    {"public-client", "invalid_client", {700025}},
    {"certificate-unknown", "invalid_client", {700027, 50012, 700030}},
    {"clock-wrong", "invalid_client", {700024, 500133}},
    {"federation-unknown", "invalid_client", {700211, 700212, 700213, 70021}},
    {"federation-user-token", "invalid_client", {700229}},
    {"application-unknown", "unauthorized_client", {700016, 700011}},
    {"application-disabled", "unauthorized_client", {7000112, 70001, 1000031}},
    {"on-behalf-of", "unauthorized_client", {7000114}},
    {"microsofts-application", "invalid_grant", {65002}},
    {"signing-key", "invalid_request", {50146, 50003}},
    {"tenant-unknown", "invalid_request", {90002, 50049}},
    {"tenant-missing", "invalid_request", {50059, 50128, 90019}},
    {"tenant-restricted", "access_denied", {500021, 500022, 50002}},
    {"cross-tenant-policy", "access_denied", {500212, 500213}},
    {"other-cloud", "invalid_request", {90038, 900382, 900432, 90051, 90043}},
    {"tenant-not-named", "invalid_request", {50194, 9001023, 90124, 90130, 9002332}},
    {"scope-not-default", "invalid_scope", {70011, 1002012}},
    {"scope-several", "invalid_scope", {28002, 28003, 700022, 700023}},
    {"resource-parameter", "invalid_request", {901002}},
    {"resource-unknown", "invalid_resource", {500011, 50001}},
    {"service-missing", "unauthorized_client", {650052, 650054}},
    {"admin-consent", "consent_required", {90094, 90095, 90099}},
    {"consent-missing", "invalid_grant", {65001, 90008}},
    {"consent-declined", "access_denied", {65004}},
    {"role-not-assigned", "invalid_grant", {501051}},
    {"user-not-assigned", "invalid_grant", {50105}},
    {"permission-missing", "unauthorized_client", {650056, 650057, 65005}},
    {"user-not-in-tenant", "invalid_grant", {50034, 50020, 90072, 51004, 16000, 16003, 50014, 50197}},
    {"account-type", "invalid_grant", {500208}},
    {"password-wrong", "invalid_grant", {50126, 50056, 50064}},
    {"password-expired", "invalid_grant", {50055, 50144, 50135}},
    {"account-disabled", "invalid_grant", {50057}},
    {"account-locked", "invalid_grant", {50053}},
    {"account-at-risk", "interaction_required", {53011, 530034, 53004}},
    {"nobody-signed-in", "login_required", {50058}},
    {"device-wanted", "interaction_required", {53000, 53001, 50097, 50005, 50155, 50187, 50129, 700003}},
    {"app-not-approved", "interaction_required", {53002, 50127}},
    {"conditional-access", "invalid_grant", {50131, 530032, 530031}},
    {"interaction-wanted", "interaction_required", {50074, 50076, 50079, 53003, 530035, 50072, 50078, 50158, 50161, 700020}},
    {"authentication-method", "invalid_grant", {75011}},
    {"passwordless-key", "invalid_grant", {130004}},
    {"logon-hours", "invalid_grant", {80012}},
    {"on-premises-agent", "invalid_grant", {80001, 80002, 80005, 80007, 80010, 80013, 80014}},
    {"federated-provider", "invalid_grant", {20001, 20012, 20033, 40008, 40009, 40015, 50008, 50107}},
    {"redirect-platform", "invalid_request", {700084, 9002325, 9002326, 9002327}},
    {"sign-in-frequency", "invalid_grant", {70043}},
    {"grant-ended", "invalid_grant", {50173, 700082, 70008, 50089, 50132, 50133, 50139, 70000}},
    {"redirect-mismatch", "invalid_request", {50011, 70004}},
    {"redirect-missing", "invalid_request", {500113, 900971}},
    {"code-used", "invalid_grant", {54005}},
    {"code-other-tenant", "invalid_grant", {700005}},
    {"pkce-wrong", "invalid_grant", {501481, 50147, 501491}},
    {"device-code-wrong", "bad_verification_code", {70018, 90119}},
    {"device-code-expired", "expired_token", {70019, 70020}},
    {"device-code-done", "invalid_grant", {90120}},
    {"device-code-elsewhere", "invalid_grant", {50134}},
    {"device-code-waits", "authorization_pending", {70016}},
    {"response-type", "unsupported_response_type", {700054, 700051, 70005}},
    {"grant-unsupported", "unsupported_grant_type", {70003}},
    {"endpoint-other", "invalid_request", {900561, 90056}},
    {"asked-too-often", "invalid_grant", {50196}},
    {"provider-trouble", "temporarily_unavailable", {90006, 90012, 90024, 90033, 50033, 90055, 90090, 90091, 50087, 40010}},
    {"provider-fault", "server_error", {50000, 90036, 90092}},
    {"client-invalid", "invalid_client", {70002}},
    {"parameter-missing", "invalid_request", {900144}},
    {"request-malformed", "invalid_request", {9002313, 90014, 90023, 90004, 90100, 90121}},
};

struct Answer {
    const char* id;
    const char* error;
    const char* description;
};
const std::vector<Answer> answers{
    // Google
    {"google-delegation", "unauthorized_client",
     "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes requested."},
    {"google-user-unknown", "invalid_grant", "Invalid email or User ID"},
    {"google-user-unknown", "invalid_grant", "Not a valid email."},
    {"clock-wrong", "invalid_grant",
     "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values."},
    {"google-key", "invalid_grant", "Invalid JWT Signature."},
    {"google-scope", "invalid_scope", "Invalid OAuth scope or ID token audience provided."},
    {"google-policy", "admin_policy_enforced", "Access to your account data is restricted by policies within your organization."},
    {"google-client-gone", "deleted_client", "The OAuth client was deleted."},
    {"google-client-gone", "disabled_client", "The OAuth client was disabled."},
    {"google-internal", "org_internal", "This client is restricted to users within its organization."},
    {"google-reauthentication", "invalid_grant", "reauth related error (invalid_rapt)"},
    {"google-token-ended", "invalid_grant", "Token has been expired or revoked."},
    {"google-client-unknown", "invalid_client", "The OAuth client was not found."},
    // names of errors, where nothing better is said
    {"client-refused", "invalid_client", "Bad client credentials"},
    {"scope-refused", "invalid_scope", "requested scope is not allowed"},
    {"oauth-consent", "consent_required", ""},
    {"oauth-login", "login_required", ""},
    {"oauth-account", "account_selection_required", ""},
    {"oauth-interaction", "interaction_required", ""},
    {"oauth-interaction", "unmet_authentication_requirements", ""},
    {"oauth-pending", "authorization_pending", ""},
    {"oauth-code-expired", "expired_token", ""},
    {"oauth-code-unknown", "bad_verification_code", ""},
    {"oauth-denied", "access_denied", "the user said no"},
    {"oauth-denied", "authorization_declined", ""},
    {"oauth-slow-down", "slow_down", ""},
    {"oauth-resource", "invalid_target", "resource indicator is missing, or unknown"},
    {"oauth-resource", "invalid_resource", ""},
    {"oauth-grant", "invalid_grant", "grant request is invalid"},
    {"oauth-grant-forbidden", "unauthorized_client", "requested grant type is not allowed for this client"},
    {"oauth-grant-unknown", "unsupported_grant_type", "unsupported grant_type requested"},
    {"oauth-response-type", "unsupported_response_type", ""},
    {"oauth-dpop", "invalid_dpop_proof", ""},
    {"oauth-dpop", "use_dpop_nonce", ""},
    {"oauth-provider-trouble", "server_error", ""},
    {"oauth-provider-trouble", "temporarily_unavailable", ""},
    {"oauth-request", "invalid_request", "missing required parameter(s)"},
    {"-", "their_own_error", "nobody knows"},
};

struct Told {
    const char* id;
    Code code;
    const char* text;
};
const std::vector<Told> told{
    // Gmail
    {"gmail-app-password", Code::mailboxSignInRefused,
     "NO [ALERT] Application-specific password required: https://support.google.com/accounts/answer/185833 (Failure)"},
    {"gmail-web-login", Code::mailboxSignInRefused, "NO [ALERT] Web login required: https://support.google.com/mail/accounts/answer/78754 (Failure)"},
    {"gmail-web-login", Code::mailboxSignInRefused, "NO [WEBALERT] Web login required."},
    {"gmail-web-login", Code::mailboxSignInRefused,
     "NO [ALERT] Please log in via your web browser: https://support.google.com/mail/accounts/answer/78754 (Failure)"},
    {"gmail-disabled", Code::mailboxSignInRefused, "NO [ALERT] Your account is not enabled for IMAP use. Please visit your Gmail settings page."},
    {"gmail-disabled", Code::mailboxSignInRefused, "NO [ALERT] IMAP access is disabled for your domain. Please contact your domain administrator."},
    {"gmail-disabled", Code::mailboxSignInRefused, "-ERR [SYS/PERM] Your account is not enabled for POP access."},
    {"gmail-connections", Code::mailboxThrottled, "NO [ALERT] Too many simultaneous connections. (Failure)"},
    {"gmail-bandwidth", Code::mailboxClosedByServer, "BYE [OVERQUOTA] Account exceeded command or bandwidth limits."},
    // Exchange
    {"ews-disabled", Code::mailboxAccess, "HTTP 403 X-EWS-Policy-Reason: EWS is disabled for this user or tenant"},
    {"ews-not-allowed", Code::mailboxAccess, "HTTP 403 X-EWS-Policy-Reason: EWS is blocked by policy for this user or tenant"},
    {"audience-host", Code::mailboxSignInRefused,
     R"(HTTP 401 2000003;reason="The hostname component of the audience claim value is invalid. Expected 'https://mail.contoso.com'.";error_category="invalid_resource")"},
    {"audience-invalid", Code::mailboxSignInRefused,
     R"(HTTP 401 2000003;reason="The audience claim value is invalid 'aud'.";error_category="invalid_resource")"},
    {"audience-invalid", Code::mailboxSignInRefused, "HTTP 401 InvalidAuthenticationToken: Access token validation failure. Invalid audience."},
    {"audience-invalid", Code::mailboxSignInRefused,
     "HTTP 401 InvalidAudienceForResource: The audience claim value is invalid for current resource."},
    {"exchange-permission", Code::mailboxAccess,
     R"(HTTP 403 2000008;reason="The token contains not enough scope to make this call.";error_category="invalid_grant")"},
    {"exchange-permission", Code::mailboxSignInRefused,
     R"(HTTP 401 2000008;reason="The token contains no permissions, or permissions can not be understood.";error_category="invalid_grant")"},
    {"clock-wrong", Code::mailboxSignInRefused, R"(HTTP 401 2000002;reason="The token has expired";error_category="token_expired")"},
    {"clock-wrong", Code::mailboxSignInRefused, "HTTP 401 InvalidAuthenticationToken: Lifetime validation failed, the token is expired."},
    {"exchange-tenant", Code::mailboxSignInRefused, R"(HTTP 401 2000004;reason="x";error_category="invalid_tenant")"},
    {"exchange-user", Code::mailboxSignInRefused, R"(HTTP 401 2000005;reason="x";error_category="invalid_user")"},
    {"exchange-client", Code::mailboxSignInRefused, R"(HTTP 401 2000006;reason="x";error_category="invalid_client")"},
    {"token-invalid", Code::mailboxSignInRefused, R"(HTTP 401 2000001;reason="x";error_category="invalid_token")"},
    {"token-invalid", Code::mailboxSignInRefused, "HTTP 401 InvalidAuthenticationToken: IDX12741: JWT is not well formed, there are no dots (.)."},
    {"exchange-trouble", Code::mailboxSignInRefused, R"(HTTP 401 2000007;reason="x";error_category="internal_error")"},
    {"ews-impersonation", Code::mailboxAccess,
     "ErrorImpersonateUserDenied: may not impersonate; without the role, as a delegate: ErrorAccessDenied: Access is denied. Check credentials"},
    {"ews-forbidden", Code::mailboxEwsForbidden, "403, whatever is said of it"},
    {"mailbox-denied", Code::mailboxEwsForbidden, "403, \"ErrorAccessDenied\""},
    {"ews-basic-disabled", Code::mailboxBasicNotOffered, "401, whatever is said of it"},
    {"ews-password-refused", Code::mailboxBasicRefused, "401, whatever is said of it"},
    {"ews-impersonation", Code::mailboxAccess, "ErrorImpersonateUserDenied: The account does not have permission to impersonate the requested user."},
    {"ews-impersonation-missing", Code::mailboxAccess,
     "HTTP 500 ErrorImpersonationRequired: ExchangeImpersonation SOAP header must be present for this type of OAuth token."},
    {"mailbox-missing", Code::mailboxAccess, "ErrorNonExistentMailbox: The SMTP address has no mailbox associated with it."},
    {"mailbox-missing", Code::mailboxAccess, "HTTP 404 ErrorInvalidUser: The requested user 'x' is invalid."},
    {"mailbox-missing", Code::mailboxAccess, "HTTP 404 Request_ResourceNotFound: Resource does not exist."},
    {"mailbox-not-online", Code::mailboxAccess,
     "HTTP 404 MailboxNotEnabledForRESTAPI: The mailbox is either inactive, soft-deleted, or is hosted on-premise."},
    {"mailbox-disabled", Code::mailboxAccess, "ErrorAccountDisabled: This account does not have permission"},
    {"mailbox-licence", Code::mailboxAccess, "ErrorInvalidLicense: The user does not have a valid license."},
    {"organisation-blocked", Code::mailboxAccess, "ErrorOrganizationAccessBlocked: blocked"},
    {"graph-permission", Code::mailboxAccess, "HTTP 403 Authorization_RequestDenied: Insufficient privileges to complete the operation."},
    {"mailbox-denied", Code::mailboxAccess, "HTTP 403 ErrorAccessDenied: Access is denied. Check credentials and try again."},
    {"exchange-concurrency", Code::mailboxThrottled, "HTTP 429 ApplicationThrottled: Application is over its MailboxConcurrency limit."},
    {"exchange-concurrency", Code::mailboxThrottled, "ErrorExceededConnectionCount: You have exceeded the available concurrent connections"},
    // any IMAP server
    {"imap-authorization", Code::mailboxAccess, "NO [AUTHORIZATIONFAILED] You may not act for that user"},
    {"imap-expired", Code::mailboxSignInRefused, "NO [EXPIRED] Your password has expired"},
    {"imap-privacy", Code::mailboxCommandRefused, "NO [PRIVACYREQUIRED] Plaintext authentication disallowed on non-secure (SSL/TLS) connections."},
    {"imap-contact", Code::mailboxCommandRefused, "NO [CONTACTADMIN] Ask us"},
    {"imap-limit", Code::mailboxCommandRefused, "NO [LIMIT] Too many"},
    {"imap-in-use", Code::mailboxCommandRefused, "NO [INUSE] Locked"},
    {"imap-unavailable", Code::mailboxCommandRefused, "NO [UNAVAILABLE] Temporary authentication failure."},
    {"imap-trouble", Code::mailboxCommandRefused, "NO [UNAVAILABLE] Try later"},
    {"imap-trouble", Code::mailboxCommandRefused, "NO [SERVERBUG] Oops"},
    // what auth/sasl makes of a challenge
    {"challenge-token", Code::mailboxSignInRefused,
     "NO [AUTHENTICATIONFAILED] Invalid credentials (status 401, schemes bearer mac, scope https://mail.google.com/)"},
    {"challenge-token", Code::mailboxSignInRefused, "NO Authentication failed. (status invalid_token)"},
    {"challenge-scope", Code::mailboxSignInRefused, "NO failed (status 403, schemes bearer, scope mail)"},
    {"challenge-scope", Code::mailboxSignInRefused, "NO failed (status insufficient_scope, scope mail)"},
    {"challenge-malformed", Code::mailboxSignInRefused, "NO failed (status 400, schemes Bearer, scope https://mail.google.com/)"},
    {"challenge-malformed", Code::mailboxSignInRefused, "NO failed (status invalid_request)"},
    // nothing but the code
    {"mailbox-access-any", Code::mailboxAccess, "BAD User is authenticated but not connected."},
    {"sign-in-refused", Code::mailboxSignInRefused, "NO AUTHENTICATE failed."},
    {"sign-in-missing", Code::tokenSignInNeeded, "nobody has signed in yet"},
    {"not-a-token-endpoint", Code::tokenNotJson, "the token endpoint answered HTTP 200 with text/html"},
    {"throttled", Code::mailboxThrottled, "NO Request is throttled. Suggested Backoff Time: 299910 milliseconds"},
    {"no-mechanism", Code::mailboxNoMechanism, "AUTH=NTLM"},
    {"certificate-untrusted", Code::channelCertificateUntrusted, "unable to get local issuer certificate"},
    {"certificate-name", Code::channelCertificateName, "Hostname mismatch"},
    {"not-tls", Code::channelNotTls, "wrong version number"},
    {"-", Code::mailboxFolderMissing, "NO [NONEXISTENT] no such folder"},
    {"-", Code::channelRefused, "connection refused: ErrorAccessDenied of another kind"},
};

Case toldCase(const Told& line) {
    return {.error = {Reaction::askOperator, line.code, std::string("imap.example.test:993: XOAUTH2 as box@example.test: ") + line.text}};
}

Case signIn(Code code, const std::string& protocol, std::vector<std::string> audience, std::vector<std::string> roles,
            std::vector<std::string> scopes) {
    Case seen{.error = {Reaction::askOperator, code, "no"}, .claims = Claims{}, .now = 2000, .user = "box@example.test", .protocol = protocol};
    seen.claims->issuer = "https://sts.windows.net/t/";
    seen.claims->audience = std::move(audience);
    seen.claims->roles = std::move(roles);
    seen.claims->scopes = std::move(scopes);
    seen.claims->notBefore = 1000;
    seen.claims->expires = 5000;
    return seen;
}

const char* const exchange = "https://outlook.office365.com";
const char* const graph = "https://graph.microsoft.com";

struct Token {
    const char* id;
    Case seen;
};
std::vector<Token> tokens() {
    const auto refused = Code::mailboxSignInRefused, closed = Code::mailboxAccess;
    auto early = signIn(refused, "imap", {exchange}, {"IMAP.AccessAsApp"}, {});
    early.now = 900;
    return {
        {"clock-wrong", early},
        {"graph-audience", signIn(refused, "imap", {graph}, {"Mail.Read"}, {})},
        {"graph-audience", signIn(refused, "ews", {graph}, {"full_access_as_app"}, {})},
        {"graph-audience", signIn(Code::mailboxWrongAudience, "ews", {graph}, {"Mail.Read"}, {})},
        {"exchange-audience", signIn(Code::mailboxWrongAudience, "graph", {exchange}, {}, {})},
        {"exchange-audience", signIn(refused, "graph", {exchange}, {"Mail.Read"}, {})},
        {"other-audience", signIn(refused, "imap", {"api://mine"}, {"IMAP.AccessAsApp"}, {})},
        {"other-audience", signIn(refused, "graph", {"api://mine"}, {"Mail.Read"}, {})},
        {"role-missing", signIn(refused, "imap", {exchange}, {"POP.AccessAsApp"}, {})},
        {"role-missing", signIn(closed, "pop3", {exchange}, {"IMAP.AccessAsApp"}, {})},
        {"role-missing", signIn(closed, "ews", {exchange}, {"IMAP.AccessAsApp"}, {})},
        {"role-missing", signIn(closed, "graph", {graph}, {"User.Read.All"}, {})},
        {"role-missing", signIn(refused, "graph", {graph}, {}, {})},
        {"no-permission", signIn(closed, "graph", {graph}, {}, {})},
        {"no-permission", signIn(closed, "ews", {exchange}, {}, {})},
        {"no-permission", signIn(Code::mailboxEwsForbidden, "ews", {exchange}, {}, {})},
        {"role-missing", signIn(Code::mailboxEwsForbidden, "ews", {exchange}, {"IMAP.AccessAsApp"}, {})},
        {"ews-forbidden", signIn(Code::mailboxEwsForbidden, "ews", {exchange}, {"full_access_as_app"}, {})},
        {"ews-forbidden", signIn(Code::mailboxEwsForbidden, "ews", {exchange}, {}, {"EWS.AccessAsUser.All"})},
        {"scope-missing", signIn(refused, "imap", {exchange}, {}, {"User.Read", "Mail.Read"})},
        {"scope-missing", signIn(closed, "graph", {graph}, {}, {"User.Read"})},
        {"mailbox-access", signIn(closed, "imap", {exchange}, {"IMAP.AccessAsApp"}, {})},
        {"mailbox-access", signIn(closed, "pop3", {exchange}, {"POP.AccessAsApp"}, {})},
        {"service-principal", signIn(refused, "imap", {exchange}, {"IMAP.AccessAsApp"}, {})},
        {"mailbox-out-of-scope", signIn(closed, "ews", {exchange}, {"full_access_as_app"}, {})},
        {"mailbox-out-of-scope", signIn(closed, "graph", {graph}, {"Mail.ReadBasic.All"}, {})},
        {"user-access", signIn(closed, "imap", {exchange}, {}, {"IMAP.AccessAsUser.All"})},
        {"user-mismatch", signIn(refused, "imap", {exchange}, {}, {"IMAP.AccessAsUser.All"})},
        {"user-access", signIn(closed, "graph", {graph}, {}, {"Mail.Read"})},
    };
}

std::vector<Token> tooOpen() {
    const auto code = Code::internalBug;
    return {
        {"opens-by-permission", signIn(code, "imap", {exchange}, {"IMAP.AccessAsApp"}, {})},
        {"opens-by-role", signIn(code, "graph", {graph}, {"Mail.ReadWrite"}, {})},
        {"opens-by-role", signIn(code, "ews", {exchange}, {"full_access_as_app"}, {})},
        {"opens-by-scope", signIn(code, "graph", {graph}, {}, {})},
        {"opens-by-scope", signIn(code, "ews", {exchange}, {"IMAP.AccessAsApp"}, {})},
        {"opens-by-user", signIn(code, "imap", {exchange}, {}, {"IMAP.AccessAsUser.All"})},
        {"opens-too-much", Case{.error = {Reaction::askOperator, code, ""}}},
    };
}

std::string pieces(const Row& row) { return std::string(row.cause) + "\n" + std::string(row.fix); }

}  // namespace

TEST_CASE("each number of Entra's leads to its row, whatever the error is called", "[diagnosis]") {
    for (const auto& line : entraNumbers)
        for (const auto number : line.numbers) {
            INFO(number);
            CHECK(idOf({.error = shown(entra(line.error, number))}) == line.id);
            CHECK(idOf({.error = answered("invalid_request", "AADSTS" + std::to_string(number) + ": without error_codes")}) == line.id);
            CHECK_FALSE(entraCause(number).empty());
            CHECK(entraCause(number).find('{') == std::string::npos);
        }
    CHECK(entraCause(1).empty());
    CHECK(entraCause(0).empty());
}

TEST_CASE("each answer of a token endpoint leads to its row", "[diagnosis]") {
    for (const auto& line : answers) {
        INFO(line.error << ": " << line.description);
        CHECK(idOf({.error = shown(answered(line.error, line.description))}) == line.id);
    }
}

TEST_CASE("each text of a mail server leads to its row", "[diagnosis]") {
    for (const auto& line : told) {
        INFO(line.text);
        CHECK(idOf(toldCase(line)) == line.id);
    }
}

TEST_CASE("each token that does not open a mailbox leads to its row", "[diagnosis]") {
    for (const auto& line : tokens()) CHECK(idOf(line.seen) == line.id);
    for (const auto& line : tooOpen()) CHECK(opensTooMuch(line.seen).id == line.id);
}

TEST_CASE("of several things known the most special one counts", "[diagnosis]") {
    CHECK(idOf({.error = answered("invalid_client", "AADSTS70002: Error validating credentials. AADSTS50012: The certificate is not valid.")}) ==
          "certificate-unknown");
    CHECK(idOf({.error = answered("invalid_grant", "AADSTS70000: Invalid. AADSTS65001: No consent", R"(,"error_codes":[70000,65001])")}) ==
          "consent-missing");
    CHECK(idOf({.error = answered("interaction_required", "AADSTS424242: new to everybody")}) == "oauth-interaction");
    // the token's own fault goes before the server's words, and these before a sound token
    auto seen = signIn(Code::mailboxAccess, "graph", {graph}, {}, {});
    seen.error.what = "HTTP 403 ErrorAccessDenied: Access is denied. Check credentials and try again.";
    CHECK(idOf(seen) == "no-permission");
    seen.claims->roles = {"User.Read.All"};
    CHECK(idOf(seen) == "role-missing");
    seen.claims->roles = {"Mail.Read"};
    CHECK(idOf(seen) == "mailbox-denied");
    // names of errors are words, and a mail server's words are no token endpoint's
    CHECK(idOf({.error = answered("x_invalid_grant", "not_invalid_grant_either")}) == "-");
    CHECK(idOf({.error = {Reaction::retryLater, Code::mailboxCommandRefused, "NO invalid_grant"}}) == "-");
}

TEST_CASE("every row is reached by a line of these tables, and has what a row needs", "[diagnosis]") {
    std::set<std::string> reached;
    for (const auto& line : entraNumbers) reached.insert(line.id);
    for (const auto& line : answers) reached.insert(line.id);
    for (const auto& line : told) reached.insert(line.id);
    for (const auto& line : tokens()) reached.insert(line.id);
    for (const auto& line : tooOpen()) reached.insert(line.id);
    const auto known = placeholders();
    std::map<std::string, std::string> texts;
    for (const auto& row : allRows()) {
        INFO(row.id);
        CHECK(reached.count(std::string(row.id)) == 1);
        CHECK(texts.emplace(row.id, pieces(row)).first->second == pieces(row));  // an id is one cause
        CHECK_FALSE(row.cause.empty());
        CHECK_FALSE(row.fix.empty());
        CHECK(row.id.find_first_not_of("abcdefghijklmnopqrstuvwxyz-") == std::string_view::npos);
        const auto text = pieces(row);
        for (auto at = text.find('{'); at != std::string::npos; at = text.find('{', at + 1)) {
            const auto name = text.substr(at, text.find('}', at) + 1 - at);
            INFO(name);
            CHECK(std::find(known.begin(), known.end(), name) != known.end());
        }
    }
    CHECK(texts.size() >= 140);
}

TEST_CASE("no row hides another: a number or a phrase stands in one place, written as it is looked for", "[diagnosis]") {
    std::set<std::int64_t> numbers;
    std::size_t listed = 0;
    for (const auto& line : entraNumbers) listed += line.numbers.size();
    for (const auto& row : entraRows())
        for (const auto number : row.numbers)
            if (number != 0) CHECK(numbers.insert(number).second);
    CHECK(numbers.size() == listed);  // each is tried above
    for (const auto rows : {googleTokenRows(), oauthRows(), googleMailRows(), exchangeRows(), imapRows(), challengeRows()})
        for (const auto& row : rows)
            for (const auto phrase : row.phrases) {
                INFO(phrase);
                CHECK(std::none_of(phrase.begin(), phrase.end(), [](char c) { return c >= 'A' && c <= 'Z'; }));
            }
}

TEST_CASE("whatever is known, no brace is left in what a person reads", "[diagnosis]") {
    std::vector<Case> cases;
    for (const auto& line : entraNumbers) cases.push_back({.error = entra(line.error, line.numbers.front())});
    for (const auto& line : answers) cases.push_back({.error = answered(line.error, line.description)});
    for (const auto& line : told) cases.push_back(toldCase(line));
    for (const auto& line : tokens()) cases.push_back(line.seen);
    for (const auto& seen : cases) {
        const auto found = diagnose(seen);
        if (!found) continue;
        INFO(found->id);
        CHECK(found->cause.find_first_of("{}\n") == std::string::npos);
        for (const auto& line : found->fix) {
            CHECK_FALSE(line.empty());
            CHECK(line.find_first_of("{}\n") == std::string::npos);
        }
    }
}
