#pragma once

#include "listener/ews/endpoint.h"

#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace listener::ews {

/// The id of a folder; none: there is no such folder. The tree of folders is read where it is older than `treeLife`, or has no folder of this name.
/// Both outlive the task; so for the others.
plugin::Task<plugin::Result<std::optional<std::string>>> findFolder(Session& session, Endpoint& endpoint, std::string name, std::stop_token stop);
inline constexpr std::chrono::minutes treeLife{5};

/// The same; made where it is missing, with those above it.
plugin::Task<plugin::Result<std::string>> findOrMakeFolder(Session& session, Endpoint& endpoint, std::string name, std::stop_token stop);

/// Mailbox::folders().
plugin::Task<plugin::Result<std::vector<std::string>>> findFolders(Session& session, Endpoint& endpoint, std::vector<std::string> patterns,
                                                                   std::stop_token stop);

plugin::Error folderMissing(const Session& session, const std::string& name);

}  // namespace listener::ews
