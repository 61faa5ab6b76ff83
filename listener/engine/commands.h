#pragma once

#include "plugin/contract/package.h"

#include <vector>

namespace listener {

/// `postern mailboxes [restart ALIAS|--all --start now|all|since:DATE]` and `postern ledger [--mailbox M] [--state S] [--find TEXT] [--limit N]`.
/// These read and write the ledger alone, with or without a running service. And those of move_command.h, outbox_commands.h and validate.h.
std::vector<plugin::Command> commands();

}  // namespace listener
