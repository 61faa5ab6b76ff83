#pragma once

#include "listener/graph/session.h"
#include "listener/mailbox.h"

namespace listener::graph {

/// Pages of changes taken in one call; a server that goes on for longer is asked again by the next one.
inline constexpr std::size_t pageLimit = 20'000;
/// Messages whose `isRead` is remembered.
inline constexpr std::size_t rememberedLimit = 50'000;

/// Mailbox::select(): the folder's id, its index, and all that is new there.
plugin::Task<plugin::Result<FolderView>> selectFolder(Session& session, std::string folder, std::stop_token stop);
/// What is new in the folder entered last, into its index.
plugin::Task<plugin::Result<void>> bringUpToDate(Session& session, std::stop_token stop);
/// Mailbox::list(), from the index; asks the server what is new unless select() has just done so.
plugin::Task<plugin::Result<Listing>> listFolder(Session& session, ListRequest request, std::stop_token stop);

}  // namespace listener::graph
