#pragma once

#include "plugin/contract/clock.h"

#include <optional>
#include <string>
#include <string_view>

namespace listener::imap {

/// INTERNALDATE (RFC 9051 section 9, date-time): "17-Jul-1996 02:44:25 -0700"; the day may have a blank or nothing before its one digit.
/// Answers the moment in UTC; none where it is no such date (a month of 31 days where it has 30, an hour 24, a zone beyond a day).
std::optional<plugin::Wall> parseInternalDate(std::string_view text);

/// The date of SEARCH SINCE: the UTC day of `moment`, moved by `days`: "1-Feb-1994". The server compares it with the day in each message's own
/// zone, and those lie up to 14 hours beside UTC: ask a day earlier and look at the candidates.
std::string searchDate(plugin::Wall moment, int days);

}  // namespace listener::imap
