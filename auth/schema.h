#pragma once

#include "plugin/contract/database.h"

#include <vector>

namespace auth {

/// Whose tables they are: each begins with "auth_".
inline constexpr const char* schemaOwner = "auth";
std::vector<plugin::Migration> migrations();

}  // namespace auth
