#pragma once

#include "plugin/contract/clock.h"
#include "tests/simulation/sim_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// How IMAP writes sets of UIDs, dates, and the fields of a head.
namespace simulation {

using Ranges = std::vector<std::pair<std::uint64_t, std::uint64_t>>;

inline std::uint64_t number(std::string_view text) {
    std::uint64_t value = 0;
    std::from_chars(text.data(), text.data() + text.size(), value);
    return value;
}

/// "3,5:9,12:*"; "*" is the highest UID there is (RFC 9051 section 9, seq-range), whichever side it stands on.
inline std::optional<Ranges> parseSet(std::string_view text, std::uint64_t highest) {
    Ranges ranges;
    for (const auto& piece : split(text, ',')) {
        const auto bounds = split(piece, ':');
        if (bounds.empty() || bounds.size() > 2) return std::nullopt;
        std::array<std::uint64_t, 2> values{};
        for (std::size_t i = 0; i < bounds.size(); ++i) {
            if (bounds[i] != "*" && (bounds[i].empty() || bounds[i].find_first_not_of("0123456789") != std::string::npos || number(bounds[i]) == 0))
                return std::nullopt;
            values[i] = bounds[i] == "*" ? highest : number(bounds[i]);
        }
        if (bounds.size() == 1) values[1] = values[0];
        ranges.emplace_back(std::min(values[0], values[1]), std::max(values[0], values[1]));
    }
    return ranges;
}

inline bool contains(const Ranges& ranges, std::uint64_t value) {
    return std::any_of(ranges.begin(), ranges.end(), [value](const auto& range) { return range.first <= value && value <= range.second; });
}

inline constexpr std::array<const char*, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

inline std::string internalDate(plugin::Wall time) {
    const auto seconds = std::chrono::floor<std::chrono::seconds>(time);
    const auto day = std::chrono::floor<std::chrono::days>(seconds);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(seconds - day);
    const auto two = [](auto value) { return (value < 10 ? "0" : "") + std::to_string(value); };
    const auto dayOfMonth = static_cast<unsigned>(date.day());
    return (dayOfMonth < 10 ? " " : "") + std::to_string(dayOfMonth) + "-" + months[static_cast<unsigned>(date.month()) - 1] + "-" +
           std::to_string(static_cast<int>(date.year())) + " " + two(clock.hours().count()) + ":" + two(clock.minutes().count()) + ":" +
           two(clock.seconds().count()) + " +0000";
}

inline std::optional<plugin::Wall> searchDay(const std::string& text) {
    const auto parts = split(text, '-');
    if (parts.size() != 3) return std::nullopt;
    for (unsigned m = 0; m < months.size(); ++m)
        if (parts[1] == months[m])
            return std::chrono::sys_days(std::chrono::year_month_day(std::chrono::year(static_cast<int>(number(parts[2]))), std::chrono::month(m + 1),
                                                                     std::chrono::day(static_cast<unsigned>(number(parts[0])))));
    return std::nullopt;
}

/// BODY[HEADER.FIELDS (...)]: the lines of these fields as they are, and the empty one.
inline std::string fieldsOf(const std::string& bytes, const std::vector<std::string>& names) {
    std::string head;
    bool wanted = false;
    for (std::size_t from = 0; from < bytes.size();) {
        const auto to = std::min(bytes.find("\r\n", from), bytes.size() - 2) + 2;
        const auto line = bytes.substr(from, to - from);
        if (line == "\r\n") break;
        if (line[0] != ' ') wanted = std::find(names.begin(), names.end(), upper(line.substr(0, line.find(':')))) != names.end();
        if (wanted) head += line;
        from = to;
    }
    return head + "\r\n";
}

}  // namespace simulation
