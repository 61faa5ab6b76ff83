#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <vector>

namespace servers {

/// A certificate and its key, made in memory. Copies share both.
struct Certificate {
    std::shared_ptr<X509> certificate;
    std::shared_ptr<EVP_PKEY> key;
    std::string pem() const;     ///< of the certificate
    std::string keyPem() const;  ///< of the key, not encrypted
};

struct CertificateRequest {
    std::string commonName;
    std::vector<std::string> names{};      ///< subjectAltName, DNS
    std::vector<std::string> addresses{};  ///< subjectAltName, IP
    long beginsInSeconds = -3600;
    long endsInSeconds = 30L * 86400;
    bool authority = false;
    bool rsa = false;  ///< a key of 2048 bits; else P-256
};

/// Signed by `issuer`, or by itself.
Certificate makeCertificate(const CertificateRequest& request, const Certificate* issuer = nullptr);

}  // namespace servers
