#pragma once

#include "plugin/contract/clock.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <string>
#include <string_view>
#include <vector>

namespace simulation {

/// Of the environment.
inline std::uint64_t setting(const char* name, std::uint64_t otherwise) {
    const char* text = std::getenv(name);
    return text == nullptr ? otherwise : std::stoull(text);
}

inline std::vector<std::string> split(std::string_view text, char separator) {
    std::vector<std::string> pieces;
    for (std::size_t from = 0; from <= text.size();) {
        const auto to = std::min(text.find(separator, from), text.size());
        pieces.emplace_back(text.substr(from, to - from));
        from = to + 1;
    }
    return pieces;
}

/// "2026-11-22T08:15:00Z"
inline std::string utc(plugin::Wall moment) {
    const auto seconds = std::chrono::system_clock::to_time_t(moment);
    std::tm parts{};
    ::gmtime_r(&seconds, &parts);
    char text[32];
    return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

inline std::string upper(std::string text) {
    std::transform(text.begin(), text.end(), text.begin(), [](char c) { return static_cast<char>(std::toupper(static_cast<unsigned char>(c))); });
    return text;
}

template <class Strings>
std::string joined(const Strings& strings, std::string_view between) {
    std::string all;
    for (const auto& each : strings) all.append(all.empty() ? "" : between).append(each);
    return all;
}

/// The words of an IMAP command: atoms, "quoted" and literal strings without their marks, (lists) and [sections] whole.
inline std::vector<std::string> imapWords(std::string_view line) {
    std::vector<std::string> words;
    std::size_t at = 0;
    while (at < line.size()) {
        if (line[at] == ' ') {
            ++at;
            continue;
        }
        std::string word;
        if (line[at] == '"') {
            for (++at; at < line.size() && line[at] != '"'; ++at) {
                if (line[at] == '\\') ++at;
                if (at < line.size()) word += line[at];
            }
            ++at;
        } else if (line[at] == '{') {
            std::size_t size = 0;
            for (++at; at < line.size() && std::isdigit(static_cast<unsigned char>(line[at])); ++at)
                size = size * 10 + static_cast<std::size_t>(line[at] - '0');
            at = line.find("\r\n", at) + 2;
            word = line.substr(at, size);
            at += size;
        } else {
            for (int depth = 0; at < line.size() && (depth > 0 || line[at] != ' '); ++at) {
                depth += line[at] == '(' || line[at] == '[' ? 1 : line[at] == ')' || line[at] == ']' ? -1 : 0;
                word += line[at];
            }
        }
        words.push_back(std::move(word));
    }
    return words;
}

inline std::string fromBase64(std::string_view text) {
    static constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string bytes;
    std::uint32_t gathered = 0;
    int bits = 0;
    for (const char c : text) {
        const auto value = digits.find(c);
        if (value == std::string_view::npos) break;
        gathered = gathered << 6 | static_cast<std::uint32_t>(value);
        bits += 6;
        if (bits >= 8) bytes += static_cast<char>(gathered >> (bits -= 8) & 0xff);
    }
    return bytes;
}

}  // namespace simulation
