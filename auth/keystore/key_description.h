#pragma once

#include "auth/keystore/keystore.h"
#include "plugin/contract/clock.h"

#include <string>

namespace auth {

/// What people are told of a key: all of it is public.
struct KeyDescription {
    std::string alias;
    std::string subject, issuer;  ///< of its certificate (RFC 4514), UTF-8
    plugin::Wall begins, ends;    ///< of its certificate
    std::string type;             ///< "RSA 2048", "EC P-256"
    std::string sha1, sha256;     ///< of the certificate in DER, hexadecimal in upper case: what providers call its thumbprint
};
KeyDescription describe(const KeyEntry& entry);

/// -----BEGIN CERTIFICATE----- and so on, with the last line's end.
std::string pemOf(X509& certificate);

/// Digest of the certificate in DER.
std::string digestOf(X509& certificate, const EVP_MD* algorithm);

}  // namespace auth
