#include "listener/ews/reference_filter.h"

#include <cstdint>

namespace listener::ews {

namespace {

constexpr std::string_view replacement = "\xef\xbf\xbd";

int digitOf(char c, bool hex) {
    if (c >= '0' && c <= '9') return c - '0';
    if (hex && c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (hex && c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/// "&#…", and perhaps the beginning of it.
bool mayBegin(std::string_view text) {
    if (text.size() > 1 && text[1] != '#') return false;
    const bool hex = text.size() > 2 && text[2] == 'x';
    for (std::size_t i = hex ? 3 : 2; i < text.size(); ++i)
        if (digitOf(text[i], hex) < 0) return false;
    return true;
}

/// XML 1.0, production 2.
bool isCharacter(std::uint32_t value) {
    return value == 0x9 || value == 0xa || value == 0xd || (value >= 0x20 && value <= 0xd7ff) || (value >= 0xe000 && value <= 0xfffd) ||
           (value >= 0x10000 && value <= 0x10ffff);
}

/// "&#x1f;" or "&#31;" without the semicolon: does it stand for a character XML has? A reference without digits is left to the parser.
bool isAllowed(std::string_view reference) {
    const bool hex = reference.size() > 2 && reference[2] == 'x';
    const auto digits = reference.substr(hex ? 3 : 2);
    std::uint32_t value = 0;
    for (const char c : digits) {
        value = value * (hex ? 16 : 10) + static_cast<std::uint32_t>(digitOf(c, hex));
        if (value > 0x10ffff) return false;
    }
    return digits.empty() || isCharacter(value);
}

}  // namespace

void ReferenceFilter::feed(std::string_view input, std::string& out) {
    while (!input.empty()) {
        if (held_.empty()) {
            const auto begin = input.find('&');
            out.append(input.substr(0, begin));
            if (begin == std::string_view::npos) return;
            held_.assign(1, '&');
            input.remove_prefix(begin + 1);
            continue;
        }
        const char next = input.front();
        if (next == ';') {
            const bool replaced = held_.size() > 2 && !isAllowed(held_);
            out.append(replaced ? replacement : held_);
            held_.clear();
            if (replaced) input.remove_prefix(1);
            continue;  // else the semicolon is passed on with what follows
        }
        held_ += next;
        if (mayBegin(held_) && held_.size() < longest) {
            input.remove_prefix(1);
            continue;
        }
        held_.pop_back();
        out.append(held_);
        held_.clear();
        if (next != '&') {
            out += next;
            input.remove_prefix(1);
        }
    }
}

void ReferenceFilter::finish(std::string& out) {
    out.append(held_);
    held_.clear();
}

}  // namespace listener::ews
