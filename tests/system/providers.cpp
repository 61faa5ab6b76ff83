#include "tests/system/providers.h"

#include "tests/servers/base64.h"
#include "tests/system/workplace.h"

#include <Poco/JSON/Object.h>
#include <Poco/Timestamp.h>
#include <Poco/URI.h>

#include <openssl/pem.h>

#include <algorithm>

namespace systemtest {

using servers::Certificate;
using servers::TlsServer;

namespace {

constexpr const char *exchange = "https://outlook.office365.com", *graphResource = "https://graph.microsoft.com";
constexpr const char* serviceAccount = "postern@intake-4711.iam.gserviceaccount.com";

/// A server whose certificate is for these names.
TlsServer::Options named(const Certificate& authority, std::vector<std::string> names) {
    return {.chain = {servers::makeCertificate({.commonName = names.front(), .names = std::move(names)}, &authority)}};
}
TlsServer::Options online() {
    return named(Providers::authority(),
                 {"login.microsoftonline.com", "outlook.office365.com", "graph.microsoft.com", "oauth2.googleapis.com", "imap.gmail.com"});
}

TokenAnswer googleError(int status, const std::string& error, const std::string& description) {
    return {status, R"({"error":")" + error + R"(","error_description":")" + description + "\"}"};
}

Poco::JSON::Object::Ptr part(const std::string& jwt, int number) {
    std::size_t begin = 0;
    for (int i = 0; i < number; ++i) begin = jwt.find('.', begin) + 1;
    return json(servers::fromBase64Url(jwt.substr(begin, jwt.find('.', begin) - begin)));
}

std::string resourceOf(const std::string& scope) {
    const auto host = scope.find("://");
    return host == std::string::npos ? std::string() : scope.substr(0, scope.find('/', host + 3));
}

std::string list(const std::set<std::string>& items) {
    std::string text;
    for (const auto& item : items) text += (text.empty() ? "\"" : ",\"") + item + "\"";
    return "[" + text + "]";
}

std::string words(const std::set<std::string>& items) {
    std::string text;
    for (const auto& item : items) text += (text.empty() ? "" : " ") + item;
    return text;
}

}  // namespace

const Certificate& Providers::authority() {
    static const auto made = servers::makeCertificate({.commonName = "roots of the system", .authority = true});
    return made;
}
const Certificate& Providers::ownAuthority() {
    static const auto made = servers::makeCertificate({.commonName = "corp.example", .authority = true});
    return made;
}

