#pragma once

#include "auth/login/dialogue.h"
#include "auth/login/sign_in.h"
#include "auth/secret_source.h"
#include "auth/token/grant_store.h"
#include "auth/token/token_source.h"
#include "plugin/contract/configuration.h"
#include "plugin/contract/result.h"
#include "plugin/contract/task.h"

#include <optional>
#include <stop_token>
#include <string>

namespace auth::login {

/// The three ways to a token a process may ask for by name, each beside what mailboxes do with the same credential. Thread-safe; what it was made of
/// outlives it and its tasks. Errors of all three: tokenCredentialIncomplete (no such credential, or it lacks what this way needs), those of
/// TokenEndpoint.
class Connector {
public:
    struct Parts {
        plugin::CurrentConfiguration configuration;
        Dialer& dialer;
        SecretReader& secrets;
        plugin::Clock& clock;
        plugin::Random& random;
        TokenSource& tokens;
        GrantStore* grants = nullptr;       ///< null: there is no place to keep anything
        CallbackDesk* callbacks = nullptr;  ///< null: no answer can come by the admin port
    };
    explicit Connector(Parts parts) : parts_(std::move(parts)), endpoint_({parts_.dialer, parts_.secrets, parts_.clock, parts_.random}) {}

    /// As an application. A credential of a person's grant asks with client_credentials. configMissingKey: no scopes, neither here nor there.
    plugin::Task<plugin::Result<Granted>> serverLogin(std::string credential, std::optional<std::string> scopes, std::stop_token stop);

    /// A person signs in (signIn() of sign_in.h). Nothing is kept: that is keep()'s business. `dialogue` outlives the task.
    plugin::Task<plugin::Result<Granted>> userLogin(std::string credential, SignInWishes wishes, Dialogue& dialogue, plugin::Deadline deadline,
                                                    std::stop_token stop);

    /// Another access token for a refresh token. One that is given is used once, and what comes is kept nowhere: `stop` does not end that request. An
    /// empty one stands for the stored grant, which is renewed as the service renews it. tokenSignInNeeded: none is given and none is stored.
    plugin::Task<plugin::Result<Granted>> refresh(std::string credential, Secret refreshToken, std::stop_token stop);

    /// Keeps what a person's sign-in brought in place of what was kept before; durable when answered. Errors: those of the GrantStore.
    plugin::Task<plugin::Result<void>> keep(std::string credential, Granted granted);

private:
    plugin::Task<plugin::Error> refusedThough(std::string name, plugin::Error error);

    Parts parts_;
    TokenEndpoint endpoint_;
};

enum class ConnectorKind { serverLogin, userLogin, refreshToken };

/// The number that tells a script how it went (contract; README.md, "Connectors"); 0 is success.
/// server-login    -2 credential unknown or incomplete    -3 no scope in call or credential    -1 all else
/// user-login      -2 given up or denied    -3 no connection (name, proxy, TLS, HTTP)    -5 token type not bearer    -1 all else
/// refresh-token   -2 no such credential or endpoint    -3 no refresh token given or stored    -1 all else
int connectorStatus(ConnectorKind kind, const plugin::Error& error);

/// Whether somebody else has signed in than was expected. Nothing: no, or it cannot be told.
/// expected   any of these is right; none: nobody is expected
std::optional<plugin::Error> otherAccount(const Granted& granted, const std::string& credential, const std::vector<std::string>& expected);

/// What people are told where Granted::secondSecret is set.
std::string secondSecretTaken(const std::string& credential);

/// What is to be said to whoever signed in, beside the success: that nobody could be compared, which secret was taken, that no refresh token came and
/// what to ask for.
std::vector<std::string> remarksOn(const Granted& granted, const Credential& credential, const std::vector<std::string>& expected);

}  // namespace auth::login
