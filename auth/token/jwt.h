#pragma once

#include "auth/keystore/keystore.h"
#include "auth/secret.h"
#include "plugin/contract/clock.h"
#include "plugin/contract/result.h"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace auth {

/// RFC 7518 section 3.1, all with SHA-256.
enum class JwtAlgorithm {
    rs256,  ///< RSASSA-PKCS1-v1_5 (section 3.3)
    ps256,  ///< RSASSA-PSS, MGF1, salt of 32 octets (section 3.5)
    es256,  ///< ECDSA over P-256, r and s of 32 octets each (section 3.4)
};
std::string_view nameOf(JwtAlgorithm algorithm);                           ///< "RS256"
std::optional<JwtAlgorithm> jwtAlgorithmCalled(std::string_view name);     ///< nothing: none of these
JwtAlgorithm usualAlgorithm(EVP_PKEY& key, JwtAlgorithm ofRsa);            ///< `ofRsa` for RSA keys, ES256 for all others
std::optional<std::string> misfit(EVP_PKEY& key, JwtAlgorithm algorithm);  ///< why such a key cannot sign so; nothing: it can

/// What signs, and what the header says of it.
struct JwtKey {
    std::shared_ptr<EVP_PKEY> key;
    JwtAlgorithm algorithm = JwtAlgorithm::rs256;
    std::string keyId{};                  ///< "kid"; "": none
    std::shared_ptr<X509> certificate{};  ///< for "x5t", "x5t#S256" and, with those above it, "x5c"; null: none of them
    Certificates chain{};
};

/// Registered claims (RFC 7519 section 4.1). Empty texts are left out.
struct JwtClaims {
    std::string issuer, subject, audience;
    std::string id;                                           ///< "jti"
    plugin::Wall issuedAt;                                    ///< "iat" and "nbf"
    std::chrono::seconds life{};                              ///< until "exp"
    std::vector<std::pair<std::string, std::string>> more{};  ///< strings; none of the names above
};

/// The compact form of a signed JWT (RFC 7515 section 7.1). Until it ends it is worth a secret.
/// Errors askOperator configConflict: the key cannot sign so. Pure but for the chance in PS256 and ES256, which OpenSSL takes itself; blocks for a
/// signature's time.
plugin::Result<Secret> signedJwt(const JwtKey& key, const JwtClaims& claims);

/// A new "jti": a UUID of version 4 (RFC 9562 section 5.4).
std::string newJwtId(plugin::Random& random);

}  // namespace auth
