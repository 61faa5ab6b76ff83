#pragma once

#include "listener/graph/session.h"
#include "listener/mailbox.h"

#include <vector>

namespace listener::graph {

/// Mailbox::fetch(). What the server does not hand out though it is there is left out, with a line in the log, also where that is all
/// there was. Of many in a row it is the Error, and of a few that come with a time to wait; not of refused ones once a message was handed out.
plugin::Task<plugin::Result<void>> fetchMessages(Session& session, std::vector<std::uint64_t> ordinals, Receiver& receiver,
                                                 plugin::Directory& staging, std::stop_token stop);

}  // namespace listener::graph
