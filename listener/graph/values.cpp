#include "listener/graph/values.h"

#include "plugin/contract/percent.h"

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

std::string percentEncoded(std::string_view text) {
    static constexpr std::string_view plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    std::string out;
    for (const char c : text)
        if (plain.find(c) != std::string_view::npos)
            out += c;
        else
            out += plugin::percentOctet(c);
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
    if (!offset || !text.empty() || !date.ok() || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;
    if (*year < 1700 || *year > 2250) return std::nullopt;
    return std::chrono::sys_days{date} + std::chrono::hours{*hour} + std::chrono::minutes{*minute} + std::chrono::seconds{*second} - *offset;
}

}  // namespace listener::graph
