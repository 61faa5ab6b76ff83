#pragma once

#include "auth/token/credential.h"
#include "auth/token/token_endpoint.h"
#include "auth/token/token_source.h"

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

namespace auth {

/// What one request asks for. Two with the same key share their token.
struct Want {
    std::shared_ptr<const Credential> credential;
    std::shared_ptr<const Credential> second;  ///< the same with client_secret_next; null: it has none
    std::string scopes;
    bool ownScopes = true;
    std::string user{};    ///< "" where the grant does not depend on it
    std::string key;       ///< begins with the fingerprint of the settings it comes from
    std::string endpoint;  ///< for people
};

/// Errors askOperator: of credential(); tokenCredentialIncomplete for one that signs in with a password.
plugin::Result<std::shared_ptr<const Want>> wantOf(const plugin::Configuration& configuration, const Identity& identity);
/// Answers wantOf(), and reads the settings again only when the snapshot is another one. Thread-safe.
class Wants {
public:
    plugin::Result<std::shared_ptr<const Want>> of(const std::shared_ptr<const plugin::Configuration>& configuration, const Identity& identity);

private:
    using Asked = std::tuple<std::string, std::string, std::optional<std::string>, std::string>;  ///< all of an Identity
    std::mutex mutex_{};
    std::shared_ptr<const plugin::Configuration> from_{};
    std::map<Asked, std::shared_ptr<const Want>> known_{};
};
/// The fingerprint of the settings behind a credential: with what keys begin.
std::string behind(const plugin::Configuration& configuration, const std::string& credential);

/// Of the files secrets come from: they decide whether another try is worth while.
using Stamps = std::vector<Stamp>;
Stamps stampsOf(const Want& want, SecretReader& secrets);  ///< blocks
bool anyStamp(const Want& want);                           ///< whether there is such a file

}  // namespace auth
