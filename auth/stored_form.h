#pragma once

#include "plugin/contract/clock.h"

#include <chrono>
#include <cstdint>
#include <span>
#include <string_view>

/// How values look in auth's tables.
namespace auth::stored {

/// Milliseconds since 1970.
inline std::int64_t time(plugin::Wall time) { return std::chrono::floor<std::chrono::milliseconds>(time.time_since_epoch()).count(); }
inline plugin::Wall time(std::int64_t milliseconds) { return plugin::Wall(std::chrono::milliseconds(milliseconds)); }

inline std::span<const std::uint8_t> blob(std::string_view octets) { return {reinterpret_cast<const std::uint8_t*>(octets.data()), octets.size()}; }
inline std::string_view octets(std::span<const std::uint8_t> blob) { return {reinterpret_cast<const char*>(blob.data()), blob.size()}; }

}  // namespace auth::stored
