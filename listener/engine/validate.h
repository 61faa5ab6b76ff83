#pragma once

#include "plugin/contract/package.h"

#include <vector>

namespace listener {

/// `postern validate credential|mailbox|sink NAME | --all` and `postern doctor MAILBOX [--denied OTHER]`: everything is tried for real, step by
/// step, with sessions of their own, beside a running service or without one. They write nothing to the ledger and change nothing in a
/// mailbox. Exit status: that of the worst failure (plugin/contract/exit_status.h).
std::vector<plugin::Command> validationCommands();

}  // namespace listener
