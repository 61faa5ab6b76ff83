#pragma once

#include "plugin/contract/clock.h"
#include "plugin/contract/database.h"
#include "plugin/contract/result.h"
#include "plugin/contract/task.h"

#include <optional>
#include <string>
#include <vector>

namespace auth {

/// How one token request ended, for people and for other processes. No secret is in it.
struct TokenResult {
    std::string credential;
    plugin::Wall at;
    std::string by;                           ///< the grant that was asked with: client_credentials, refresh_token ...
    unsigned code = 0;                        ///< 0: a token came; else the number behind "PO-"
    std::string cause{};                      ///< of a failure; at most 400 octets are kept
    std::string askedScopes{};                ///< "": none were sent
    std::string grantedScopes{};              ///< "": as asked (RFC 6749 5.1)
    std::optional<plugin::Wall> expiresAt{};  ///< of the token that came
    bool refreshToken = false;                ///< one came, or there was one before
    bool secondSecret = false;                ///< client_secret_next was the one that was taken
};

inline constexpr int keptResults = 20;  ///< for each credential

/// Durable when answered. The database is migrated for auth. Errors: 7xxx.
plugin::Task<plugin::Result<void>> noteResult(plugin::Database& database, TokenResult result);
/// The last first. "": of all credentials, by name.
plugin::Task<plugin::Result<std::vector<TokenResult>>> resultsOf(plugin::Database& database, std::string credential);

}  // namespace auth
