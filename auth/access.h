#pragma once

#include "auth/channel/channel.h"
#include "auth/endings.h"
#include "auth/sealing.h"
#include "auth/secret.h"
#include "auth/token/grant_locks.h"
#include "auth/token/grant_store.h"
#include "auth/token/token_source.h"
#include "plugin/contract/configuration.h"
#include "plugin/contract/log.h"
#include "plugin/contract/task.h"

#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace auth {

namespace login {
class CallbackDesk;
class Connector;
}  // namespace login

/// From a name to a trusted connection. `main` builds one and lends it through Host::access(). Thread-safe.
class Access {
public:
    virtual ~Access() = default;
    virtual Dialer& dialer() = 0;
    virtual TokenSource& tokens() = 0;

    /// What a credential signs in with.
    enum class Kind { token, password };
    virtual plugin::Result<Kind> kind(std::string_view credential) const = 0;
    /// After a token endpoint has refused the client: tries once, for real, whether it would take the secret in another place (header or body), only
    /// to tell people. Answers what .authentication would then be; nothing: it would not, or there is no other place. At most 30 s for each place.
    virtual plugin::Task<std::optional<std::string>> otherPlacement(std::string credential, std::stop_token stop) {
        static_cast<void>(credential), static_cast<void>(stop);
        co_return std::nullopt;
    }
    struct Password {
        std::string username;  ///< "" = the mailbox's own user
        Secret password;
    };
    /// For grant user_password. Reads the secret's source: blocks for a file; call it through offload.
    virtual plugin::Result<Password> password(std::string_view credential) = 0;
    /// What a configuration value stands for (secret_source.h): the secret behind its source, read now, or the value itself. Blocks; call it through
    /// offload.
    virtual plugin::Result<Secret> secret(std::string_view written) = 0;
    /// What secret() reads with: the machine's files and environment, and what is sealed.
    virtual SecretReader& secrets() { throw std::logic_error("this access reads no secrets"); }
    /// Tokens for whoever asks by name, and the sign-in of persons.
    virtual login::Connector& connector() { throw std::logic_error("nobody signs in here"); }
    /// Where the service puts what browsers bring to its admin port; null: nowhere (AccessParts::lasting).
    virtual login::CallbackDesk* callbacks() { return nullptr; }
    /// Where grants with a refresh token are kept; null: nowhere (AccessParts::lasting).
    virtual GrantStore* grants() { return nullptr; }
    /// "${sealed:...}" of a secret, for the configuration, under this instance's key; with `mayMake` a missing one is made. Blocks. Errors:
    /// storeSealed, of the key's file or source.
    virtual plugin::Result<std::string> seal(const Secret& secret, bool mayMake) {
        static_cast<void>(secret), static_cast<void>(mayMake);
        return plugin::Error{plugin::Reaction::askOperator, plugin::Code::storeSealed, "nothing can be sealed here"};
    }
    /// Once an hour, from whoever tells administrators of what is wrong, one at a time: looks when secrets, certificates and sign-ins end, and tells
    /// of those that do so soon.
    virtual plugin::Task<void> lookAtDates() { co_return; }
    /// Those that lookAtDates() found to be near their end, or over. Cheap.
    virtual std::vector<Ending> endings() const { return {}; }
};

/// The keys of credentials, truststores, keystores and proxies, and what only their combination shows.
std::vector<plugin::Key> keys();
void check(const plugin::Configuration& configuration, std::vector<plugin::Problem>& problems);

/// What lasts beyond this process, for all that share a server.data. All outlive the Access.
struct Lasting {
    plugin::Database& database;  ///< migrated for auth (schema.h) before it is first used
    GrantLocks& locks;
    SealKeyFile& sealKey;
    bool notesAll = true;  ///< false: what came of token requests is noted for stored grants alone
};

/// All outlive the Access; the Access outlives the last turn of every loop it was used on.
/// When another snapshot comes into force, tokens of credentials that are what they were stay, the others are forgotten.
struct AccessParts {
    plugin::CurrentConfiguration configuration;
    plugin::Clock& clock;
    plugin::Random& random;
    plugin::Log& log;
    plugin::Metrics& metrics;
    Dialer* dialer = nullptr;         ///< instead of the real one (simulation)
    SecretReader* secrets = nullptr;  ///< instead of the machine's files and environment (simulation)
    Lasting* lasting = nullptr;       ///< null: no sealed secrets, no grants with a refresh token
    std::stop_token stop{};           ///< programs that give secrets are ended, but for the one that gives the key to seal what has to be kept
    std::stop_token stopKeeping{};    ///< that one as well
};
std::unique_ptr<Access> makeAccess(AccessParts parts);

}  // namespace auth
