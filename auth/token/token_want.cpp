#include "auth/token/token_want.h"

#include "auth/settings_behind.h"
#include "auth/token/client_proof.h"
#include "auth/token/either_secret.h"
#include "auth/token/grant_parameters.h"

#include <utility>

namespace auth {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;

std::string behind(const plugin::Configuration& configuration, const std::string& credential) {
    return settingsBehind(configuration, "credential." + credential + ".");
}

Result<std::shared_ptr<const Want>> wantOf(const plugin::Configuration& configuration, const Identity& identity) {
    auto found = credential(configuration, identity.credential);
    if (!found) return std::move(found).error();
    if (found->grant == Grant::userPassword)
        return Error{Reaction::askOperator, Code::tokenCredentialIncomplete,
                     "credential " + identity.credential + " signs in with a password: it has no token"};
    auto want = std::make_shared<Want>();
    want->scopes = identity.scopes ? *identity.scopes : scopesFor(*found, identity.protocol);
    want->ownScopes = want->scopes == found->scopes;
    if (belongsToUser(*found)) want->user = identity.user;
    want->key = behind(configuration, found->name) + ' ' + found->name + ' ' + want->scopes + '\n' + want->user;
    want->endpoint = shownEndpoint(*found);
    want->second = withNextSecret(configuration, *found);
    want->credential = std::make_shared<const Credential>(std::move(*found));
    return std::shared_ptr<const Want>(std::move(want));
}

Result<std::shared_ptr<const Want>> Wants::of(const std::shared_ptr<const plugin::Configuration>& configuration, const Identity& identity) {
    const std::lock_guard lock(mutex_);
    if (from_ != configuration) known_.clear();
    from_ = configuration;
    Asked asked{identity.credential, identity.user, identity.scopes, identity.protocol};
    if (const auto known = known_.find(asked); known != known_.end()) return known->second;
    auto want = wantOf(*configuration, identity);
    if (want) known_.emplace(std::move(asked), *want);
    return want;
}

Stamps stampsOf(const Want& want, SecretReader& secrets) {
    Stamps stamps{stampOf(*want.credential, secrets)};
    if (want.second) stamps.push_back(stampOf(*want.second, secrets));
    if (want.credential->refreshToken) stamps.push_back(stampOf(*want.credential->refreshToken, secrets));
    return stamps;
}
bool anyStamp(const Want& want) {
    const auto& first = want.credential->refreshToken;
    return hasStamp(*want.credential) || (want.second && hasStamp(*want.second)) || (first && hasStamp(*first));
}

}  // namespace auth
