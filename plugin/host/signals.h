#pragma once

#include "plugin/contract/clock.h"
#include "plugin/host/small_files.h"

#include <chrono>
#include <optional>

namespace plugin::host {

/// Signals as values, taken by one thread: the one that builds this, before any other is started, so that all threads block them.
/// SIGTERM, SIGINT and SIGHUP arrive here; SIGPIPE is ignored from then on. There is one per process.
class Signals {
public:
    Signals();  ///< throws std::system_error where the kernel gives no descriptor

    /// Any thread: makes wait() answer `woken`.
    void wake() noexcept;
    enum class Arrived { terminate, hangUp, woken, readable, nothing };
    /// Waits so long at most.
    Arrived wait(std::chrono::milliseconds longest) { return wait(longest, -1); }
    /// The same, or until the descriptor can be read, or is at its end.
    Arrived wait(std::chrono::milliseconds longest, int descriptor);

private:
    Handle signals_;
    Handle wake_;
};

}  // namespace plugin::host
