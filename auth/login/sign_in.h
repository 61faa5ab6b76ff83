#pragma once

#include "auth/login/account.h"
#include "auth/login/callback_desk.h"
#include "auth/login/dialogue.h"
#include "auth/token/credential.h"
#include "auth/token/token_endpoint.h"
#include "plugin/contract/clock.h"
#include "plugin/contract/result.h"
#include "plugin/contract/task.h"

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

namespace auth::login {

/// What a provider granted.
struct Granted {
    TokenGrant token;
    plugin::Wall obtained{};
    std::optional<plugin::Wall> expires{};  ///< of the access token; none: the server did not say
    std::string scopes{};                   ///< as the server said, else as they were asked for (RFC 6749 5.1)
    std::optional<Account> account{};       ///< of a person, where a token says who
    bool secondSecret = false;              ///< client_secret was refused, client_secret_next taken
};

/// The exchange made into what it brought. Errors begin with "credential NAME, ENDPOINT: ".
plugin::Result<Granted> granted(TokenExchange exchange, const Credential& credential, const std::string& askedScopes, bool secondSecret);

/// What one sign-in is made with; all outlive it.
struct SignInTools {
    TokenEndpoint& endpoint;
    plugin::Random& random;
    Dialogue& dialogue;
    CallbackDesk* callbacks = nullptr;           ///< null: nobody brings answers from the admin port
    std::string callbackUri{};                   ///< which redirect URI these are; "": none
    std::shared_ptr<const Credential> second{};  ///< the credential with client_secret_next; null: it has none
};

/// Instead of what the credential says.
struct SignInWishes {
    std::optional<std::string> scopes{};
    std::optional<bool> usePrompt{};
};

/// A person signs in, by authorization code with PKCE (RFC 6749 4.1, RFC 7636) or at another device (RFC 8628), as the credential's grant is.
/// Nothing is stored. Errors: tokenSignInAbandoned (askOperator: refused by the person or the provider's rules; retryLater: nobody came by the
/// deadline, or stopped), tokenSignInRefused, tokenSignInAnswer, channelUnreachable (no port to listen at), and those of TokenEndpoint.
plugin::Task<plugin::Result<Granted>> signIn(SignInTools tools, std::shared_ptr<const Credential> credential, SignInWishes wishes,
                                             plugin::Deadline deadline, std::stop_token stop);

// The two ways, of signIn() alone.
plugin::Task<plugin::Result<Granted>> signInByCode(SignInTools tools, std::shared_ptr<const Credential> credential, SignInWishes wishes,
                                                   plugin::Deadline deadline, std::stop_token stop);
plugin::Task<plugin::Result<Granted>> signInAtDevice(SignInTools tools, std::shared_ptr<const Credential> credential, SignInWishes wishes,
                                                     plugin::Deadline deadline, std::stop_token stop);
plugin::Error nobodyCame(const Credential& credential);
plugin::Error givenUp(const Credential& credential);

}  // namespace auth::login
