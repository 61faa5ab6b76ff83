#pragma once

#include "plugin/contract/handle.h"
#include "plugin/contract/result.h"

#include <optional>
#include <string>
#include <string_view>

namespace plugin::host {

/// The small files of the data directory and the pid file. All block; all errors are storeDataDirectory (or storeDiskFull) and name the path.
/// Nothing if there is no such file; an error above 64 KiB.
Result<std::optional<std::string>> readSmallFile(const std::string& path);
/// Either the old or the new content is there, whatever happens, and the new one is durable when this answers.
Result<void> replaceFile(const std::string& path, std::string_view content, unsigned mode = 0600);
/// Names made, changed and removed in it are durable.
Result<void> syncDirectory(const std::string& path);
/// From errno, as the files' edge turns it into an Error.
Error fileError(int number, const std::string& path, const char* what);

}  // namespace plugin::host
