#pragma once

#include "listener/ews/endpoint.h"
#include "listener/mailbox.h"

#include <stop_token>
#include <string>

namespace listener::ews {

/// Mailbox::select(): finds the folder, and brings its index up to date. Both outlive the task; so for the others.
plugin::Task<plugin::Result<FolderView>> selectFolder(Session& session, Endpoint& endpoint, std::string name, std::stop_token stop);

/// Mailbox::list(), of the folder entered last.
plugin::Task<plugin::Result<Listing>> listFolder(Session& session, Endpoint& endpoint, ListRequest request, std::stop_token stop);

}  // namespace listener::ews
