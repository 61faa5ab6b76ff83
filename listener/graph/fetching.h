#pragma once

#include "listener/graph/session.h"
#include "listener/mailbox.h"

#include <vector>

namespace listener::graph {

/// Mailbox::fetch(). What the server does not hand out though it is there is left out, with a line in the log; where that is all there was,
/// and a right is missing or the server is in trouble, that is the Error.
plugin::Task<plugin::Result<void>> fetchMessages(Session& session, std::vector<std::uint64_t> ordinals, Receiver& receiver,
                                                 plugin::Directory& staging, std::stop_token stop);

/// Mailbox::identify(). Only the messages themselves have the raw fields a match key is made from: the beginning of each is read.
plugin::Task<plugin::Result<void>> identifyMessages(Session& session, IdentifiedTaker taker, std::stop_token stop);

}  // namespace listener::graph
