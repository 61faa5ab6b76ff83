#pragma once

#include "auth/secret.h"
#include "plugin/contract/clock.h"
#include "plugin/contract/result.h"
#include "plugin/contract/task.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace plugin {
class Database;
}

namespace auth {

class Sealer;

/// What a person's consent left behind, under one name: shared by all processes that use this server.data.
struct StoredGrant {
    std::string credential;
    std::int64_t version = 0;  ///< 0: not stored yet; counts every change
    std::string fingerprint;   ///< of what it was got with (token endpoint, client id): another one means it is of no use
    std::string by;            ///< the grant that got it: authorization_code, device_code, refresh_token
    Secret refreshToken{};     ///< empty: the provider gave none
    Secret accessToken{};      ///< empty: none that is of use
    std::string tokenType{};
    std::string askedScopes{};    ///< what the access token was asked with; "": the credential's own
    std::string grantedScopes{};  ///< as the server said; "": it did not say
    plugin::Wall obtainedAt{};
    std::optional<plugin::Wall> expiresAt{};  ///< of the access token; none: the server did not say
    std::string account{};                    ///< who signed in, as far as the token says; ""
};

/// Thread-safe. Over the host's database; both tokens sealed (AES-256-GCM), bound to the credential's name. Errors: 7xxx of the store;
/// storeSealed (askOperator) where the seal key is missing or is another one: then nothing is overwritten.
class GrantStore {
public:
    virtual ~GrantStore() = default;
    virtual plugin::Task<plugin::Result<std::optional<StoredGrant>>> find(std::string credential) = 0;
    /// In one transaction, durable when answered; only if the stored version is still `expected` (0: none), else retryLater storeChanged.
    /// Answers the new version: larger than any this name has had, also before forget().
    virtual plugin::Task<plugin::Result<std::int64_t>> keep(StoredGrant grant, std::int64_t expected) = 0;
    virtual plugin::Task<plugin::Result<void>> forget(std::string credential) = 0;
    /// Whether keep() would find its key: asked before something is spent that cannot be had again. A missing key is made, where one may be.
    virtual plugin::Task<plugin::Result<void>> canKeep(std::string credential);
    /// The stored version alone, 0 before the first keep(); it grows with keep() and forget(). Needs no key.
    virtual plugin::Task<plugin::Result<std::int64_t>> version(std::string credential);
    /// Whether anything stored is sealed: then a missing key is lost, not yet to be made.
    virtual plugin::Task<plugin::Result<bool>> holdsSealed();
};

/// `database`: migrated for owner "auth" (schema.h). Both outlive the store.
std::unique_ptr<GrantStore> makeGrantStore(plugin::Database& database, Sealer& sealer);

struct Credential;
/// What a grant of this credential depends on: its token endpoint and client id. SHA-256, hexadecimal.
std::string grantFingerprint(const Credential& credential);

}  // namespace auth
