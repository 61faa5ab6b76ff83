#pragma once

#include "listener/ews/endpoint.h"
#include "listener/mailbox.h"

#include <stop_token>

namespace listener::ews {

/// Mailbox::after(), of the folder entered last. MoveItem is one step at the server: no copies are told of. Both outlive the task.
plugin::Task<plugin::Result<void>> carryOut(Session& session, Endpoint& endpoint, AfterRequest request, std::stop_token stop);

}  // namespace listener::ews
