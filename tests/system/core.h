#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace systemtest {

/// Octets that are looked for, by what they are called in a failure.
using Secrets = std::map<std::string, std::string>;

/// A token as it may stand somewhere: its beginning, its middle and its end, as they are and in Base64, wherever in a text they begin. Short pieces,
/// so that what was overwritten in part is found too.
void addToken(Secrets& secrets, const std::string& name, std::string_view token);

/// Which of them stand in the memory a core file of the process would hold (core(5): what is private and not marked MADV_DONTDUMP), and where.
std::vector<std::string> foundInCore(pid_t process, const Secrets& secrets);
/// Which of them stand in the files below a folder, and in which.
std::vector<std::string> foundInFiles(const std::filesystem::path& folder, const Secrets& secrets);

}  // namespace systemtest
