#pragma once

#include "listener/engine/settings.h"
#include "listener/ledger/ledger.h"
#include "listener/mailbox.h"
#include "listener/request_limit.h"
#include "plugin/contract/host.h"

#include <functional>
#include <memory>

namespace listener {

/// A new session with a mailbox. Constructing it does no I/O. `host` outlives it.
using MailboxMaker = std::function<std::unique_ptr<Mailbox>(const MailboxSettings& settings, plugin::Host& host)>;
/// By the protocol of the settings. `limits`: of all mailboxes of this process.
std::unique_ptr<Mailbox> makeMailbox(const MailboxSettings& settings, plugin::Host& host, RequestLimits& limits);
/// For a look beside the service: it writes nothing down, not even how messages are numbered. What the service asks for meanwhile it knows nothing
/// of.
std::unique_ptr<Mailbox> makeShadowMailbox(const MailboxSettings& settings, plugin::Host& host);

/// Where the ledger says that the mailbox is read by another protocol than is configured: by that. Errors: those of the ledger; configConflict: there
/// it has no server.
plugin::Task<plugin::Result<void>> followDetour(Ledger& ledger, MailboxSettings& settings);

/// The configuration says another protocol by now than the one the detour was taken for: it is over, and is not taken up again if the configuration
/// ever says the former one again. Answers the detour that is forgotten.
plugin::Task<plugin::Result<std::optional<Detour>>> forgetOldDetour(Ledger& ledger, const MailboxSettings& settings);

}  // namespace listener
