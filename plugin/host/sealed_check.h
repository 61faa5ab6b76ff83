#pragma once

#include "plugin/contract/configuration.h"

#include <vector>

namespace plugin::host {

/// Values ${sealed:...} which this instance's key does not open, or which nobody has sealed (errors, storeSealed). Nothing is said of them where the
/// key is not at hand: there is none yet, this user may not read it, or a command would have to be run for it. Blocks for the disk.
std::vector<Problem> sealedProblems(const Configuration& configuration, const std::vector<Key>& keys);

}  // namespace plugin::host
