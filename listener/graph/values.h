#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// What has a grammar of its own within requests and answers. Pure.
namespace listener::graph {

bool equalsIgnoreCase(std::string_view a, std::string_view b);  ///< ASCII letters alone

/// For one segment of a path, or a value of a query: all but A-Z a-z 0-9 - . _ ~ as %XX (RFC 3986 section 2.3).
std::string percentEncoded(std::string_view text);

/// "2026-11-22T08:15:00Z", with a fraction of seconds or without, or with an offset as "+01:00" (RFC 3339); the fraction is left out.
/// Nothing: anything else, and years before 1601 or after 9999.
std::optional<std::chrono::sys_seconds> parseDateTime(std::string_view text);

/// A folder's path, "/" separates, "//" stands for a "/" within a name. Empty: a level without a name.
std::vector<std::string> levelsOf(std::string_view path);
/// One level, as it stands in a path.
std::string asLevel(std::string_view name);

/// "*" stands for anything, "%" for anything within a level.
bool fitsPattern(std::string_view path, std::string_view pattern);

}  // namespace listener::graph