Providers::Providers() : googleKey_(servers::makeCertificate({.commonName = "service account", .rsa = true})) {
    entra_ = std::make_unique<TokenServer>(online(), [this](const TokenRequest& request) { return entra(request); });
    google_ = std::make_unique<TokenServer>(online(), [this](const TokenRequest& request) { return google(request); });
    imap_ = std::make_unique<ImapServer>(online(), "The Microsoft Exchange IMAP4 service is ready.",
                                         [this](const auto& who, const auto& shown) { return exchangeLets(who, shown); });
    gmail_ = std::make_unique<ImapServer>(online(), "Gimap ready for requests", [this](const auto& who, const auto& shown) {
        if (shown != "ya29." + who)
            return ImapServer::Verdict{"[AUTHENTICATIONFAILED] Invalid credentials (Failure)",
                                       R"({"status":"401","schemes":"bearer mac","scope":"https://mail.google.com/"})"};
        return ImapServer::Verdict{googleImap ? "" : "[ALERT] Your account is not enabled for IMAP use. Please visit your Gmail settings page."};
    });
    servers::GraphServer::Options options{.chain = online().chain, .user = user};
    options.accepts = [](const std::string& shown) { return resourceOf(part(shown, 1)->getValue<std::string>("aud")) == graphResource; };
    graph_ = std::make_unique<servers::GraphServer>(std::move(options));
    graph_->linksLeadTo(graphResource);
    ews.user = user;
    ownEws.user = "scanner@corp.example";
    ownEws.basicUser = "CORP\\svc-postern";
    ownEws.basicPassword = "pass:word with blanks";
    const auto ownEwsPort = ownEws.listen(named(ownAuthority(), {"mail.corp.example"}));
    tunnel_ = std::make_unique<servers::Tunnel>(std::map<std::string, std::uint16_t>{
        {"login.microsoftonline.com:443", entra_->port()},
        {"oauth2.googleapis.com:443", google_->port()},
        {"outlook.office365.com:993", imap_->port()},
        {"imap.gmail.com:993", gmail_->port()},
        {"outlook.office365.com:443", ews.listen(online())},
        {"mail.corp.example:443", ownEwsPort},
        {"exchange01.corp.example:443", ownEwsPort},
        {"graph.microsoft.com:443", static_cast<std::uint16_t>(std::stoi(graph_->url().substr(graph_->url().rfind(':') + 1)))}});
}

void Providers::ready() {
    ews.tokens = {appToken(exchange)};
    for (auto* server : {&ews, &ownEws}) server->deliver(server->inbox(), "Subject: first\r\n\r\nbody\r\n", "2026-11-22T08:15:00Z");
    graph_->deliver("Subject: first\r\n\r\nbody\r\n");
}

std::vector<std::string> Providers::problems() const {
    std::vector<std::string> all;
    for (const auto& each : {ews.problems(), ownEws.problems(), graph_->problems()}) all.insert(all.end(), each.begin(), each.end());
    if (imap_->strange() + gmail_->strange() > 0) all.emplace_back("a command nobody needs");
    return all;
}

std::string Providers::appToken(const std::string& audience) const {
    const auto& roles = audience == graphResource ? graphRoles : audience == exchange ? exchangeRoles : std::set<std::string>{};
    return entraToken(tenant, audience, roles.empty() ? R"(,"idtyp":"app")" : R"(,"roles":)" + list(roles));
}
std::string Providers::userToken(const std::string& audience) const {
    return entraToken(tenant, audience, R"(,"upn":")" + signsIn + R"(","scp":")" + words(scopes) + "\"");
}

TokenAnswer Providers::entra(const TokenRequest& request) {
    const auto end = request.path.find("/oauth2/v2.0/");
    if (end == std::string::npos || request.path.substr(1, end - 1) != tenant) return entraError("invalid_request", 90002);
    if (request.field("client_id") != application) return entraError("unauthorized_client", 700016);
    if (request.path.ends_with("/devicecode")) {
        consented_ = request.field("scope");
        return {200, R"({"user_code":"GHJ4KLMNP","device_code":"device-1","verification_uri":"https://login.microsoft.com/device",)"
                     R"("expires_in":900,"interval":1})"};
    }
    if (const auto refused = proof(request); !refused.body.empty()) return refused;
    static const std::map<int, std::string> errors{
        {7000218, "invalid_client"}, {7000222, "invalid_client"}, {700024, "invalid_client"}, {9002327, "invalid_request"}};
    if (entraRefuses) return entraError(errors.contains(*entraRefuses) ? errors.at(*entraRefuses) : "invalid_grant", *entraRefuses);
    return granted(request);
}

std::string Providers::consent(const std::string& authorizationUrl) {
    const Poco::URI url(authorizationUrl);
    std::map<std::string, std::string> asked;
    for (const auto& [name, value] : url.getQueryParameters()) asked[name] = value;
    if (url.getHost() != "login.microsoftonline.com" || url.getPath() != std::string("/") + tenant + "/oauth2/v2.0/authorize" ||
        asked["client_id"] != application || asked["code_challenge_method"] != "S256")
        return {};
    consented_ = asked["scope"];
    return asked["redirect_uri"] + "?code=code-1&state=" + asked["state"];
}

