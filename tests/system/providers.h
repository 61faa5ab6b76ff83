#pragma once

#include "tests/servers/ews_server.h"
#include "tests/servers/graph_server.h"
#include "tests/servers/tunnel.h"

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace systemtest {

struct TokenRequest {
    std::string path{};
    std::map<std::string, std::string> form{};  ///< decoded
    std::string field(const std::string& name) const {
        const auto found = form.find(name);
        return found == form.end() ? std::string() : found->second;
    }
};
struct TokenAnswer {
    int status = 200;
    std::string body{};
};

/// A token endpoint over TLS, one request a connection.
class TokenServer {
public:
    TokenServer(const servers::TlsServer::Options& options, std::function<TokenAnswer(const TokenRequest&)> answer);
    std::uint16_t port() const { return server_.port(); }

private:
    void serve(servers::TlsServer::Stream& stream);
    std::function<TokenAnswer(const TokenRequest&)> answer_;
    std::mutex mutex_{};
    servers::TlsServer server_;
};

/// An IMAP server with an empty INBOX for everybody it lets in, by XOAUTH2.
class ImapServer {
public:
    struct Verdict {
        std::string refused{};    ///< what stands behind NO; "": signed in
        std::string challenge{};  ///< JSON that comes before it
        bool connected = true;    ///< else every command after the sign-in is BAD, as Exchange has it
    };
    using Judge = std::function<Verdict(const std::string& user, const std::string& token)>;
    ImapServer(const servers::TlsServer::Options& options, std::string greeting, Judge judge);
    std::uint16_t port() const { return server_.port(); }
    std::vector<std::string> problems() const { return server_.problems(); }
    int strange() const { return strange_; }  ///< commands nobody needs here

private:
    void talk(servers::TlsServer::Stream& stream);
    bool signIn(servers::TlsServer::Stream& stream, const std::string& tag, const std::string& response, bool& connected);
    std::string greeting_;
    Judge judge_;
    std::atomic<int> strange_{0};
    servers::TlsServer server_;
};

std::string base64Url(const std::string& text);
std::string fromBase64Url(const std::string& text);
/// Signed by that key, with RS256 or PS256.
bool isSigned(const std::string& jwt, EVP_PKEY* key, bool pss);

/// Microsoft 365, Google Workspace and an Exchange Server of one's own, as an administrator sets them up, or sets them up wrongly. Under their real
/// names, which a tunnel leads here. What is public is set while nobody asks.
class Providers {
public:
    static constexpr const char *tenant = "aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb", *application = "11111111-2222-3333-4444-555555555555",
                                *object = "99999999-8888-7777-6666-555555555555", *secret = "S3c~ret.Value/of the+application",
                                *user = "orders@contoso.com", *person = "orders@contoso.com", *other = "ceo@contoso.com";
    Providers();
    void ready();  ///< once all is set

    // Entra admin center
    std::optional<int> entraRefuses{};  ///< with this number, AADSTS
    std::set<std::string> graphRoles{"Mail.ReadWrite"}, exchangeRoles{"IMAP.AccessAsApp", "full_access_as_app"};
    std::set<std::string> scopes{"IMAP.AccessAsUser.All", "Mail.ReadWrite"};  ///< of persons
    int lifetime = 3599;                                                      ///< seconds, of persons' tokens
    std::string signsIn = person;                                             ///< who sits at the browser
    std::string certificate{};                                                ///< PEM, uploaded to the application

    // Exchange Online PowerShell
    bool registered = true;                 ///< New-ServicePrincipal, with the right object id
    std::set<std::string> mailboxes{user};  ///< Add-MailboxPermission

    // Google Admin console
    bool delegated = true, googleImap = true, googleKey = true, googleClock = true;
    std::string keyFile() const;  ///< of the service account, as Google hands it out

    servers::EwsServer ews{};     ///< Exchange Online
    servers::EwsServer ownEws{};  ///< mail.corp.example
    servers::GraphServer& graph() { return *graph_; }
    servers::Tunnel& tunnel() const { return *tunnel_; }

    static const servers::Certificate& authority();     ///< what the system trusts
    static const servers::Certificate& ownAuthority();  ///< of corp.example alone
    std::string appToken(const std::string& audience) const;
    /// What a browser is sent back to from this address, once somebody has signed in there and consented.
    std::string consent(const std::string& authorizationUrl);
    std::vector<std::string> problems() const;  ///< of all servers

private:
    TokenAnswer entra(const TokenRequest& request);
    TokenAnswer proof(const TokenRequest& request) const;
    TokenAnswer granted(const TokenRequest& request) const;
    TokenAnswer google(const TokenRequest& request) const;
    ImapServer::Verdict exchangeLets(const std::string& who, const std::string& token) const;
    std::string userToken(const std::string& audience) const;

    servers::Certificate googleKey_;
    std::string consented_{};  ///< scopes
    std::unique_ptr<TokenServer> entra_{}, google_{};
    std::unique_ptr<ImapServer> imap_{}, gmail_{};
    std::unique_ptr<servers::GraphServer> graph_{};
    std::unique_ptr<servers::Tunnel> tunnel_{};
};

}  // namespace systemtest
