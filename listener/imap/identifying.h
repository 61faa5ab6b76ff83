#pragma once

#include "listener/imap/session.h"
#include "listener/mailbox.h"

namespace listener::imap {

/// Mailbox::identify() for the open folder: UID FETCH (UID INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER.FIELDS (...)]), each message once, in
/// commands of up to 1,000 messages. Memory: what one command answers (about 80 octets a message) and the head at hand, of which no more is
/// kept than of a whole message (headLimit). A command that the server refuses as a whole is repeated in halves; a message it refuses alone,
/// or whose head it does not send, is left out. Any Error ends the session: answers would still be under way.
plugin::Task<plugin::Result<void>> identifyMessages(Session& session, IdentifiedTaker taker, std::stop_token stop);

}  // namespace listener::imap
