#pragma once

#include "listener/delivery/sink.h"
#include "plugin/contract/disk.h"

#include <memory>
#include <string>

namespace listener {

struct SpoolSettings {
    std::string name;      ///< of the sink
    std::string path;      ///< each mailbox has a directory of its own below it; all are made when needed
    bool metadata = true;  ///< `<id>.json` beside each `<id>.eml`
    unsigned mode = 0640;  ///< of the files; a directory made here gets the same, and search permission where there is read permission
};

/// Sink "spool": `<path>/<mailbox>/<id>.eml` with the exact bytes. When that name exists the file is complete, whatever happens, and is never
/// written again (verdict known). Delivered means: bytes and name are durable.
/// A batch is made durable together; a message that fails does not hold up the others. What this process's forerunners left half-done
/// is removed when a mailbox is first met. The deadline is looked at between messages only: a disk cannot be interrupted.
/// staging(): the mailbox's spool directory; a message staged there is published without copying. Ask again for each round: the directory may
/// have been moved away meanwhile.
/// Errors: sinkDiskFull, sinkUnavailable (retryLater), sinkPath (askOperator), messageStaging (retryLater: the staged bytes are damaged, fetch
/// again). Two processes, or two sinks of one process, never share a directory. `disk` outlives the sink.
std::unique_ptr<Sink> makeSpool(SpoolSettings settings, plugin::Disk& disk);

}  // namespace listener
