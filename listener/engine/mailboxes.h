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

}  // namespace listener
