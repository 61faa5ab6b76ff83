#pragma once

#include "auth/secret_source.h"
#include "auth/token/credential.h"
#include "auth/token/grant_locks.h"
#include "auth/token/grant_store.h"
#include "auth/token/token_endpoint.h"
#include "plugin/contract/clock.h"
#include "plugin/contract/task.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace auth {

/// What somebody wants of a stored grant.
struct StoredWish {
    std::shared_ptr<const Credential> credential;
    std::string scopes;                         ///< of the refresh; "": none are sent
    bool ownScopes = true;                      ///< these are the credential's own
    std::int64_t known = 0;                     ///< the version whose access token is not wanted any more, because it ends soon
    std::shared_ptr<const Secret> refused{};    ///< an access token that is not wanted any more, whatever its version; null: none
    std::optional<std::string> holdsTokenOf{};  ///< the account of the token that whoever asks has, as long as it serves well
};

/// What the store, or the token endpoint, made of it.
struct StoredAnswer {
    TokenExchange exchange;                ///< a token: read from the store, or new and durably stored; or why there is none
    std::int64_t version = 0;              ///< of the store, as this answer knows it; 0: not known, or nothing is stored
    bool renewable = true;                 ///< false: there is no refresh token
    std::string account{};                 ///< who signed in
    std::optional<TokenExchange> spare{};  ///< beside a failure: the stored token, which ends soon
    bool nothing = false;                  ///< a failure because nothing of use is stored
    bool keepYours = false;                ///< what has changed in the store is of no concern to the token you have
};

/// Turns stored grants into access tokens. Thread-safe. What it was made of outlives it and its tasks.
///
/// Of all threads and processes that share a store one refreshes at a time: each takes the grant's lock, then reads the store again, and asks only
/// if nobody else has meanwhile. What comes is stored durably, under the version that was read, before anybody uses it. No transaction is open while
/// the endpoint is asked. A process that dies after the endpoint has answered and before that is stored loses a rotated refresh token: nothing can
/// be done, somebody has to sign in again. One whose store fails keeps what came, and the lock, and stores it before it asks again.
class StoredTokens {
public:
    struct Parts {
        GrantStore& store;
        GrantLocks& locks;
        SecretReader& secrets;
        plugin::Clock& clock;
    };
    /// One refresh with this token, with either client secret.
    using Ask = std::function<plugin::Task<TokenExchange>(std::shared_ptr<const Secret> refreshToken)>;

    explicit StoredTokens(Parts parts) : parts_(parts) {}

    /// Errors: of the endpoint; of the store and its key; askOperator tokenSignInNeeded: nobody has signed in, the access token has ended and there
    /// is no refresh token, or the refresh token is not taken any more (invalid_grant): that one is not tried again by this process. With grant
    /// refresh_token the last is tokenRequestRefused. retryLater storeChanged: somebody else is at it.
    plugin::Task<StoredAnswer> renew(StoredWish wish, Ask ask);

    /// What came in place of a refresh token and could not be stored: tried once more, behind whoever is at it. Answers what still cannot, and why.
    plugin::Task<std::vector<plugin::Error>> keepRest();
    /// Something that could not be stored before is on its way to the store.
    bool isSaving();

private:
    struct Seen;
    class Saving;
    struct Unsaved {
        StoredGrant grant;
        std::int64_t expected;
        std::unique_ptr<GrantLocks::Held> lock;
        bool busy;  ///< on its way to the store
    };
    using Lock = std::unique_ptr<GrantLocks::Held>;

    std::optional<std::pair<StoredGrant, std::int64_t>> beginSaving(const std::string& credential, bool& busy);
    plugin::Task<plugin::Result<void>> saveUnsaved(std::string credential);
    plugin::Task<plugin::Result<Seen>> look(std::shared_ptr<const Credential> credential);
    std::optional<StoredAnswer> decide(const Seen& seen, const StoredWish& wish, std::optional<TokenExchange>& spare);
    plugin::Task<plugin::Result<Lock>> take(std::string credential);
    plugin::Task<StoredAnswer> keep(StoredWish wish, std::shared_ptr<const Seen> seen, TokenExchange exchange, Lock lock);
    plugin::Task<StoredAnswer> ended(StoredWish wish, std::shared_ptr<const Seen> seen, TokenExchange exchange);
    StoredAnswer failed(plugin::Error error) const;
    TokenExchange fromStore(const StoredGrant& grant) const;
    bool isDead(const Seen& seen, const std::string& credential);

    Parts parts_;
    std::mutex mutex_{};
    std::map<std::string, Unsaved> unsaved_{};   // by credential
    std::map<std::string, std::string> dead_{};  // by credential: the version and fingerprint whose refresh token was refused
};

}  // namespace auth
