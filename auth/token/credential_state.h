#pragma once

#include "auth/diagnosis/diagnosis.h"
#include "auth/endings.h"
#include "auth/token/token_history.h"
#include "plugin/contract/configuration.h"

#include <optional>
#include <string>
#include <vector>

namespace auth {

/// How a token request ended and, where it failed, the most likely cause and how it is mended, as far as one is known.
struct DiagnosedResult : TokenResult {
    std::optional<auth::diagnosis::Diagnosis> diagnosis{};
};

/// Something without which the credential is good no more, and when it ends.
struct KnownEnding : Ending {
    std::optional<int> stage{};  ///< stageOf()
};

/// What is to be seen of one credential: what the configuration says, what is stored, how its last requests ended. No secret, and no key is needed.
struct CredentialState {
    std::string name;
    std::string grant;                         ///< as configured
    std::string account{};                     ///< who signed in, as far as is known; ""
    std::string obtainedBy{};                  ///< the grant that got what is in use; "": nothing has been got yet
    std::optional<plugin::Wall> obtainedAt{};  ///< of the access token, as its expiresAt
    std::optional<plugin::Wall> expiresAt{};
    std::optional<bool> refreshToken{};  ///< whether there is one; nothing: not known yet
    std::string askedScopes{};
    std::string grantedScopes{};             ///< "": as asked
    std::string secretExpires{};             ///< as written
    std::vector<KnownEnding> endings{};      ///< of its secret, of the sign-in that is stored; certificates: those of its keystore
    bool secondSecret = false;               ///< client_secret_next is in use
    std::vector<DiagnosedResult> results{};  ///< the last first
};

/// Whether the provider granted other scopes than were asked for; their order does not count.
bool scopesDiffer(const std::string& asked, const std::string& granted);

/// Of all credentials of the configuration, or of one. The database is migrated for auth; null: there is none yet. Errors: 7xxx,
/// configUnknownReference for a name that is not configured.
plugin::Task<plugin::Result<std::vector<CredentialState>>> credentialStates(std::shared_ptr<const plugin::Configuration> configuration,
                                                                            plugin::Database* database, std::string name, plugin::Wall now);

}  // namespace auth
