#pragma once

#include "plugin/contract/result.h"
#include "plugin/host/small_files.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace plugin::host {

/// The service manager's datagram socket (sd_notify(3)), spoken without its library. Without NOTIFY_SOCKET every call does nothing.
class Notifier {
public:
    /// `socket`: $NOTIFY_SOCKET, a path, or "@" and a name in the abstract name space; null or empty: none.
    /// `watchdogMicroseconds`, `watchdogProcess`: $WATCHDOG_USEC, $WATCHDOG_PID (the watchdog is another process' if it is not ours).
    Notifier(const char* socket, const char* watchdogMicroseconds, const char* watchdogProcess);
    static Notifier fromEnvironment();

    /// "READY=1", "STOPPING=1", "WATCHDOG=1", "STATUS=…"; several separated by line ends. Never blocks. An Error is for the log only.
    Result<void> send(std::string_view state) const;
    /// How often "WATCHDOG=1" is due: half of what the service manager waits. Nothing: no watchdog is wanted.
    std::optional<std::chrono::microseconds> watchdog() const { return watchdog_; }

private:
    std::string address_;
    std::optional<std::chrono::microseconds> watchdog_{};
};

}  // namespace plugin::host
