#pragma once

#include "listener/engine/settings.h"
#include "listener/mailbox.h"
#include "plugin/contract/host.h"

#include <functional>
#include <memory>

namespace listener {

/// A new session with a mailbox. Constructing it does no I/O. `host` outlives it.
using MailboxMaker = std::function<std::unique_ptr<Mailbox>(const MailboxSettings& settings, plugin::Host& host)>;
/// By the protocol of the settings.
std::unique_ptr<Mailbox> makeMailbox(const MailboxSettings& settings, plugin::Host& host);
/// For a look beside the service: it writes nothing down, not even how messages are numbered.
std::unique_ptr<Mailbox> makeShadowMailbox(const MailboxSettings& settings, plugin::Host& host);

/// Where the ledger says that the mailbox is read by another protocol than is configured: by that. Errors: those of the ledger; configConflict: there
/// it has no server.
plugin::Task<plugin::Result<void>> followDetour(Ledger& ledger, MailboxSettings& settings);

}  // namespace listener
