#pragma once

#include "auth/channel/http_client.h"
#include "auth/secret_source.h"
#include "auth/token/credential.h"
#include "auth/token/token_request.h"
#include "auth/token/token_response.h"
#include "plugin/contract/clock.h"
#include "plugin/contract/result.h"
#include "plugin/contract/task.h"

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

namespace auth {

using Stamp = std::optional<SecretReader::Stamp>;

/// How one request to a token endpoint ended.
struct TokenExchange {
    plugin::Steady requested;  ///< just before it was sent: lives are counted from here
    plugin::Wall requestedWall;
    Stamp stamp{};      ///< of the file behind what the request showed (client_proof.h)
    bool sent = false;  ///< false: what shows who we are could not be read, nothing left this machine
    Secret answer{};    ///< the answer's body as it came, for what only some grants look at; empty: none
    plugin::Result<TokenGrant> outcome;
    std::optional<std::chrono::seconds> clockOffset{};  ///< the endpoint's clock minus ours, from its answer; also in an error's `provider`
};

/// Asks the token endpoint of a credential, for any grant. Thread-safe; what it was made of outlives it and its requests.
class TokenEndpoint {
public:
    struct Parts {
        Dialer& dialer;
        SecretReader& secrets;
        plugin::Clock& clock;
        plugin::Random& random;
    };
    explicit TokenEndpoint(Parts parts) : parts_(parts), http_(parts.dialer) {}

    /// One request, at most 30 s. The client's proof is read anew for each. Errors: those of judge(); PO-3008 no answer, PO-3004 no HTTP,
    /// of the secret's source, channelStopped.
    /// Of the device endpoint, which answers with no token, `answer` is of use.
    plugin::Task<TokenExchange> ask(std::shared_ptr<const Credential> credential, GrantParameters grant, std::stop_token stop,
                                    Endpoint at = Endpoint::token);

private:
    Parts parts_;
    HttpClient http_;
};

/// An endpoint for people: without query, in which some providers want secrets.
std::string shownEndpoint(const Credential& credential, Endpoint at = Endpoint::token);

}  // namespace auth
