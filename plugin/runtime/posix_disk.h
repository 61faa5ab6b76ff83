#pragma once

#include "plugin/contract/disk.h"

#include <memory>

namespace plugin {

/// What this machine's file systems are taken to be able to do; false only in tests, which want to see the other way.
struct PosixDiskOptions {
    bool unnamedFiles = true;  ///< O_TMPFILE
    bool syncTogether = true;  ///< syncfs
};

/// The disk of this machine. Thread-safe. Modes are set as asked, whatever the umask.
/// Errors: sinkDiskFull (retryLater) for ENOSPC and EDQUOT; sinkPath (askOperator) for what a person has to mend: permissions, a missing or
/// read-only path; sinkUnavailable (retryLater) for the rest. Each names path and cause.
std::unique_ptr<Disk> makePosixDisk(PosixDiskOptions options = {});

}  // namespace plugin
