// What a token endpoint says with `error`, where it says nothing better: RFC 6749 section 5.2, RFC 8628 section 3.5, RFC 8707, RFC 9449, OpenID
// Connect Core section 3.1.2.6, and the names Entra and Google have of their own. And Google's descriptions.
#include "auth/diagnosis/rows.h"

namespace auth::diagnosis {

namespace {

constexpr std::string_view signInAgain = "sign in again: postern login {credential}";

/// Source: developers.google.com/identity/protocols/oauth2/service-account, "JWT error codes"; the last three as users have published them.
constexpr std::array google{
    WordedRow{{"client is unauthorized to retrieve access tokens", "client not authorized for any of the scopes"},
              {"google-delegation", "the service account may not act for the domain's users, or not with these scopes",
               "Google Admin console: Security > Access and data control > API controls > Domain-wide delegation > Add new: the service account's "
               "client id (\"client_id\" of the key file, a number), and as scope https://mail.google.com/\n"
               "the scopes there and in credential.{credential}.scopes must be the same; a change takes up to 24 hours"}},
    WordedRow{{"invalid email or user id", "not a valid email"},
              {"google-user-unknown", "there is no such user in the Google Workspace",
               "correct mailbox.{mailbox}.user, or credential.{credential}.jwt.subject: the address of a user, not of a group or an alias"}},
    WordedRow{{"token must be a short-lived token"}, clockWrong},
    WordedRow{{"invalid jwt signature"},
              {"google-key", "the key is not one of the service account's: it was deleted, disabled, or belongs to another one",
               "Google Cloud console: IAM & Admin > Service accounts > the account > Keys: make a new JSON key\n"
               "put it where credential.{credential}.key_file points"}},
    WordedRow{{"invalid oauth scope or id token audience"},
              {"google-scope", "a scope is empty, misspelled or none of Google's",
               "set credential.{credential}.scopes = https://mail.google.com/ (several are parted by blanks, not by commas)"}},
    WordedRow{{"admin_policy_enforced"},
              {"google-policy", "a policy of the Google Workspace forbids these scopes",
               "Google Admin console: Security > Access and data control > API controls > Manage third-party app access: trust the client id"}},
    WordedRow{{"deleted_client", "disabled_client", "the oauth client was deleted", "the oauth client was disabled"},
              {"google-client-gone", "the OAuth client or the service account's key was deleted or disabled",
               "Google Cloud console: APIs & Services > Credentials: restore it within 30 days, or make another one\n"
               "a service account: IAM & Admin > Service accounts > the account: enable it"}},
    WordedRow{{"org_internal"},
              {"google-internal", "the OAuth client is for users of its own organisation only",
               "sign in with an account of that organisation, or make the application's user type External"}},
    WordedRow{{"invalid_rapt", "reauth related error"},
              {"google-reauthentication", "the Google Workspace wants its users to sign in again after some hours",
               "Google Admin console: Security > Google Cloud session control: exempt trusted apps\nor use a service account: grant = jwt_bearer"}},
    WordedRow{{"token has been expired or revoked"},
              {"google-token-ended",
               "the refresh token was taken back or has ended: after seven days if the application is in testing, after six months without use, or "
               "when the password changed",
               "sign in again: postern login {credential}\nGoogle Cloud console: OAuth consent screen: publish the application"}},
    WordedRow{{"the oauth client was not found"},
              {"google-client-unknown", "Google knows no such client id",
               "compare credential.{credential}.client_id with Google Cloud console: APIs & Services > Credentials"}},
};

constexpr std::array oauth{
    WordedRow{{"consent_required"}, {"oauth-consent", "somebody has to consent first", "sign in with the question: postern login {credential}"}},
    WordedRow{{"login_required"}, {"oauth-login", "the provider wants somebody to sign in", signInAgain}},
    WordedRow{{"account_selection_required"}, {"oauth-account", "the provider wants somebody to choose an account", signInAgain}},
    WordedRow{{"interaction_required", "unmet_authentication_requirements"},
              {"oauth-interaction", "the provider wants a person to act, a second factor perhaps",
               "sign in again: postern login {credential}\nfor a service use a grant without a person: client_credentials or jwt_bearer"}},
    WordedRow{{"authorization_pending"}, {"oauth-pending", "nobody has confirmed the code yet", "type the code at the page it was shown with"}},
    WordedRow{{"expired_token"}, {"oauth-code-expired", "nobody confirmed the code in time", signInAgain}},
    WordedRow{{"bad_verification_code"}, {"oauth-code-unknown", "the provider does not know the device code", signInAgain}},
    WordedRow{{"authorization_declined", "access_denied"},
              {"oauth-denied", "the owner of the account, or a policy, has declined",
               "sign in again and accept, or ask the provider's administrator which policy it was"}},
    WordedRow{{"slow_down"}, {"oauth-slow-down", "the provider was asked too often", "nothing, it is asked less often"}},
    WordedRow{{"invalid_target", "invalid_resource"},
              {"oauth-resource", "the provider does not know the resource the token should be for",
               "compare credential.{credential}.scopes, and token.parameter.resource or .audience, with what the provider documents"}},
    WordedRow{{"invalid_grant"},
              {"oauth-grant", "what was granted has ended, was used before, was taken back, or is somebody else's",
               "sign in again: postern login {credential}\nfor an assertion: issuer, subject, audience, and this machine's clock"}},
    WordedRow{{"unauthorized_client"},
              {"oauth-grant-forbidden", "the client may not use this grant",
               "allow the grant for credential.{credential}.client_id at the provider, or set credential.{credential}.grant to one that is"}},
    WordedRow{{"unsupported_grant_type"},
              {"oauth-grant-unknown", "the provider does not offer this grant at this endpoint",
               "compare credential.{credential}.token_endpoint and .grant with what the provider documents"}},
    WordedRow{{"unsupported_response_type"},
              {"oauth-response-type", "the provider does not offer this response_type",
               "remove credential.{credential}.authorize.parameter.response_type"}},
    WordedRow{{"invalid_dpop_proof", "use_dpop_nonce"},
              {"oauth-dpop", "the provider wants tokens bound to a key (DPoP), which this program does not make",
               "switch that off for the client at the provider"}},
    WordedRow{{"server_error", "temporarily_unavailable"},
              {"oauth-provider-trouble", "the provider has trouble of its own", "nothing, it is tried again"}},
    WordedRow{{"invalid_request"},
              {"oauth-request", "the provider misses something in the request, or does not understand it",
               "add what it documents as credential.{credential}.token.parameter.NAME\n"
               "try the other places for the secret: credential.{credential}.authentication = basic, basic_raw or body"}},
};

}  // namespace

std::span<const WordedRow> googleTokenRows() { return google; }
std::span<const WordedRow> oauthRows() { return oauth; }

}  // namespace auth::diagnosis
