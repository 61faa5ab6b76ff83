#pragma once

#include "auth/secret_source.h"
#include "plugin/contract/configuration.h"
#include "plugin/contract/result.h"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace auth {

/// How a client shows the token endpoint who it is. Exactly one per request (RFC 6749 2.3).
enum class ClientAuthentication {
    basic,     ///< Authorization: Basic of form-encoded id and secret (RFC 6749 2.3.1)
    basicRaw,  ///< the same without form-encoding, for servers that do not decode
    body,      ///< client_id and client_secret among the parameters
    none,      ///< a public client: client_id among the parameters, no secret
};

enum class Grant { clientCredentials, userPassword, refreshToken, authorizationCode, deviceCode };

/// Whether what a grant brings is kept in the GrantStore, because a person's consent stands behind it.
inline bool isStored(Grant grant) { return grant == Grant::refreshToken || grant == Grant::authorizationCode || grant == Grant::deviceCode; }
std::string_view grantName(Grant grant);  ///< as the configuration writes it

/// Where the parameters of a refresh go: the body (RFC 6749 6), or the URL, as some servers want it.
enum class RefreshStyle { body, query };

/// One credential.<name> of the configuration, typed; only what its grant needs is filled. Secrets are sources, not values.
struct Credential {
    std::string name;
    Grant grant = Grant::clientCredentials;
    // with a token
    std::string clientId{};
    SecretSource clientSecret{};
    std::optional<SecretSource> clientSecretNext{};  ///< used when the first is refused
    std::string tokenEndpoint{};                     ///< URL
    std::string scopes{};                            ///< as written
    ClientAuthentication authentication = ClientAuthentication::basic;
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

/// Reads and types it. Errors askOperator PO-3009: no such credential, or incomplete (every missing key is named); PO-1009, PO-1011: its
/// secret's source is none.
plugin::Result<Credential> credential(const plugin::Configuration& configuration, std::string_view name);

/// The keys a grant cannot do without and this credential does not have, as "client_secret".
std::vector<std::string> missingKeys(const plugin::Configuration& configuration, std::string_view name);

}  // namespace auth
