#pragma once

#include <string>
#include <string_view>

namespace plugin {

/// "%2F" (RFC 3986 section 2.1).
inline std::string percentOctet(char c) {
    static constexpr std::string_view digits = "0123456789ABCDEF";
    const auto octet = static_cast<unsigned char>(c);
    return {'%', digits[octet >> 4], digits[octet & 15]};
}

}  // namespace plugin
