#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace plugin::host {

/// Edits (insert, remove, replace, swap of neighbours) that turn one text into the other.
std::size_t editDistance(std::string_view one, std::string_view other);

/// The candidate a person most likely meant, or "" if none is near: at most a third of the letters, and at least one, may differ.
std::string nearest(std::string_view text, const std::vector<std::string>& candidates);

}  // namespace plugin::host
