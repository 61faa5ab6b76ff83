#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace servers {

/// Base64 for servers and tests, of which none uses that of auth/sasl: it is among what they test.
namespace base64_details {
constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

inline std::string encoded(std::string_view bytes, std::string_view last) {
    std::string text;
    std::uint32_t gathered = 0;
    int bits = 0;
    const auto put = [&](std::uint32_t six) { text += six < letters.size() ? letters[six] : last[six - letters.size()]; };
    for (const char byte : bytes) {
        gathered = (gathered << 8 | static_cast<unsigned char>(byte)) & 0xffff;
        for (bits += 8; bits >= 6; bits -= 6) put(gathered >> (bits - 6) & 63);
    }
    if (bits > 0) put(gathered << (6 - bits) & 63);
    return text;
}

inline std::string decoded(std::string_view text, std::string_view last) {
    std::string bytes;
    std::uint32_t gathered = 0;
    int bits = 0;
    for (const char c : text) {
        auto value = letters.find(c);
        if (value == std::string_view::npos && last.find(c) != std::string_view::npos) value = letters.size() + last.find(c);
        if (value == std::string_view::npos) throw std::runtime_error("not Base64: " + std::string(text));
        gathered = (gathered << 6 | static_cast<std::uint32_t>(value)) & 0xffff;
        bits += 6;
        if (bits >= 8) bytes += static_cast<char>(gathered >> (bits -= 8) & 0xff);
    }
    return bytes;
}
}  // namespace base64_details

/// RFC 4648 section 4, in one line.
inline std::string base64(std::string_view bytes) {
    auto text = base64_details::encoded(bytes, "+/");
    text.append((4 - text.size() % 4) % 4, '=');
    return text;
}
/// Section 5, without padding, as in a JWT.
inline std::string base64Url(std::string_view bytes) { return base64_details::encoded(bytes, "-_"); }

/// Throw std::runtime_error for what is none.
inline std::string fromBase64(std::string_view text) {
    if (text.size() % 4 != 0) throw std::runtime_error("not Base64: " + std::string(text));
    for (int padding = 0; padding < 2 && text.ends_with('='); ++padding) text.remove_suffix(1);
    return base64_details::decoded(text, "+/");
}
inline std::string fromBase64Url(std::string_view text) { return base64_details::decoded(text, "-_"); }

}  // namespace servers
