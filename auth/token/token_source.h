#pragma once

#include "auth/secret.h"
#include "plugin/contract/clock.h"
#include "plugin/contract/configuration.h"
#include "plugin/contract/result.h"
#include "plugin/contract/task.h"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace plugin {
class Database;
class Log;
class Metrics;
class Random;
}  // namespace plugin

namespace auth {

class Dialer;
class GrantLocks;
class GrantStore;
class SecretReader;

/// Whose token: a credential of the configuration, for a user of the other side, with the scopes as written.
struct Identity {
    std::string credential;
    std::string user{};                   ///< mailbox user; part of the cache key only where the grant depends on it
    std::optional<std::string> scopes{};  ///< instead of the credential's
    std::string protocol{};               ///< imap, pop3, smtp, ews, graph; "" = imap: which scopes of its provider, where the credential has none
};

struct Token {
    std::shared_ptr<const Secret> secret;
    std::string type;                               ///< "Bearer" as the server wrote it
    std::optional<std::chrono::seconds> expiresIn;  ///< as the server said; none: it did not say
    plugin::Wall expiresAt;                         ///< for people; lifetimes are kept by the steady clock
    std::string grantedScopes;                      ///< as the server said; "": it did not say (RFC 6749 5.1: then as asked)
    std::shared_ptr<const Secret> refreshToken{};   ///< null: none came
    std::uint64_t number = 0;                       ///< counts the tokens of one identity: tells an old from the current one
    /// The token endpoint's clock minus this machine's, when the token was made; none: not known.
    std::optional<std::chrono::seconds> clockOffset{};
    bool secondSecret = false;  ///< client_secret was refused, client_secret_next taken
};

/// Thread-safe. One token request per identity at a time, whoever asks (for stored grants: in whatever process); renewed ahead of its end; a token
/// still valid is used while renewal fails. A sign-in by another process counts within a second. Errors: 3xxx; retryLater (busy, unreachable) or
/// askOperator (refused, incomplete); channelStopped when `stop` ends the wait; configSecretSource when the secret cannot be read. While a request
/// may not be repeated yet, the last error is answered at once, with retryAfter. A request goes on when those who wait for it leave.
class TokenSource {
public:
    virtual ~TokenSource() = default;
    virtual plugin::Task<plugin::Result<Token>> token(Identity identity, plugin::Deadline deadline, std::stop_token stop) = 0;
    /// The other side refused this token for what it is (401, AUTHENTICATIONFAILED): the next token() asks for a new one, if this is still
    /// the current one and at most once per 60 s; else token() answers tokenRenewalTooSoon (retryLater with the time left).
    /// Never call it for "authenticated but not connected", 403 or access denied.
    virtual void refused(const Identity& identity, const Token& token) = 0;
    /// A refresh token is on its way: who ends the process now may lose what comes in its place. For a minute at most, two requests.
    virtual bool refreshing() const { return false; }
    /// From now on none is sent any more: who ends the process calls this, and waits until refreshing() is false. What needs one answers
    /// channelStopped.
    virtual void beginNoMore() {}
    /// Tries once more to store what came in place of refresh tokens and could not be stored. Answers what still cannot, and why: it is lost with the
    /// process.
    virtual plugin::Task<std::vector<plugin::Error>> keepRest() { co_return std::vector<plugin::Error>{}; }
};

/// Where grants with a refresh token are kept, and what came of token requests. All outlive the source.
struct TokenStorage {
    plugin::Database& database;  ///< migrated for auth
    GrantStore& grants;
    GrantLocks& locks;
    /// False: what came of a request is noted for stored grants alone.
    bool notesAll = true;
};

/// All outlive the source; the source outlives the last turn of every loop it was used on.
struct TokenSourceParts {
    plugin::CurrentConfiguration configuration;
    Dialer& dialer;
    SecretReader& secrets;
    plugin::Clock& clock;
    plugin::Random& random;
    plugin::Log& log;
    plugin::Metrics& metrics;
    TokenStorage* storage = nullptr;  ///< null: grants with a refresh token cannot be used
};
std::unique_ptr<TokenSource> makeTokenSource(TokenSourceParts parts);

}  // namespace auth
