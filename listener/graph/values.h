#pragma once

#include "plugin/contract/letters.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

/// What has a grammar of its own within requests and answers. Pure.
namespace listener::graph {

using plugin::equalsIgnoreCase;

/// For one segment of a path, or a value of a query: all but A-Z a-z 0-9 - . _ ~ as %XX (RFC 3986 section 2.3).
std::string percentEncoded(std::string_view text);

/// "2026-11-22T08:15:00Z", with a fraction of seconds or without, or with an offset as "+01:00" (RFC 3339); the fraction is left out.
/// Nothing: anything else, and what plugin::Wall, which counts nanoseconds in 64 bits, does not reach: years before 1700 or after 2250.
std::optional<std::chrono::sys_seconds> parseDateTime(std::string_view text);

}  // namespace listener::graph
