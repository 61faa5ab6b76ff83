#include "listener/imap/date.h"

#include "listener/imap/lexer.h"

#include <array>
#include <chrono>

namespace listener::imap {

namespace {

constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

/// Exactly `digits` digits off the front.
std::optional<int> takeNumber(std::string_view& text, std::size_t digits) {
    if (text.size() < digits) return std::nullopt;
    int value = 0;
    for (const char c : text.substr(0, digits)) {
        if (c < '0' || c > '9') return std::nullopt;
        value = value * 10 + (c - '0');
    }
    text.remove_prefix(digits);
    return value;
}

bool takeChar(std::string_view& text, char c) {
    if (!text.starts_with(c)) return false;
    text.remove_prefix(1);
    return true;
}

std::optional<std::chrono::sys_days> takeDay(std::string_view& text) {
    while (takeChar(text, ' ')) {
    }
    const auto day = takeNumber(text, text.size() > 1 && text[1] == '-' ? 1 : 2);
    if (!day || !takeChar(text, '-')) return std::nullopt;
    unsigned month = 0;
    for (unsigned i = 0; i < months.size(); ++i)
        if (equalsIgnoreCase(text.substr(0, 3), months[i])) month = i + 1;
    if (month == 0) return std::nullopt;
    text.remove_prefix(3);
    if (!takeChar(text, '-')) return std::nullopt;
    const auto year = takeNumber(text, 4);
    if (!year) return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year{*year}, std::chrono::month{month}, std::chrono::day{static_cast<unsigned>(*day)}};
    if (!date.ok()) return std::nullopt;
    return std::chrono::sys_days{date};
}

std::optional<std::chrono::seconds> takeTime(std::string_view& text) {
    const auto hour = takeNumber(text, 2);
    if (!hour || !takeChar(text, ':')) return std::nullopt;
    const auto minute = takeNumber(text, 2);
    if (!minute || !takeChar(text, ':')) return std::nullopt;
    const auto second = takeNumber(text, 2);
    if (!second || *hour > 23 || *minute > 59 || *second > 60) return std::nullopt;  // 60: a leap second
    return std::chrono::hours{*hour} + std::chrono::minutes{*minute} + std::chrono::seconds{*second};
}

std::optional<std::chrono::seconds> takeZone(std::string_view& text) {
    const bool west = text.starts_with('-');
    if (!west && !text.starts_with('+')) return std::nullopt;
    text.remove_prefix(1);
    const auto hours = takeNumber(text, 2);
    const auto minutes = hours ? takeNumber(text, 2) : std::nullopt;
    if (!minutes || *hours > 23 || *minutes > 59) return std::nullopt;
    const std::chrono::seconds offset = std::chrono::hours{*hours} + std::chrono::minutes{*minutes};
    return west ? -offset : offset;
}

}  // namespace

std::optional<plugin::Wall> parseInternalDate(std::string_view text) {
    const auto day = takeDay(text);
    if (!day || !takeChar(text, ' ')) return std::nullopt;
    const auto time = takeTime(text);
    if (!time || !takeChar(text, ' ')) return std::nullopt;
    const auto zone = takeZone(text);
    if (!zone || !text.empty()) return std::nullopt;
    // system_clock counts nanoseconds in 64 bits and ends in 2262; what lies beyond is nonsense in a mailbox
    if (*day < std::chrono::sys_days{std::chrono::year{1900} / 1 / 2} || *day > std::chrono::sys_days{std::chrono::year{2200} / 1 / 1})
        return std::nullopt;
    return plugin::Wall{*day + *time - *zone};
}

std::string searchDate(plugin::Wall moment, int days) {
    const std::chrono::year_month_day date{std::chrono::floor<std::chrono::days>(moment) + std::chrono::days{days}};
    std::string year = std::to_string(static_cast<int>(date.year()));
    return std::to_string(static_cast<unsigned>(date.day())) + "-" + std::string{months[static_cast<unsigned>(date.month()) - 1]} + "-" +
           std::string(4 - std::min<std::size_t>(4, year.size()), '0') + year;
}

}  // namespace listener::imap
