#pragma once

#include "listener/graph/session.h"

#include <string>
#include <vector>

namespace listener::graph {

/// Folders looked at in one call; also what a page that never ends is ended by.
inline constexpr std::size_t folderLimit = 10'000;
inline constexpr std::size_t depthLimit = 64;

/// The id of a folder by its path: INBOX in any case, "INBOX/Invoices", "Archive/2026". Errors: askOperator mailboxFolderMissing.
plugin::Task<plugin::Result<std::string>> folderId(Session& session, std::string path, std::stop_token stop);
/// The same; levels that are missing are created.
plugin::Task<plugin::Result<std::string>> folderIdOrNew(Session& session, std::string path, std::stop_token stop);
/// Proves that the mailbox is there and may be read; the session knows its inbox then.
plugin::Task<plugin::Result<void>> findInbox(Session& session, std::stop_token stop);
/// Mailbox::folders().
plugin::Task<plugin::Result<std::vector<std::string>>> findFolders(Session& session, std::vector<std::string> patterns, std::stop_token stop);

}  // namespace listener::graph
