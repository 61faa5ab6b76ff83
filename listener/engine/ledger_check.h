#pragma once

#include "plugin/contract/package.h"

namespace listener {

/// `postern ledger --check [--mailbox M] [--mend]`: signs in to each mailbox and compares what stands there with what the ledger knows. Answers 0
/// when all is accounted for, 70 when something is not (also when it is mended), 75 when a mailbox could not be looked into.
int runLedgerCheck(plugin::Command::Call& call);

}  // namespace listener
