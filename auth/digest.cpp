#include "auth/digest.h"

#include "plugin/contract/text.h"

#include <openssl/evp.h>

#include <stdexcept>

namespace auth {

std::array<std::uint8_t, 32> sha256(std::string_view bytes) {
    std::array<std::uint8_t, 32> digest{};
    if (EVP_Digest(bytes.data(), bytes.size(), digest.data(), nullptr, EVP_sha256(), nullptr) != 1)
        throw std::runtime_error("OpenSSL cannot make a digest");
    return digest;
}

std::string sha256Text(std::string_view bytes) { return plugin::hexText(sha256(bytes)); }

}  // namespace auth
