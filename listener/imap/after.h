#pragma once

#include "listener/imap/session.h"
#include "listener/mailbox.h"

namespace listener::imap {

/// Mailbox::after() for the open folder. Never a plain EXPUNGE and never CLOSE: they would remove what others marked \Deleted.
///   seen          UID STORE +FLAGS.SILENT (\Seen)
///   remove        UID STORE +FLAGS.SILENT (\Deleted), then UID EXPUNGE (UIDPLUS, RFC 4315); without UIDPLUS it stays marked, with a warning once
///   move          UID MOVE (RFC 6851); else UID COPY, `copied`, and remove. What `copied` names in the request is only removed
///   seenAndMove   both
/// Errors: refusal(); askOperator mailboxFolderMissing where the target cannot be created.
plugin::Task<plugin::Result<void>> carryOut(Session& session, AfterRequest request, Copied copied, std::stop_token stop);

}  // namespace listener::imap
