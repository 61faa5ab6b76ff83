#pragma once

#include <openssl/evp.h>

#include <stdexcept>
#include <string>
#include <string_view>

namespace servers {

/// Hexadecimal, lower case. Any thread.
inline std::string sha256(std::string_view bytes) {
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (EVP_Digest(bytes.data(), bytes.size(), digest, &size, EVP_sha256(), nullptr) != 1) throw std::runtime_error("no SHA-256");
    std::string text;
    for (unsigned index = 0; index < size; ++index) text += {"0123456789abcdef"[digest[index] >> 4], "0123456789abcdef"[digest[index] & 15]};
    return text;
}

}  // namespace servers
