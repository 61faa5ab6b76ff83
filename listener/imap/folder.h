#pragma once

#include "listener/imap/session.h"

#include <cstdint>
#include <optional>
#include <string>

namespace listener::imap {

/// What SELECT and STATUS tell of a folder.
struct Told {
    std::optional<std::uint64_t> validity{}, next{}, exists{};
    /// `wire`: the folder's name there
    void take(const std::string& wire, const Response& response);
};

/// SELECT, and STATUS for what it did not say. Errors: askOperator mailboxFolderMissing; refusal().
plugin::Task<plugin::Result<void>> selectFolder(Session& session, std::string folder, std::stop_token stop);

/// wireName() with an Error for people: askOperator mailboxFolderMissing.
plugin::Result<std::string> wireNameOf(const Session& session, const std::string& folder);

/// Does LIST show a folder of this name that can be selected?
plugin::Task<plugin::Result<bool>> folderExists(Session& session, std::string wire, std::stop_token stop);

/// CREATE; that it exists already is no error. Errors: askOperator mailboxFolderMissing with the server's words.
plugin::Task<plugin::Result<void>> createFolder(Session& session, std::string folder, std::string wire, std::stop_token stop);

}  // namespace listener::imap
