#pragma once

#include "listener/imap/session.h"
#include "listener/mailbox.h"

#include <cstdint>
#include <vector>

namespace listener::imap {

/// Mailbox::fetch() for the open folder: UID FETCH … BODY.PEEK[] in commands of up to 200 messages, two under way, so that the server sends
/// the next ones while these are taken. Bodies go from the read buffer into their Content, large ones never whole through memory.
/// A command that the server refuses as a whole is repeated message by message; what it refuses alone, or answers with NIL, is left out.
/// With Receiver::sizeLimit() UID FETCH … RFC822.SIZE goes before, six pieces ahead. Of what is announced larger only the head is asked for; what
/// comes larger than it was announced (Exchange estimates), or without a size, goes by unseen but for its head.
/// `receiver` and `staging` outlive the call. Any Error ends the session: answers would still be under way.
plugin::Task<plugin::Result<void>> fetchMessages(Session& session, std::vector<std::uint64_t> ordinals, Receiver& receiver,
                                                 plugin::Directory& staging, std::stop_token stop);

}  // namespace listener::imap
