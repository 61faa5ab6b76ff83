#pragma once

#include "listener/ews/fetching.h"
#include "listener/mailbox.h"

#include <stop_token>

namespace listener::ews {

/// Mailbox::identify(), of the folder entered last. The match key is made of raw octets, and Exchange hands these out only with the whole MIME
/// content (InternetMessageHeaders are another text, and missing for mail from within): small messages are read in batches and all but their heads
/// dropped, of large ones the connection is given up once the head is here. All outlive the task.
plugin::Task<plugin::Result<void>> identifyMessages(Session& session, Endpoints endpoints, IdentifiedTaker taker, std::stop_token stop);

}  // namespace listener::ews
