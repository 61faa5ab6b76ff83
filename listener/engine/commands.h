#pragma once

#include "listener/engine/status.h"
#include "plugin/contract/package.h"

#include <functional>
#include <optional>
#include <vector>

namespace listener {

/// Each mailbox as it is now; nothing where no service runs in this process. Any thread.
using Present = std::function<std::optional<std::vector<MailboxStatus::View>>()>;

/// `postern mailboxes [ALIAS | restart ALIAS|--all --start now|all|since:DATE]` and `postern ledger [--mailbox M] [--state S] [--find TEXT] [--limit
/// N]`. These read and write the ledger alone, with or without a running service; what `present` knows is shown beside it, by the admin port. And
/// those of move_command.h, outbox_commands.h and validate.h.
std::vector<plugin::Command> commands(Present present);

}  // namespace listener
