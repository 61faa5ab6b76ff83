#pragma once

#include "listener/message/message.h"

namespace listener {

/// Appends a message's bytes to a file; of staged ones it sees on the way that they are those that were hashed: after a failed write-back a page may
/// read as anything. Blocks. `buffer` is working space. Errors: those of the files; messageStaging (retryLater).
plugin::Result<void> copyContent(const Content& content, plugin::File& into, std::string& buffer);

}  // namespace listener
