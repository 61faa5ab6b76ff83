#pragma once

#include "listener/alerting/messenger.h"
#include "plugin/contract/configuration.h"

#include <vector>

namespace listener {

/// The keys of alerts.
std::vector<plugin::Key> alertKeys();
void checkAlerts(const plugin::Configuration& configuration, std::vector<plugin::Problem>& problems);

/// All channels, sorted by name. The configuration has been checked.
std::vector<AlertSettings> alertSettings(const plugin::Configuration& configuration);

}  // namespace listener
