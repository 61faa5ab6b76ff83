#include "listener/ews/base64_reader.h"

#include <algorithm>
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

/// Whole groups of four, as nearly everything is. Answers how many letters they were: it stops before what is anything else.
std::size_t Base64Reader::takeGroups(std::string_view text, std::string& out) const {
    std::array<char, 3 * 1024> octets;
    const auto most = std::min(text.size() / 4, octets.size() / 3);
    std::size_t groups = 0;
    const auto valueOf = [&text](std::size_t at) { return std::uint32_t{values[static_cast<unsigned char>(text[at])]}; };
    for (; groups < most; ++groups) {
        const auto a = valueOf(4 * groups), b = valueOf(4 * groups + 1), c = valueOf(4 * groups + 2), d = valueOf(4 * groups + 3);
        if ((a | b | c | d) > 63) break;
        const auto bits = a << 18 | b << 12 | c << 6 | d;
        octets[3 * groups] = static_cast<char>(bits >> 16);
        octets[3 * groups + 1] = static_cast<char>(bits >> 8 & 0xff);
        octets[3 * groups + 2] = static_cast<char>(bits & 0xff);
    }
    out.append(octets.data(), 3 * groups);
    return 4 * groups;
}

bool Base64Reader::take(char c, std::string& out) {
    const auto value = values[static_cast<unsigned char>(c)];
    if (value == blank) return true;
    const bool misplaced = value == pad ? count_ < 2 : padding_ > 0;
    if (broken_ || value == none || ended_ || misplaced) return !(broken_ = true);
    if (value == pad) ++padding_;
    bits_ = bits_ << 6 | (value == pad ? 0U : value);
    if (++count_ < 4) return true;
    const char octets[] = {static_cast<char>(bits_ >> 16 & 0xff), static_cast<char>(bits_ >> 8 & 0xff), static_cast<char>(bits_ & 0xff)};
    out.append(octets, 3 - padding_);
    ended_ = padding_ > 0;
    bits_ = count_ = padding_ = 0;
    return true;
}

bool Base64Reader::feed(std::string_view text, std::string& out) {
    while (!text.empty()) {
        const bool between = count_ == 0 && !ended_ && !broken_;
        if (const auto taken = between ? takeGroups(text, out) : 0; taken > 0) {
            text.remove_prefix(taken);
            continue;
        }
        if (!take(text.front(), out)) return false;
        text.remove_prefix(1);
    }
    return !broken_;
}

}  // namespace listener::ews
