#pragma once

#include "listener/graph/session.h"
#include "listener/mailbox.h"

#include <chrono>

namespace listener::graph {

/// How long one message waits for a server that asks for time: Graph counts requests by ten minutes.
inline constexpr std::chrono::seconds identifyPatience{15 * 60};

/// Mailbox::identify(). Only the messages themselves have the raw fields a match key is made from: the beginning of each is read. Where Graph asks
/// for time it is waited for within the pass; what makes trouble again and again is left out, with a line in the log. Errors: as Session::refused(),
/// where that is so of many in a row, or of all there are for want of a right.
plugin::Task<plugin::Result<void>> identifyMessages(Session& session, IdentifiedTaker taker, std::stop_token stop);

}  // namespace listener::graph
