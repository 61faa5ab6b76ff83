#pragma once

#include <algorithm>
#include <string>
#include <string_view>

/// Upper and lower case of A to Z, whatever the locale: for words of protocols, hosts, addresses, names of header fields. Other letters are as they
/// are.
namespace plugin {

constexpr char lowerCase(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

inline std::string lowerCase(std::string_view text) {
    std::string low(text);
    for (char& c : low) c = lowerCase(c);
    return low;
}

constexpr bool equalsIgnoreCase(std::string_view a, std::string_view b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lowerCase(x) == lowerCase(y); });
}

inline bool containsIgnoreCase(std::string_view text, std::string_view part) {
    return std::search(text.begin(), text.end(), part.begin(), part.end(), [](char x, char y) { return lowerCase(x) == lowerCase(y); }) != text.end();
}

}  // namespace plugin
