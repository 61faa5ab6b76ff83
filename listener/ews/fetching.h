#pragma once

#include "listener/ews/endpoint.h"
#include "listener/mailbox.h"

#include <cstdint>
#include <stop_token>
#include <vector>

namespace listener::ews {

/// Two connections: while an answer is read from one, the next batch is asked for over the other.
struct Endpoints {
    Endpoint& main;
    Endpoint& second;
};

/// Mailbox::fetch(), of the folder entered last. All outlive the task.
plugin::Task<plugin::Result<void>> fetchMessages(Session& session, Endpoints endpoints, std::vector<std::uint64_t> ordinals, Receiver& receiver,
                                                 plugin::Directory& staging, std::stop_token stop);

}  // namespace listener::ews
