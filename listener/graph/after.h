#pragma once

#include "listener/graph/session.h"
#include "listener/mailbox.h"

namespace listener::graph {

/// Mailbox::after(), by $batch. Removed is moved to the deleted items, which has the same outcome everywhere; DELETE has not. What is throttled is
/// waited for, up to `patience` in all; a $batch whose answer does not come whole is made again one by one; errors as Session::refused(), of the
/// first request that failed; the others were made all the same.
plugin::Task<plugin::Result<void>> carryOut(Session& session, AfterRequest request, std::stop_token stop);
inline constexpr std::chrono::seconds patience{60};

}  // namespace listener::graph
