#pragma once

#include "tests/servers/tls_server.h"

#include <atomic>
#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>

/// What stand-ins for providers are made of: the HTTP of a token endpoint, IMAP, and tokens.
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
    std::optional<std::chrono::seconds> ahead = std::chrono::seconds{0};  ///< its clock, of this machine's; nothing: it does not tell the time
};
TokenAnswer tokenAnswer(const std::string& token, const std::string& more = {}, int lifetime = 3599);  ///< more: `,"key":value`
/// As Entra puts it; the number is that of an AADSTS.
TokenAnswer entraError(const std::string& error, int number);

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
    ImapServer(const servers::TlsServer::Options& options, std::string greeting, Judge judge,
               std::string offers = "IMAP4rev1 AUTH=XOAUTH2 SASL-IR NAMESPACE");
    std::uint16_t port() const { return server_.port(); }
    int strange() const { return strange_; }    ///< commands nobody needs here
    int goodbyes() const { return goodbyes_; }  ///< sessions that were ended in order

private:
    void talk(servers::TlsServer::Stream& stream);
    bool signIn(servers::TlsServer::Stream& stream, const std::string& tag, const std::string& response, bool& connected);
    std::string greeting_, offers_;
    Judge judge_;
    std::atomic<int> strange_{0}, goodbyes_{0};
    servers::TlsServer server_;
};

/// An application registered at Entra, and a token of it: as Entra makes them, but for the signature, which only their receiver looks at.
struct Application {
    static constexpr const char *id = "11111111-2222-3333-4444-555555555555", *object = "99999999-8888-7777-6666-555555555555";
};
std::string entraToken(const std::string& tenant, const std::string& audience, const std::string& claims);  ///< claims: `,"key":value`
/// Signed by that key, with RS256 or PS256.
bool isSigned(const std::string& jwt, EVP_PKEY* key, bool pss);

}  // namespace systemtest
