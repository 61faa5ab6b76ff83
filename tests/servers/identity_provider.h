#pragma once

#include "tests/servers/process.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace servers {

/// CertificateFiles for TLS on loopback, made by `tests/servers/certificates`: for the name localhost alone.
struct CertificateFiles {
    explicit CertificateFiles(const std::filesystem::path& directory);
    std::filesystem::path authority;         ///< the truststore that fits
    std::filesystem::path unknownAuthority;  ///< one that does not
    std::filesystem::path server;
    std::filesystem::path key;
};

/// npm oidc-provider on free ports of this machine, https under the name localhost. Its clients: tests/servers/idp/provider.mjs.
class IdentityProvider {
public:
    struct Options {
        int tokenLifetime = 3600;                      ///< seconds
        std::map<std::string, std::string> clients{};  ///< further ones, id → secret: printable ASCII, as RFC 6749 A.2 wants them
        struct Keyed {
            std::string method;         ///< private_key_jwt, self_signed_tls_client_auth, none
            std::string certificate{};  ///< PEM: whose key signs, or what is shown; "" for none
            std::string algorithm{};    ///< of private_key_jwt, the only one that is accepted: RS256 ...
        };
        std::map<std::string, Keyed> keyed{};  ///< further ones without a secret, id → how they show who they are
        int refreshTokens = 0;                 ///< good ones, of client app-refresh, to begin with
    };
    IdentityProvider(const std::filesystem::path& directory, const CertificateFiles& certificates, Options options);

    const std::string& tokenEndpoint() const { return tokenEndpoint_; }
    std::string issuer() const { return tokenEndpoint_.substr(0, tokenEndpoint_.rfind('/')); }
    std::string authorizationEndpoint() const { return issuer() + "/auth"; }
    std::string deviceEndpoint() const { return issuer() + "/device/auth"; }
    std::string fault(const std::string& kind) const { return faultBase_ + kind; }  ///< html busy unavailable incomplete mac foreign slow
    const std::vector<std::string>& refreshTokens() const { return refreshTokens_; }
    std::uint16_t introspectionPort() const { return introspectionPort_; }

    /// A request to the token, authorization or device endpoint as it arrived.
    struct Request {
        std::string method;
        std::string path;
        std::vector<std::pair<std::string, std::string>> headers;  ///< names in lower case, in their order
        std::string body;
        std::string header(const std::string& name) const;  ///< "" when absent; throws std::logic_error when given twice
    };
    std::vector<Request> requests() const;  ///< all so far
    /// Every token that was given so far, by what it is and its number: "access_token 0".
    std::map<std::string, std::string> issued() const;

    static const std::string& basicSecret();  ///< of client app-basic: every special character of ASCII
    static const std::string& postSecret();   ///< of client "app/post: 1"
    static const std::string& scope();
    static const std::string& webSecret();  ///< of client app-web, with which persons sign in; app-native has none

private:
    std::filesystem::path directory_;
    std::unique_ptr<Process> process_;
    std::string tokenEndpoint_;
    std::string faultBase_;
    std::vector<std::string> refreshTokens_{};
    std::uint16_t introspectionPort_ = 0;
};

}  // namespace servers
