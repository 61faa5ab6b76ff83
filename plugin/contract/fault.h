#pragma once

#ifdef POSTERN_FAULT_POINTS

#include <csignal>
#include <cstdlib>
#include <string_view>
#endif

namespace plugin {

/// A place between two effects where a test may end the process as kill -9 does: the environment variable POSTERN_FAULT names it. Only in what is
/// built for the tests with POSTERN_FAULT_POINTS; else nothing.
inline void faultPoint([[maybe_unused]] const char* name) {
#ifdef POSTERN_FAULT_POINTS
    static const char* const wanted = std::getenv("POSTERN_FAULT");
    if (wanted != nullptr && std::string_view(wanted) == name) std::raise(SIGKILL);
#endif
}

}  // namespace plugin
