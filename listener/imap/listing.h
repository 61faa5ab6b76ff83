#pragma once

#include "listener/imap/session.h"
#include "listener/imap/uid_set.h"
#include "listener/mailbox.h"

#include <string>

namespace listener::imap {

/// UID SEARCH in the open folder, by ESEARCH where it is offered. criteria: ASCII, "UID 5:* SINCE 1-Feb-2026".
/// Errors: refusal(); reconnect mailboxTooLarge for an answer no folder can have.
plugin::Task<plugin::Result<UidSet>> search(Session& session, std::string criteria, std::stop_token stop);

/// Mailbox::list() for the open folder. Needs memory for one window of UIDs and for what it answers, however large the folder is.
plugin::Task<plugin::Result<Listing>> listFolder(Session& session, ListRequest request, std::stop_token stop);

}  // namespace listener::imap
