#pragma once

#include "listener/ews/endpoint.h"

#include <stop_token>

namespace listener::ews {

/// Obtains what the session signs in with, and asks for the inbox: the cheapest request that needs token, rights and mailbox. A token that is meant
/// for another API is told before anything is asked: askOperator mailboxWrongAudience. Both outlive the task.
plugin::Task<plugin::Result<void>> signIn(Session& session, Endpoint& endpoint, std::stop_token stop);

}  // namespace listener::ews
