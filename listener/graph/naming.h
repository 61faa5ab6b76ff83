#pragma once

#include "listener/graph/session.h"
#include "listener/mailbox.h"

#include <chrono>
#include <string>
#include <vector>

namespace listener::graph {

/// How long the server is waited for that asks for time before it translates; where it fails instead, how often it is asked.
inline constexpr std::chrono::seconds translatePatience{15 * 60};
inline constexpr unsigned translateTries = 3;

/// Mailbox::named() for ids of EWS: translateExchangeIds, by which Graph says what it calls these messages. It takes a right of its own: where it is
/// refused, or fails again and again, a line in the log says so and what would help, nothing is translated any more in this session, and what is not
/// known stays unknown. Answers nobody asked for, and those that contradict each other, are passed over. Errors: as Session::ask(), where they
/// concern more than this; retryLater mailboxThrottled.
plugin::Task<plugin::Result<std::vector<Named>>> translateNames(Session& session, std::vector<std::string> ids, std::stop_token stop);

}  // namespace listener::graph
