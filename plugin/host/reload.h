#pragma once

#include "plugin/contract/configuration.h"
#include "plugin/contract/log.h"

#include <vector>

namespace plugin::host {

/// The keys that differ between two valid snapshots although a change of theirs needs a restart: one problem (configNeedsRestart) each, at
/// the place where the key now stands, or stood. Pure.
std::vector<Problem> needRestart(const Configuration& before, const Configuration& after, const std::vector<Key>& keys);

/// One line of the log for each, as error or warning.
void logProblems(Log& log, const std::vector<Problem>& problems);

}  // namespace plugin::host
