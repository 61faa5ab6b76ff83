#pragma once

#include "listener/ews/endpoint.h"
#include "listener/mailbox.h"

#include <cstdint>
#include <stop_token>
#include <vector>

namespace listener::ews {

/// Mailbox::fetch(), of the folder entered last. All outlive the task; so for the others.
plugin::Task<plugin::Result<void>> fetchMessages(Session& session, Endpoint& endpoint, std::vector<std::uint64_t> ordinals, Receiver& receiver,
                                                 plugin::Directory& staging, std::stop_token stop);

}  // namespace listener::ews
