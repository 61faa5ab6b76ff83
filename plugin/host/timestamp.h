#pragma once

#include "plugin/contract/clock.h"

#include <optional>
#include <string>
#include <string_view>

namespace plugin::host {

/// `2026-11-22T17:00:00.123Z`: RFC 3339, UTC, milliseconds.
std::string timestamp(Wall time);
/// Exactly what timestamp() writes; anything else is nothing.
std::optional<Wall> fromTimestamp(std::string_view text);

}  // namespace plugin::host
