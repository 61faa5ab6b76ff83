#include "listener/ews/base64_reader.h"

#include <array>

namespace listener::ews {

namespace {

constexpr std::uint8_t blank = 0xfd, pad = 0xfe, none = 0xff;

constexpr auto values = [] {
    std::array<std::uint8_t, 256> table{};
    table.fill(none);
    constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (std::size_t i = 0; i < alphabet.size(); ++i) table[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
    for (const char c : {' ', '\t', '\r', '\n'}) table[static_cast<unsigned char>(c)] = blank;
    table['='] = pad;
    return table;
}();

}  // namespace

bool Base64Reader::feed(std::string_view text, std::string& out) {
    for (const char c : text) {
        const auto value = values[static_cast<unsigned char>(c)];
        if (value == blank) continue;
        const bool misplaced = value == pad ? count_ < 2 : padding_ > 0;
        if (broken_ || value == none || ended_ || misplaced) return !(broken_ = true);
        if (value == pad) ++padding_;
        bits_ = bits_ << 6 | (value == pad ? 0U : value);
        if (++count_ < 4) continue;
        const char octets[] = {static_cast<char>(bits_ >> 16 & 0xff), static_cast<char>(bits_ >> 8 & 0xff), static_cast<char>(bits_ & 0xff)};
        out.append(octets, 3 - padding_);
        ended_ = padding_ > 0;
        bits_ = count_ = padding_ = 0;
    }
    return !broken_;
}

}  // namespace listener::ews
