#pragma once

#include "plugin/contract/package.h"

namespace listener {

/// `postern doctor MAILBOX [--denied OTHER]`: validate's steps, what the token says, and the one most likely cause with how to mend it
/// (auth/diagnosis). With --denied also whether the same credential opens the mailbox of address OTHER, as it should not: then 77.
int runDoctor(plugin::Command::Call& call);

}  // namespace listener
