#pragma once

#include <Poco/JSON/Object.h>

#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <vector>

/// An opinion of its own about JWTs: Poco's JSON and Base64, and OpenSSL's verification.
struct ReadJwt {
    Poco::JSON::Object::Ptr header, claims;
    std::string input, signature;  ///< what was signed, and the signature's octets

    std::string head(const std::string& name) const { return header->optValue<std::string>(name, ""); }
    std::string claim(const std::string& name) const { return claims->optValue<std::string>(name, ""); }
    long number(const std::string& name) const { return claims->getValue<long>(name); }
    /// By "alg", as RFC 7518 has it: RS256; PS256 with a salt of exactly 32 octets; ES256 of exactly 64.
    bool signedBy(EVP_PKEY* key) const;
    /// The certificates of "x5c".
    std::vector<std::shared_ptr<X509>> chain() const;
};

/// Throws std::runtime_error, or what Poco throws, where it is no JWT of three parts in Base64 for URLs without padding.
ReadJwt readJwt(const std::string& text);
