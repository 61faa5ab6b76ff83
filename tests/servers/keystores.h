#pragma once

#include "tests/servers/certificates.h"

#include <string>
#include <vector>

namespace servers {

/// A key and a certificate as they are put into a PKCS#12 file.
struct Pkcs12Part {
    std::string alias{};       ///< friendlyName of the key; "": none
    const Certificate* key{};  ///< null: only certificates
    std::vector<Certificate> certificates{};
    bool marked = true;  ///< the key and its first certificate have a localKeyID
};
struct Pkcs12Options {
    std::string keyPassword{};  ///< "": that of the file
    bool legacy = false;        ///< certificates encrypted with RC2, as OpenSSL 1 and old Java did
    bool authenticated = true;  ///< has a MAC
};
std::string pkcs12(const std::vector<Pkcs12Part>& parts, const std::string& password, const Pkcs12Options& options = {});

/// The key in PEM, encrypted with the password: PKCS#8, or the older form with Proc-Type and DEK-Info.
std::string encryptedKeyPem(const Certificate& certificate, const std::string& password, bool older = false);

}  // namespace servers
