#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace auth {

/// A program to be run, without a shell.
struct Spawn {
    std::vector<std::string> words;                                   ///< its path and what follows; never empty
    std::optional<std::map<std::string, std::string>> environment{};  ///< none: ours
    int input = -1, output = -1;                                      ///< descriptors; -1: /dev/null
};

/// Starts it in a process group of its own, with no signal blocked or ignored and no descriptor but 0 to 2 (2 is /dev/null). Blocks until it is
/// executed, which takes as long as its file system does. Answers an errno, 0 with `child` set.
int spawn(const Spawn& program, pid_t& child);

}  // namespace auth
