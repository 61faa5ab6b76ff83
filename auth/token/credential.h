#pragma once

#include "auth/secret_source.h"
#include "plugin/contract/configuration.h"
#include "plugin/contract/result.h"

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
};

enum class Grant { clientCredentials, userPassword };

/// One credential.<name> of the configuration, typed; only what its grant needs is filled. Secrets are sources, not values.
struct Credential {
    std::string name;
    Grant grant = Grant::clientCredentials;
    // client_credentials
    std::string clientId{};
    SecretSource clientSecret{};
    std::string tokenEndpoint{};  ///< URL
    std::string scopes{};         ///< as written
    ClientAuthentication authentication = ClientAuthentication::basic;
    std::string truststore{};                                       ///< alias; "": the system's
    std::string proxy{};                                            ///< alias; "": the default one
    std::vector<std::pair<std::string, std::string>> parameters{};  ///< token.parameter.<p>, sorted
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
