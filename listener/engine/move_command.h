#pragma once

#include "plugin/contract/package.h"

namespace listener {

/// `postern move MAILBOX --to imap|ews|graph [--plan] [--anyway]`: looks with the other protocol into the mailbox's folders, beside the service, and
/// compares them with what is known; then, without --plan, has the mailbox read by it from now on, unless some of what would be delivered may have been
/// delivered already. What was delivered is found again by the first look of the
/// service.
int runMove(plugin::Command::Call& call);

}  // namespace listener
