#include "listener/graph/values.h"

#include <algorithm>
#include <charconv>

namespace listener::graph {

namespace {

/// A number of exactly so many digits at the beginning, taken off.
std::optional<int> takeDigits(std::string_view& text, std::size_t count) {
    int number = 0;
    if (text.size() < count || text.substr(0, count).find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
    std::from_chars(text.data(), text.data() + count, number);
    text.remove_prefix(count);
    return number;
}

bool take(std::string_view& text, std::string_view characters) {
    if (text.empty() || characters.find(text.front()) == std::string_view::npos) return false;
    text.remove_prefix(1);
    return true;
}

std::optional<std::chrono::seconds> takeOffset(std::string_view& text) {
    if (take(text, "Zz")) return std::chrono::seconds{0};
    const bool behind = text.starts_with('-');
    if (!take(text, "+-")) return std::nullopt;
    const auto hours = takeDigits(text, 2);
    if (!hours || !take(text, ":")) return std::nullopt;
    const auto minutes = takeDigits(text, 2);
    if (!minutes || *hours > 23 || *minutes > 59) return std::nullopt;
    const auto offset = std::chrono::hours{*hours} + std::chrono::minutes{*minutes};
    return behind ? -offset : offset;
}

}  // namespace

bool equalsIgnoreCase(std::string_view a, std::string_view b) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&lower](char left, char right) { return lower(left) == lower(right); });
}

std::string percentEncoded(std::string_view text) {
    static constexpr std::string_view plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~", hex = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        const auto octet = static_cast<unsigned char>(c);
        if (plain.find(c) != std::string_view::npos)
            out += c;
        else
            out.append({'%', hex[octet >> 4], hex[octet & 15]});
    }
    return out;
}

std::optional<std::chrono::sys_seconds> parseDateTime(std::string_view text) {
    const auto year = takeDigits(text, 4);
    if (!year || !take(text, "-")) return std::nullopt;
    const auto month = takeDigits(text, 2);
    if (!month || !take(text, "-")) return std::nullopt;
    const auto day = takeDigits(text, 2);
    if (!day || !take(text, "Tt ")) return std::nullopt;
    const auto hour = takeDigits(text, 2);
    if (!hour || !take(text, ":")) return std::nullopt;
    const auto minute = takeDigits(text, 2);
    if (!minute || !take(text, ":")) return std::nullopt;
    const auto second = takeDigits(text, 2);
    if (!second) return std::nullopt;
    if (take(text, ".")) {
        const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
        if (digits == 0) return std::nullopt;
        text.remove_prefix(digits);
    }
    const auto offset = takeOffset(text);
    const std::chrono::year_month_day date{std::chrono::year{*year}, std::chrono::month{static_cast<unsigned>(*month)},
                                           std::chrono::day{static_cast<unsigned>(*day)}};
    if (!offset || !text.empty() || !date.ok() || *year < 1601 || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
    return std::chrono::sys_days{date} + std::chrono::hours{*hour} + std::chrono::minutes{*minute} + std::chrono::seconds{*second} - *offset;
}

std::vector<std::string> levelsOf(std::string_view path) {
    std::vector<std::string> levels{""};
    for (std::size_t i = 0; i < path.size(); ++i) {
        if (path[i] != '/') {
            levels.back() += path[i];
        } else if (path.substr(i + 1).starts_with('/')) {
            levels.back() += '/';
            ++i;
        } else {
            levels.emplace_back();
        }
    }
    if (std::any_of(levels.begin(), levels.end(), [](const auto& level) { return level.empty(); })) return {};
    return levels;
}

std::string asLevel(std::string_view name) {
    std::string level;
    for (const char c : name) level.append(c == '/' ? 2 : 1, c);
    return level;
}

bool fitsPattern(std::string_view path, std::string_view pattern) {
    std::vector<bool> fits(path.size() + 1);  // the first so many octets, and the pattern as far as it has been looked at
    fits[0] = true;
    for (const char wanted : pattern) {
        if (wanted == '*' || wanted == '%') {
            for (std::size_t i = 0; i < path.size(); ++i)
                if (fits[i] && (wanted == '*' || path[i] != '/')) fits[i + 1] = true;
            continue;
        }
        for (std::size_t i = path.size(); i > 0; --i) fits[i] = fits[i - 1] && path[i - 1] == wanted;
        fits[0] = false;
    }
    return fits[path.size()];
}

}  // namespace listener::graph
