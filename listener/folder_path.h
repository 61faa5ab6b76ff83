#pragma once

#include <string>
#include <string_view>
#include <vector>

/// Names of folders as people write them: UTF-8, "/" separates the levels. Where a "/" may stand within a level (EWS, Graph), it is written "//".
/// Pure.
namespace listener {

/// The levels, "//" read as "/". Empty: a level has no name.
std::vector<std::string> levelsOf(std::string_view path);
/// One level, as it stands in a path.
std::string asLevel(std::string_view name);

/// Does the whole path fit? "*" is any text, "%" any text without "/" (RFC 3501 section 6.3.8); all else is itself. Time grows with the product of
/// the lengths, whatever the pattern.
bool fitsPattern(std::string_view path, std::string_view pattern);

}  // namespace listener
