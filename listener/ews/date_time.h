#pragma once

#include "plugin/contract/clock.h"

#include <optional>
#include <string>
#include <string_view>

namespace listener::ews {

/// xs:dateTime as Exchange writes it, "2026-11-22T04:31:29Z": fractions of a second are left out, without a zone it is UTC.
/// Nothing: it is none, or not between 1700 and 2250 (Exchange writes 1601 or 4501 where it knows no date).
std::optional<plugin::Wall> readDateTime(std::string_view text);

}  // namespace listener::ews
