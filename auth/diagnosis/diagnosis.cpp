#include "auth/diagnosis/diagnosis.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <span>
#include <string_view>

namespace auth::diagnosis {

namespace {

using plugin::Code;

/// One cause and how it is mended. In `fix` a line each; {user} {credential} {appid} {oid} {tenant} {aud} stand for what was seen.
struct Row {
    std::string_view id;
    std::string_view cause;
    std::string_view fix;
};

// ---- What Entra says with a number. Microsoft asks not to program against these: they explain, nothing more.
// Source: learn.microsoft.com/entra/identity-platform/reference-error-codes.

struct Numbered {
    std::array<std::int64_t, 6> numbers;  // 0: unused
    Row row;
};

constexpr std::string_view useTenant = "put the tenant's id in place of /common or /consumers into credential.{credential}.token_endpoint";
constexpr std::string_view oneDefault =
    "set credential.{credential}.scopes = https://outlook.office365.com/.default (one resource, ending in /.default, not encoded)";
constexpr std::string_view addPermission =
    "Entra admin center: App registrations > the application > API permissions > Add > APIs my organization uses > Office 365 Exchange Online > "
    "Application permissions > IMAP.AccessAsApp\nthe same page: Grant admin consent";

constexpr std::array byNumber{
    Numbered{{7000215},
             {"secret-wrong", "the client secret is not one of the application's: mostly the secret's ID was pasted instead of its Value",
              "Entra admin center: App registrations > the application > Certificates & secrets: make a new secret and copy its Value\n"
              "put it, as it is, where credential.{credential}.client_secret points"}},
    Numbered{{7000222},
             {"secret-expired", "the client secret has expired",
              "Entra admin center: App registrations > the application > Certificates & secrets: make a new secret\n"
              "put its Value where credential.{credential}.client_secret points; the service reads it again by itself"}},
    Numbered{{7000218}, {"secret-missing", "no client secret reached Entra", "set credential.{credential}.client_secret"}},
    Numbered{{700025},
             {"public-client", "the application is a public client: it must not send a secret",
              "Entra admin center: App registrations > the application > Authentication: register a Web platform instead, and make a secret"}},
    Numbered{{700027, 50012, 700030},
             {"certificate-unknown", "the certificate is not one of the application's",
              "upload the certificate that credential.{credential}.keystore holds: App registrations > the application > "
              "Certificates & secrets > Certificates"}},
    Numbered{{700024},
             {"clock-wrong", "the assertion was made outside its time: this machine's clock is wrong", "set this machine's clock (timedatectl)"}},
    Numbered{{700211, 700212, 700213},
             {"federation-unknown", "no federated credential of the application fits the assertion's issuer, audience or subject",
              "correct the federated credential: the error names the value that was presented"}},
    Numbered{
        {700016},
        {"application-unknown", "the application is not known in this tenant: the client id or the tenant is wrong, or it was never consented there",
         "compare credential.{credential}.client_id with App registrations > the application > Application (client) ID\n"
         "compare the tenant in credential.{credential}.token_endpoint with Directory (tenant) ID on the same page"}},
    Numbered{{7000112},
             {"application-disabled", "the application is disabled in this tenant",
              "Entra admin center: Enterprise applications > the application > Properties > Enabled for users to sign in: Yes"}},
    Numbered{{90002},
             {"tenant-unknown", "there is no such tenant: its id or domain is misspelled, or it lives in another cloud",
              "correct the tenant in credential.{credential}.token_endpoint"}},
    Numbered{{90038, 900382, 900432},
             {"other-cloud", "the tenant lives in another national cloud",
              "use that cloud's endpoints: login.microsoftonline.us (US government) or login.partner.microsoftonline.cn (China)"}},
    Numbered{{50194, 9001023}, {"tenant-not-named", "an application signs in to its own tenant, not to /common", useTenant}},
    Numbered{{70011, 1002012}, {"scope-not-default", "the scope does not have the form an application needs", oneDefault}},
    Numbered{{28002, 28003, 700022}, {"scope-several", "the scope is empty or names several resources", oneDefault}},
    Numbered{{500011, 50001},
             {"resource-unknown", "the resource in the scope is not known in this tenant: it is misspelled, or the tenant has no Exchange Online",
              oneDefault}},
    Numbered{{65001},
             {"consent-missing", "nobody has consented to the application's permissions",
              "Entra admin center: App registrations > the application > API permissions > Grant admin consent"}},
    Numbered{{650056, 650057, 65005}, {"permission-missing", "Exchange Online is not among the application's permissions", addPermission}},
    Numbered{{501051}, {"role-not-assigned", "the application has no role for Exchange Online, which demands an assignment", addPermission}},
    Numbered{{50034, 50020, 90072}, {"user-not-in-tenant", "the user is not in this tenant", "check the account and the tenant"}},
    Numbered{{50074, 50076, 50079, 53003, 530035},
             {"interaction-wanted", "a second factor or Conditional Access stands in the way",
              "exclude the service in Conditional Access, or sign in as an application (client_credentials)"}},
    Numbered{{50173, 700082, 70008, 70000}, {"grant-ended", "the stored grant has ended or was taken back", "sign in again"}},
    Numbered{
        {50196},
        {"asked-too-often", "Entra was asked too often and sees a loop", "wait some minutes; look for other programs that use the same application"}},
    Numbered{{90006, 90012, 90024, 90033, 50033, 90055}, {"provider-trouble", "a passing fault of the provider", "nothing, it is tried again"}},
};

// ---- What the token says, when the mailbox did not open.

constexpr std::string_view registerLines =
    "Connect-ExchangeOnline\n"
    "New-ServicePrincipal -AppId {appid} -ObjectId {oid}\n"
    "Add-MailboxPermission -Identity {user} -User {oid} -AccessRights FullAccess\n"
    "Set-CASMailbox -Identity {user} -ImapEnabled $true";

struct Judged {
    bool (*fits)(const Case& seen);
    Row row;
};

constexpr std::int64_t clockTolerance = 60;

bool has(const std::vector<std::string>& values, std::string_view wanted) { return std::find(values.begin(), values.end(), wanted) != values.end(); }
bool microsofts(const Case& seen) { return seen.claims && seen.claims->isMicrosofts(); }
/// A token of an application itself: roles instead of scopes.
bool appOnly(const Case& seen) { return seen.claims->scopes.empty(); }

constexpr std::array byToken{
    Judged{[](const Case& seen) {
               return seen.claims && ((seen.claims->notBefore && *seen.claims->notBefore > seen.now + clockTolerance) ||
                                      (seen.claims->expires && *seen.claims->expires + clockTolerance < seen.now));
           },
           {"clock-wrong", "the fresh token is not valid at the time this machine shows: its clock is wrong, or the token server's",
            "set this machine's clock (timedatectl)"}},
    Judged{[](const Case& seen) { return seen.claims && seen.claims->isForGraph(); },
           {"graph-audience", "the token is for Microsoft Graph; IMAP wants one for Exchange Online", oneDefault}},
    Judged{[](const Case& seen) { return microsofts(seen) && !seen.claims->isForExchange(); },
           {"other-audience", "the token is for {aud}; IMAP wants one for Exchange Online", oneDefault}},
    Judged{[](const Case& seen) { return microsofts(seen) && appOnly(seen) && !has(seen.claims->roles, "IMAP.AccessAsApp"); },
           {"role-missing", "the token has no role IMAP.AccessAsApp: the permission is missing, or nobody has consented to it", addPermission}},
    Judged{[](const Case& seen) { return microsofts(seen) && !appOnly(seen) && !has(seen.claims->scopes, "IMAP.AccessAsUser.All"); },
           {"scope-missing", "the token of a user has no scope IMAP.AccessAsUser.All",
            "add https://outlook.office.com/IMAP.AccessAsUser.All to credential.{credential}.scopes, and consent"}},
    Judged{[](const Case& seen) { return microsofts(seen) && appOnly(seen) && seen.error.code == Code::mailboxAccess; },
           {"mailbox-access",
            "Exchange knows the application, but does not let it into this mailbox: no full access, another object id than the enterprise "
            "application's, a misspelled or missing mailbox, IMAP disabled for it, or, for a while, too many sessions",
            registerLines}},
    Judged{[](const Case& seen) { return microsofts(seen) && appOnly(seen); },
           {"service-principal",
            "the token is in order, but Exchange does not know the application: its service principal is not registered there, or with the object "
            "id of the app registration instead of the enterprise application's",
            registerLines}},
    Judged{[](const Case& seen) { return microsofts(seen) && seen.error.code == Code::mailboxAccess; },
           {"user-access", "the user who signed in may not open this mailbox, or IMAP is disabled for it",
            "Connect-ExchangeOnline\nAdd-MailboxPermission -Identity {user} -User {oid} -AccessRights FullAccess\n"
            "Set-CASMailbox -Identity {user} -ImapEnabled $true"}},
    Judged{[](const Case& seen) { return microsofts(seen); },
           {"user-mismatch", "the token belongs to a user whom Exchange does not let sign in by IMAP",
            "Set-CASMailbox -Identity {user} -ImapEnabled $true\ncheck that the tenant's policies allow IMAP"}},
    Judged{[](const Case& seen) { return seen.error.code == Code::mailboxAccess; },
           {"mailbox-access-any", "the sign-in was accepted, the mailbox was not opened: no rights on it, a wrong name, or IMAP disabled for it",
            "check mailbox.*.user, the rights of the account on that mailbox, and that IMAP is enabled for it"}},
    Judged{[](const Case& seen) { return seen.error.code == Code::mailboxSignInRefused; },
           {"sign-in-refused", "the server does not take this sign-in for this mailbox",
            "check that {user} exists at that server and is spelled as it is there\n"
            "check that the server accepts tokens of this issuer, audience and scope; for a password: user name and password"}},
};

// ---- What is left: the code alone.

struct Coded {
    Code code;
    Row row;
};

constexpr std::array byCode{
    Coded{Code::tokenClientRefused,
          {"client-refused", "the token endpoint does not take this client id and secret",
           "compare client_id and client_secret with what the provider shows; blanks and line ends count\n"
           "try the other places for the secret: credential.{credential}.authentication = basic, basic_raw or body"}},
    Coded{Code::tokenScopeRefused,
          {"scope-refused", "the token endpoint does not offer these scopes to this client",
           "compare credential.{credential}.scopes with what the provider documents"}},
    Coded{Code::mailboxThrottled,
          {"throttled", "the server slows us down", "wait as long as it asks; look for other programs that sign in to the same mailbox"}},
    Coded{Code::mailboxNoMechanism,
          {"no-mechanism", "the server offers no sign-in that goes with this credential",
           "enable OAuth (XOAUTH2 or OAUTHBEARER) at the server, or use a credential of grant user_password"}},
    Coded{Code::channelCertificateUntrusted,
          {"certificate-untrusted", "the server's certificate is signed by nobody this machine trusts",
           "put the issuer's certificate into a PEM file\n"
           "truststore.<alias>.path = that file, and .truststore = <alias> beside the host; with an intercepting "
           "proxy: its certificate"}},
    Coded{Code::channelCertificateName,
          {"certificate-name", "the server's certificate is for another name", "use the name the certificate was made for"}},
    Coded{Code::channelNotTls, {"not-tls", "the port does not speak TLS", "993 goes with tls = implicit, 143 with tls = starttls"}},
};

/// "AADSTS7000215 trace_id=…" in the provider's own details or in the text.
std::vector<std::int64_t> numbersIn(const plugin::Error& error) {
    static constexpr std::string_view mark = "AADSTS";
    std::vector<std::int64_t> numbers;
    for (std::string_view text : {std::string_view(error.provider), std::string_view(error.what)})
        for (auto at = text.find(mark); at != std::string_view::npos; at = text.find(mark)) {
            text.remove_prefix(at + mark.size());
            std::int64_t number = 0;
            if (std::from_chars(text.data(), text.data() + text.size(), number).ec == std::errc{}) numbers.push_back(number);
        }
    return numbers;
}

const Row* rowFor(const Case& seen) {
    for (const auto number : numbersIn(seen.error))
        for (const auto& each : byNumber)
            if (number != 0 && std::find(each.numbers.begin(), each.numbers.end(), number) != each.numbers.end()) return &each.row;
    const bool refused = seen.error.code == Code::mailboxSignInRefused || seen.error.code == Code::mailboxAccess;
    if (refused)
        for (const auto& each : byToken)
            if (each.fits(seen)) return &each.row;
    for (const auto& each : byCode)
        if (each.code == seen.error.code) return &each.row;
    return nullptr;
}

std::string filled(std::string_view text, const Case& seen) {
    // What is to be pasted into a shell is made of what ids are made of.
    const auto claim = [&](std::string Claims::*member, std::string_view otherwise) {
        const auto value = seen.claims ? (*seen.claims).*member : std::string{};
        static constexpr std::string_view plain = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-";
        return value.empty() || value.find_first_not_of(plain) != std::string::npos ? std::string(otherwise) : value;
    };
    const std::array<std::pair<std::string_view, std::string>, 6> values{
        {{"{user}", seen.user},
         {"{credential}", seen.credential},
         {"{appid}", claim(&Claims::application, "<application id>")},
         {"{oid}", claim(&Claims::object, "<object id of the enterprise application>")},
         {"{tenant}", claim(&Claims::tenant, "<tenant id>")},
         {"{aud}", seen.claims && !seen.claims->audience.empty() ? seen.claims->audience.front() : "nobody"}}};
    std::string out;
    while (!text.empty()) {
        const auto brace = std::min(text.find('{'), text.size());
        out += text.substr(0, brace);
        text.remove_prefix(brace);
        if (text.empty()) break;
        const auto* known = std::find_if(values.begin(), values.end(), [&](const auto& each) { return text.starts_with(each.first); });
        const auto length = known == values.end() ? 1 : known->first.size();
        out += known == values.end() ? std::string(text.substr(0, 1)) : known->second;
        text.remove_prefix(length);
    }
    return out;
}

}  // namespace

std::optional<Diagnosis> diagnose(const Case& seen) {
    const auto* row = rowFor(seen);
    if (row == nullptr) return std::nullopt;
    Diagnosis found{std::string(row->id), filled(row->cause, seen), {}};
    for (std::string_view rest = row->fix; !rest.empty();) {
        const auto end = std::min(rest.find('\n'), rest.size());
        found.fix.push_back(filled(rest.substr(0, end), seen));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return found;
}

}  // namespace auth::diagnosis
