#include "listener/ews/date_time.h"

#include <algorithm>
#include <charconv>

namespace listener::ews {

namespace {

class Reader {
public:
    explicit Reader(std::string_view text) : rest_(text) {}

    /// Exactly so many digits; -1: they are not there.
    int number(std::size_t digits) {
        int value = -1;
        if (rest_.size() < digits) return -1;
        for (const char c : rest_.substr(0, digits))
            if (c < '0' || c > '9') return -1;
        std::from_chars(rest_.data(), rest_.data() + digits, value);
        rest_.remove_prefix(digits);
        return value;
    }
    bool mark(char c) {
        if (rest_.empty() || rest_.front() != c) return false;
        rest_.remove_prefix(1);
        return true;
    }
    void skipDigits() {
        while (!rest_.empty() && rest_.front() >= '0' && rest_.front() <= '9') rest_.remove_prefix(1);
    }
    bool atEnd() const { return rest_.empty(); }

private:
    std::string_view rest_;
};

bool isBetween(int value, int least, int most) { return value >= least && value <= most; }

/// What is to be added for UTC; nothing: it is no zone.
std::optional<std::chrono::minutes> zone(Reader& reader) {
    if (reader.atEnd() || reader.mark('Z')) return std::chrono::minutes{0};
    const bool east = reader.mark('+');
    if (!east && !reader.mark('-')) return std::nullopt;
    const int hours = reader.number(2);
    if (!reader.mark(':')) return std::nullopt;
    const int minutes = reader.number(2);
    if (!isBetween(hours, 0, 14) || !isBetween(minutes, 0, 59)) return std::nullopt;
    return std::chrono::minutes{(hours * 60 + minutes) * (east ? -1 : 1)};
}

}  // namespace

std::optional<plugin::Wall> readDateTime(std::string_view text) {
    Reader reader{text};
    const int year = reader.number(4);
    if (!reader.mark('-')) return std::nullopt;
    const int month = reader.number(2);
    if (!reader.mark('-')) return std::nullopt;
    const int day = reader.number(2);
    if (!reader.mark('T')) return std::nullopt;
    const int hour = reader.number(2);
    if (!reader.mark(':')) return std::nullopt;
    const int minute = reader.number(2);
    if (!reader.mark(':')) return std::nullopt;
    const int second = reader.number(2);
    if (reader.mark('.')) reader.skipDigits();
    const auto shift = zone(reader);
    if (!shift || !reader.atEnd()) return std::nullopt;
    if (!isBetween(hour, 0, 23) || !isBetween(minute, 0, 59) || !isBetween(second, 0, 60)) return std::nullopt;
    const std::chrono::year_month_day date{std::chrono::year{year}, std::chrono::month{static_cast<unsigned>(std::max(month, 0))},
                                           std::chrono::day{static_cast<unsigned>(std::max(day, 0))}};
    if (!date.ok()) return std::nullopt;
    // The clock counts nanoseconds, of which 64 bits hold 292 years on either side of 1970: a date beyond is none anybody received a mail at.
    if (!isBetween(year, 1700, 2250)) return std::nullopt;
    return plugin::Wall{std::chrono::sys_days{date}} + std::chrono::hours{hour} + std::chrono::minutes{minute + shift->count()} +
           std::chrono::seconds{second};
}

}  // namespace listener::ews
