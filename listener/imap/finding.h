#pragma once

#include "listener/imap/session.h"

#include <cstddef>
#include <string>
#include <vector>

namespace listener::imap {

/// More folders than that are not watched by one session: a pattern that finds them was not meant so.
inline constexpr std::size_t folderLimit = 10'000;

/// Mailbox::folders(). Patterns find folders of the personal namespace, and of another one where they begin with its prefix. Names the server
/// writes as it should not are found under what they read as, if that is UTF-8 and no other folder's name; the rest is left out and logged once.
/// Errors: askOperator mailboxTooLarge past `folderLimit`; refusal().
plugin::Task<plugin::Result<std::vector<std::string>>> findFolders(Session& session, std::vector<std::string> patterns, std::stop_token stop);

}  // namespace listener::imap
