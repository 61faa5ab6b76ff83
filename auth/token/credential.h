#pragma once

#include "auth/keystore/configured_keystore.h"
#include "auth/secret_source.h"
#include "auth/token/jwt.h"
#include "plugin/contract/configuration.h"
#include "plugin/contract/result.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace auth {

/// How a client shows the token endpoint who it is. Exactly one per request (RFC 6749 2.3).
enum class ClientAuthentication {
    basic,          ///< Authorization: Basic of form-encoded id and secret (RFC 6749 2.3.1)
    basicRaw,       ///< the same without form-encoding, for servers that do not decode
    body,           ///< client_id and client_secret among the parameters
    none,           ///< a public client: client_id among the parameters, no secret
    privateKeyJwt,  ///< client_id and a JWT of our own making, signed with a key of a keystore (RFC 7523 2.2)
    assertionFile,  ///< client_id and a JWT somebody else has put into a file
    tls,            ///< client_id; who we are shows the client certificate (RFC 8705 2)
};
std::string_view authenticationName(ClientAuthentication authentication);  ///< as the configuration writes it
inline bool showsSecret(ClientAuthentication authentication) {
    return authentication == ClientAuthentication::basic || authentication == ClientAuthentication::basicRaw ||
           authentication == ClientAuthentication::body;
}

enum class Grant { clientCredentials, userPassword, refreshToken, authorizationCode, deviceCode, jwtBearer };

/// Whether what a grant brings is kept in the GrantStore, because a person's consent stands behind it.
inline bool isStored(Grant grant) { return grant == Grant::refreshToken || grant == Grant::authorizationCode || grant == Grant::deviceCode; }
std::string_view grantName(Grant grant);  ///< as the configuration writes it

/// Where the parameters of a refresh go: the body (RFC 6749 6), or the URL, as some servers want it.
enum class RefreshStyle { body, query };

/// How assertions (RFC 7523) are signed, and what they say. Empty texts have fall-backs (assertion.h).
struct AssertionSettings {
    std::optional<KeystoreSettings> keystore{};
    std::string signingAlias{};  ///< "": the only key
    std::string keyFile{};       ///< of a Google service account, instead of the keystore
    std::optional<JwtAlgorithm> algorithm{};
    JwtAlgorithm usualOfRsa = JwtAlgorithm::rs256;
    std::string keyId{}, issuer{}, subject{}, audience{};
    std::chrono::seconds life{300};
    std::vector<std::pair<std::string, std::string>> claims{};  ///< jwt.claim.<claim>, sorted
};

struct ProviderPreset;

/// One credential.<name> of the configuration, typed; only what its grant needs is filled. Secrets are sources, not values.
struct Credential {
    std::string name;
    Grant grant = Grant::clientCredentials;
    std::string provider{};  ///< as written
    // with a token
    std::string clientId{};
    SecretSource clientSecret{};
    std::optional<SecretSource> clientSecretNext{};  ///< used when the first is refused
    std::string tokenEndpoint{};                     ///< URL
    std::string scopes{};                            ///< as written; else those of its provider for IMAP
    const ProviderPreset* scopesOf = nullptr;        ///< whose scopes they are, for each protocol others; null: as written
    ClientAuthentication authentication = ClientAuthentication::basic;
    AssertionSettings assertion{};                                  ///< of private_key_jwt and jwt_bearer; the keystore also of tls
    std::string assertionFile{};                                    ///< of assertion_file
    std::string truststore{};                                       ///< alias; "": the system's
    std::string proxy{};                                            ///< alias; "": the default one
    std::vector<std::pair<std::string, std::string>> parameters{};  ///< token.parameter.<p>, sorted
    std::optional<SecretSource> refreshToken{};                     ///< of refresh_token: where the first one is from
    RefreshStyle refreshStyle = RefreshStyle::body;
    // authorization_code and device_code: a person signs in
    std::string authorizationEndpoint{};                                     ///< URL
    std::string deviceEndpoint{};                                            ///< URL
    std::string redirectUri{};                                               ///< as written
    std::string issuer{};                                                    ///< what the browser must bring back as iss (RFC 9207); "": not known
    bool usePrompt = true;                                                   ///< ask for consent each time
    std::vector<std::pair<std::string, std::string>> authorizeParameters{};  ///< authorize.parameter.<p>, sorted
    // user_password
    std::string username{};  ///< "": the mailbox's own user
    SecretSource password{};
};

/// As it is written; else as its provider, or what else it has, suggests.
Grant grantOf(const plugin::Configuration& configuration, std::string_view name);
ClientAuthentication authenticationOf(const plugin::Configuration& configuration, std::string_view name);

/// The scopes for a protocol (imap, pop3, smtp, ews, graph; "" is imap).
std::string scopesFor(const Credential& credential, std::string_view protocol);

/// The host where a mailbox of this credential is read, where its provider is known; "": not known.
std::string hostOfProvider(const plugin::Configuration& configuration, std::string_view name, std::string_view protocol);

/// The same for protocols with an address of HTTP: ProviderPreset::url().
std::string urlOfProvider(const plugin::Configuration& configuration, std::string_view name, std::string_view protocol);

/// Reads and types it. Errors askOperator PO-3009: no such credential, or incomplete (every missing key is named); PO-1009, PO-1011: its
/// secret's source is none.
plugin::Result<Credential> credential(const plugin::Configuration& configuration, std::string_view name);

/// The keys a grant cannot do without and this credential does not have, as "client_secret".
std::vector<std::string> missingKeys(const plugin::Configuration& configuration, std::string_view name);

}  // namespace auth
