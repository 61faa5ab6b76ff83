#pragma once

#include "plugin/contract/package.h"

#include <vector>

namespace listener {

/// `postern outbox` and `postern replay`.
std::vector<plugin::Command> outboxCommands();

}  // namespace listener
