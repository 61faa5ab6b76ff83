#pragma once

#include "listener/imap/folder.h"
#include "listener/imap/session.h"

#include <span>
#include <string>
#include <vector>

namespace listener::imap {

/// SELECT of the folder that is expected to be asked for, and UID SEARCH of what is new there, on the way with other commands: two round trips
/// less. OpenFolder::ahead has what came of it, for the first select() and list(); if anything was not as expected they ask themselves.
class Ahead {
public:
    /// `session` outlives it.
    explicit Ahead(Session& session) : session_(session) {}

    /// Adds both commands at the end, if something is expected.
    void ask(std::vector<Command>& commands);
    /// Any untagged response to all the commands.
    void take(const Response& response);
    /// `answers`: to the commands of ask(), or none. Errors: refusal() of what is more than a command that was refused.
    plugin::Result<void> finish(std::span<const Status> answers);

private:
    Session& session_;
    Told told_{};
    std::string searchTag_{};
    std::vector<UidSet> found_{};
    std::size_t counts_ = 0;  ///< EXISTS that came: after the first one the folder grew, or may have
};

}  // namespace listener::imap
