#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace listener {

/// Rising ordinals as few bytes: runs, each as the gap before it and its length, in LEB128. 200 neighbours take 4 bytes.
/// Throws std::logic_error when they do not rise.
std::vector<std::uint8_t> encodePositions(const std::vector<std::uint64_t>& ordinals);

/// Throws plugin::StoreError (storeDamaged) for bytes encodePositions did not make. `what` names the row.
std::vector<std::uint64_t> decodePositions(std::span<const std::uint8_t> bytes, const char* what);

}  // namespace listener
