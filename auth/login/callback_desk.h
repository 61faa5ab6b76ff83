#pragma once

#include "auth/secret.h"
#include "plugin/contract/clock.h"
#include "plugin/contract/configuration.h"
#include "plugin/contract/result.h"
#include "plugin/contract/task.h"

#include <optional>
#include <string>

namespace plugin {
class Database;
}

namespace auth {
class GrantStore;
class Sealer;
}  // namespace auth

namespace auth::login {

/// The redirect URI of sign-ins that end at the service's admin port: <admin.public_url>/oauth-callback. "": there is no admin.public_url.
std::string callbackUri(const plugin::Configuration& configuration);

/// Where the answer to a sign-in, which a browser brings to the service, waits for the process that asked for it (`postern login`). They share the
/// database: of the state a hash is there, the answer is sealed. Each is taken once, until its sign-in's time is over. Thread-safe; what it was made
/// of outlives it and its tasks. Errors: 7xxx of the store; storeSealed.
class CallbackDesk {
public:
    struct Parts {
        plugin::Database& database;  ///< migrated for auth (schema.h)
        Sealer& sealer;
        GrantStore& grants;  ///< says whether a missing key is lost, or yet to be made
        plugin::Clock& clock;
    };
    static constexpr int mostAtATime = 100;

    explicit CallbackDesk(Parts parts) : parts_(parts) {}

    /// From now on one answer with this state is taken, until `until`. Clears away those nobody waits for any more.
    /// Error retryLater tokenSignInAbandoned: there are mostAtATime already.
    plugin::Task<plugin::Result<void>> expect(std::string state, plugin::Wall until);
    /// The query of the answer, if it has come.
    plugin::Task<plugin::Result<std::optional<Secret>>> look(std::string state);
    /// What nobody waits for any more, answered or not, is gone; so it is with whatever is taken.
    plugin::Task<plugin::Result<void>> clearAway();
    plugin::Task<plugin::Result<void>> forget(std::string state);

    /// What a browser has brought, as it stands behind the "?". True: a sign-in waits for it and had none yet; it is durable. What fits nothing costs
    /// one look into the store, and changes nothing.
    plugin::Task<plugin::Result<bool>> bring(Secret query);

private:
    Parts parts_;
};

}  // namespace auth::login
