#pragma once

#include "tests/servers/ews_server.h"
#include "tests/servers/graph_server.h"
#include "tests/servers/tunnel.h"
#include "tests/system/dialogues.h"

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace systemtest {

/// Microsoft 365, Google Workspace and an Exchange Server of one's own, as an administrator sets them up, or sets them up wrongly. Under their real
/// names, which a tunnel leads here. What is public is set while nobody asks.
class Providers {
public:
    static constexpr const char *tenant = "aaaaaaaa-1111-2222-3333-bbbbbbbbbbbb", *application = Application::id, *object = Application::object,
                                *secret = "S3c~ret.Value/of the+application", *user = "orders@contoso.com", *person = "orders@contoso.com",
                                *other = "ceo@contoso.com";
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
