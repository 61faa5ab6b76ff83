#pragma once

#include "plugin/contract/result.h"

#include <string>
#include <string_view>

struct sqlite3;

namespace plugin::sqlite {

/// What to do about an (extended) SQLite result code; `systemError` is the errno behind it, 0 if none.
/// Codes that only a mistake in this program explains throw std::logic_error.
Error errorOf(int code, int systemError, const std::string& path, std::string_view text);

/// Throws StoreError (or std::logic_error) for what the connection has just answered. `connection` may be null.
[[noreturn]] void raise(sqlite3* connection, int code, const std::string& path);

}  // namespace plugin::sqlite
