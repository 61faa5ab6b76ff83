#pragma once

#include "plugin/contract/package.h"

namespace listener {

/// `postern move MAILBOX --to imap|ews|graph [--plan] [--anyway]`: looks with the other protocol into the mailbox's folders, beside the service, and
/// compares them with what is known. Then, without --plan, the mailbox is read by it from now on; what was delivered is found again by the first look
/// of the service. Where some of what would be delivered may have been delivered already, nothing is changed and the status is 75, but with --anyway.
/// Other statuses: 0 done, or --plan; 64 usage; 78 no such mailbox, or nobody knows its server by that protocol; else that of the error of the look.
int runMove(plugin::Command::Call& call);

}  // namespace listener