/// How the application shows who it is. Empty: rightly.
TokenAnswer Providers::proof(const TokenRequest& request) const {
    if (const auto shown = request.field("client_secret"); !shown.empty())
        return shown == secret ? TokenAnswer{} : entraError("invalid_client", 7000215);
    const auto assertion = request.field("client_assertion");
    if (assertion.empty()) return request.field("grant_type") == "client_credentials" ? entraError("invalid_client", 7000216) : TokenAnswer{};
    const auto unknown = entraError("invalid_client", 700027);
    if (certificate.empty()) return unknown;
    const std::unique_ptr<BIO, decltype(&BIO_free)> bio(BIO_new_mem_buf(certificate.data(), static_cast<int>(certificate.size())), &BIO_free);
    const std::unique_ptr<X509, decltype(&X509_free)> uploaded(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr), &X509_free);
    const auto claims = part(assertion, 1);
    const bool fine = part(assertion, 0)->getValue<std::string>("alg") == "PS256" && isSigned(assertion, X509_get0_pubkey(uploaded.get()), true) &&
                      claims->getValue<std::string>("iss") == application && claims->getValue<std::string>("sub") == application &&
                      claims->getValue<std::string>("aud") == std::string("https://login.microsoftonline.com/") + tenant + "/oauth2/v2.0/token";
    return fine ? TokenAnswer{} : unknown;
}

TokenAnswer Providers::granted(const TokenRequest& request) const {
    const auto grant = request.field("grant_type"), scope = request.field("scope");
    if (grant == "client_credentials") {
        if (!scope.ends_with("/.default")) return entraError("invalid_scope", 1002012);
        return tokenAnswer(appToken(resourceOf(scope)));
    }
    using servers::base64Url;
    const auto idToken = base64Url(R"({"alg":"RS256"})") + "." + base64Url(R"({"preferred_username":")" + signsIn + "\"}") + "." + base64Url("none");
    // A person's scopes are asked for once; what comes back is for their resource.
    const auto& asked = entra_ == nullptr ? std::string() : scope;
    const auto resource = asked.find("graph.microsoft.com") != std::string::npos ? graphResource : "https://outlook.office.com";
    return tokenAnswer(userToken(resource), R"(,"scope":")" + scope + R"(","refresh_token":"refresh-1","id_token":")" + idToken + "\"", lifetime);
}

ImapServer::Verdict Providers::exchangeLets(const std::string& who, const std::string& shown) const {
    const auto claims = part(shown, 1);
    const auto audience = claims->getValue<std::string>("aud");
    const ImapServer::Verdict refused{"AUTHENTICATE failed."};
    if (!audience.starts_with("https://outlook.office")) return refused;
    if (claims->has("scp")) {
        if (!scopes.contains("IMAP.AccessAsUser.All")) return refused;
        return {.connected = who == signsIn || mailboxes.contains(who)};
    }
    if (!exchangeRoles.contains("IMAP.AccessAsApp") || !registered) return refused;
    return {.connected = mailboxes.contains(who)};
}

std::string Providers::keyFile() const {
    Poco::JSON::Object file;
    file.set("type", "service_account");
    file.set("client_email", serviceAccount);
    file.set("client_id", "104711047110471104711");
    file.set("private_key_id", "key-1");
    file.set("private_key", googleKey_.keyPem());
    file.set("token_uri", "https://oauth2.googleapis.com/token");
    std::ostringstream out;
    file.stringify(out);
    return out.str();
}

TokenAnswer Providers::google(const TokenRequest& request) const {
    const auto assertion = request.field("assertion");
    if (request.field("grant_type") != "urn:ietf:params:oauth:grant-type:jwt-bearer" || assertion.empty())
        return googleError(400, "unsupported_grant_type", "Invalid grant_type: " + request.field("grant_type"));
    if (!googleKey || !isSigned(assertion, googleKey_.key.get(), false)) return googleError(400, "invalid_grant", "Invalid JWT Signature.");
    const auto claims = part(assertion, 1);
    const auto who = claims->getValue<std::string>("sub");
    const auto age = Poco::Timestamp{}.epochTime() - claims->getValue<std::int64_t>("iat");
    if (!googleClock || age < 0 || age > 300)
        return googleError(
            400, "invalid_grant",
            "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp values.");
    const bool knows = claims->getValue<std::string>("iss") == serviceAccount && claims->getValue<std::string>("scope") == "https://mail.google.com/";
    if (!delegated || !knows)
        return googleError(401, "unauthorized_client",
                           "Client is unauthorized to retrieve access tokens using this method, or client not authorized for any of the scopes "
                           "requested.");
    if (who != user) return googleError(400, "invalid_grant", "Invalid email or User ID");
    return tokenAnswer("ya29." + who);
}

}  // namespace systemtest
