#pragma once

#include "plugin/contract/configuration.h"

#include <vector>

namespace listener {

std::vector<plugin::Key> mailboxKeys();  ///< mailbox.<alias>.*

}  // namespace listener
