// What the token says, when the mailbox did not open.
#include "auth/diagnosis/rows.h"

#include <algorithm>

namespace auth::diagnosis {

namespace {

using plugin::Code;

/// Source: learn.microsoft.com/exchange/client-developer/legacy-protocols/how-to-authenticate-an-imap-pop-smtp-application-by-using-oauth,
/// …/exchange-web-services/how-to-authenticate-an-ews-application-by-using-oauth, learn.microsoft.com/graph/api/message-delta.
constexpr std::string_view exchangeOnline = "Office 365 Exchange Online";
constexpr std::array expectations{
    Expectation{"imap", "IMAP", exchangeOnline, {"IMAP.AccessAsApp"}, "IMAP.AccessAsUser.All", "-ImapEnabled"},
    Expectation{"pop3", "POP3", exchangeOnline, {"POP.AccessAsApp"}, "POP.AccessAsUser.All", "-PopEnabled"},
    Expectation{"ews", "EWS", exchangeOnline, {"full_access_as_app"}, "EWS.AccessAsUser.All", "-EwsEnabled"},
    Expectation{"graph", "Microsoft Graph", "Microsoft Graph", {"Mail.ReadWrite", "Mail.Read", "Mail.ReadBasic.All"}, "Mail.ReadWrite", ""},
};

bool has(const std::vector<std::string>& values, std::string_view wanted) { return std::find(values.begin(), values.end(), wanted) != values.end(); }
bool microsofts(const Case& seen) { return seen.claims && seen.claims->isMicrosofts(); }
/// A token of an application itself: roles instead of scopes.
bool appOnly(const Case& seen) { return microsofts(seen) && seen.claims->scopes.empty(); }
bool ofUser(const Case& seen) { return microsofts(seen) && !seen.claims->scopes.empty(); }
bool byGraph(const Case& seen) { return seen.protocol == "graph"; }
bool byMailProtocol(const Case& seen) { return seen.protocol == "imap" || seen.protocol == "pop3"; }
bool closed(const Case& seen) { return seen.error.code == Code::mailboxAccess || seen.error.code == Code::mailboxEwsForbidden; }

bool hasRole(const Case& seen) {
    const auto& wanted = expectation(seen.protocol).roles;
    return std::any_of(wanted.begin(), wanted.end(), [&](std::string_view role) { return !role.empty() && has(seen.claims->roles, role); });
}
bool hasScope(const Case& seen) {
    const auto wanted = expectation(seen.protocol).scope;
    return has(seen.claims->scopes, wanted) || (byGraph(seen) && has(seen.claims->scopes, "Mail.Read"));
}

bool clocksDiffer(const Case& seen) {
    return seen.claims && ((seen.claims->notBefore && *seen.claims->notBefore > seen.now + clockTolerance) ||
                           (seen.claims->expires && *seen.claims->expires + clockTolerance < seen.now));
}

constexpr std::string_view useResource = "set credential.{credential}.scopes = {resource}\none resource, ending in /.default, not encoded";
constexpr std::string_view registerLines =
    "Connect-ExchangeOnline\n"
    "New-ServicePrincipal -AppId {appid} -ObjectId {oid}\n"
    "Add-MailboxPermission -Identity {user} -User {oid} -AccessRights FullAccess\n"
    "Set-CASMailbox -Identity {user} {enable} $true";
constexpr std::string_view userLines =
    "Connect-ExchangeOnline\nAdd-MailboxPermission -Identity {user} -User {oid} -AccessRights FullAccess\n"
    "Set-CASMailbox -Identity {user} {enable} $true";

constexpr std::array faults{
    JudgedRow{clocksDiffer, clockWrong},
    JudgedRow{[](const Case& seen) { return seen.claims && seen.claims->isForGraph() && !byGraph(seen); },
              {"graph-audience", "the token is for Microsoft Graph; {name} wants one for Exchange Online", useResource}},
    JudgedRow{[](const Case& seen) { return seen.claims && seen.claims->isForExchange() && byGraph(seen); },
              {"exchange-audience", "the token is for Exchange Online; Microsoft Graph wants one for itself", useResource}},
    JudgedRow{[](const Case& seen) { return microsofts(seen) && !(byGraph(seen) ? seen.claims->isForGraph() : seen.claims->isForExchange()); },
              {"other-audience", "the token is for {aud}; {name} wants one for {api}", useResource}},
    JudgedRow{
        [](const Case& seen) { return appOnly(seen) && seen.claims->roles.empty() && closed(seen) && !byMailProtocol(seen); },
        {"no-permission",
         "the application has no right on this mailbox: neither the role {role} in its token nor, by RBAC for Applications, a role whose scope "
         "has this mailbox",
         "for every mailbox: Entra admin center: App registrations > the application > API permissions > Add > {api} > Application permissions > "
         "{role}\n"
         "consent as an administrator: {consent}\n"
         "for some, by RBAC for Applications, which takes up to two hours:\n"
         "Connect-ExchangeOnline\n"
         "New-ServicePrincipal -AppId {appid} -ObjectId {oid}\n"
         "New-ManagementRoleAssignment -App {oid} -Role \"{approle}\" -CustomResourceScope SCOPE\n"
         "Test-ServicePrincipalAuthorization -Identity {appid} -Resource {user}"}},
    JudgedRow{[](const Case& seen) { return appOnly(seen) && !hasRole(seen); },
              {"role-missing", "the token has no role {role}: the permission is missing, or nobody has consented to it",
               "Entra admin center: App registrations > the application > API permissions > Add > {api} > Application permissions > {role}\n"
               "consent as an administrator: {consent}"}},
    JudgedRow{[](const Case& seen) { return ofUser(seen) && !hasScope(seen); },
              {"scope-missing", "the token of a user has no scope {scope}",
               "add {userscope} to credential.{credential}.scopes, and consent: postern login {credential}"}},
};

constexpr std::array inOrder{
    JudgedRow{[](const Case& seen) { return appOnly(seen) && byMailProtocol(seen) && closed(seen); },
              {"mailbox-access",
               "Exchange knows the application, but does not let it into this mailbox: no full access, another object id than the enterprise "
               "application's, a misspelled or missing mailbox, {name} disabled for it, or, for a while, too many sessions",
               registerLines}},
    JudgedRow{[](const Case& seen) { return appOnly(seen) && byMailProtocol(seen); },
              {"service-principal",
               "the token is in order, but Exchange does not know the application: its service principal is not registered there, or with the object "
               "id of the app registration instead of the enterprise application's",
               registerLines}},
    JudgedRow{appOnly,
              {"mailbox-out-of-scope",
               "the token is in order, but the application may not open this mailbox: a management scope or an access policy leaves it out, or there "
               "is no such mailbox",
               "Connect-ExchangeOnline\nTest-ServicePrincipalAuthorization -Identity {appid} -Resource {user}\nGet-EXOMailbox -Identity {user}"}},
    JudgedRow{[](const Case& seen) { return ofUser(seen) && closed(seen); },
              {"user-access", "the user who signed in may not open this mailbox, or {name} is disabled for it", userLines}},
    JudgedRow{ofUser,
              {"user-mismatch", "the token belongs to a user whom Exchange does not let sign in by {name}",
               "Set-CASMailbox -Identity {user} {enable} $true\ncheck that the tenant's policies allow {name}"}},
};

/// Source: learn.microsoft.com/exchange/permissions-exo/application-rbac. Its roles are for EWS, Graph and SMTP; IMAP and POP3 go by the mailbox's
/// own permissions.
constexpr std::array tooOpen{
    JudgedRow{[](const Case& seen) { return appOnly(seen) && byMailProtocol(seen); },
              {"opens-by-permission",
               "the application has full access to that mailbox (by EWS or Graph: RBAC for Applications limits what a permission opens)",
               "Connect-ExchangeOnline\n"
               "Get-EXOMailboxPermission -Identity {user}\n"
               "Remove-MailboxPermission -Identity {user} -User {oid} -AccessRights FullAccess"}},
    JudgedRow{[](const Case& seen) { return appOnly(seen) && hasRole(seen); },
              {"opens-by-role", "the permission {role} of the whole tenant opens every mailbox; RBAC for Applications limits it",
               "Connect-ExchangeOnline\n"
               "New-ServicePrincipal -AppId {appid} -ObjectId {oid}\n"
               "New-ManagementScope -Name Postern -RecipientRestrictionFilter \"CustomAttribute1 -eq 'postern'\"\n"
               "New-ManagementRoleAssignment -App {oid} -Role \"{approle}\" -CustomResourceScope Postern\n"
               "Entra admin center: App registrations > the application > API permissions: remove {role}, else both add up\n"
               "Test-ServicePrincipalAuthorization -Identity {appid} -Resource {user}"}},
    JudgedRow{[](const Case& seen) { return appOnly(seen) && !hasRole(seen); },
              {"opens-by-scope", "the application has a role in Exchange (RBAC for Applications) whose scope has that mailbox, or that has no scope",
               "Connect-ExchangeOnline\n"
               "Test-ServicePrincipalAuthorization -Identity {appid} -Resource {user}\n"
               "Get-ManagementRoleAssignment -RoleAssignee {oid} | Format-List Role,CustomResourceScope\n"
               "narrow it: Set-ManagementScope -Identity SCOPE -RecipientRestrictionFilter FILTER"}},
    JudgedRow{ofUser,
              {"opens-by-user", "the user who signed in has full access to that mailbox",
               "Connect-ExchangeOnline\nRemove-MailboxPermission -Identity {user} -User {oid} -AccessRights FullAccess"}},
    JudgedRow{[](const Case&) { return true; },
              {"opens-too-much", "the account may open more than its own mailbox", "limit its rights at the server to the mailboxes it is for"}},
};

}  // namespace

std::span<const JudgedRow> tooOpenRows() { return tooOpen; }
std::span<const JudgedRow> tokenFaultRows() { return faults; }
std::span<const JudgedRow> tokenInOrderRows() { return inOrder; }

const Expectation& expectation(std::string_view protocol) {
    const auto* found = std::find_if(expectations.begin(), expectations.end(), [&](const auto& each) { return each.protocol == protocol; });
    return found == expectations.end() ? expectations.front() : *found;
}

}  // namespace auth::diagnosis
