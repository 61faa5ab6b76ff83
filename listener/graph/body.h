#pragma once

#include "listener/graph/session.h"
#include "listener/message/message.h"

#include <cstdint>
#include <optional>
#include <stop_token>

/// The octets of a message off the wire: what is behind Session::begin().
namespace listener::graph {

struct Body {
    ContentBuilder::Built built{};            ///< where it is too large: the head alone
    std::uint64_t size = 0;                   ///< octets seen; 0: there was nothing
    std::optional<std::uint64_t> tooLarge{};  ///< octets as announced, else those seen until it was given up
};

/// The whole message; of one of more than `limit` octets no more than its head, and the connection goes. Needs 64 KiB of memory beside what Content
/// holds. `staging` outlives the call. Errors: as HttpSession::read; reconnect messageTruncated where nobody could tell a cut; messageStaging.
plugin::Task<plugin::Result<Body>> takeBody(Session& session, std::size_t lane, Session::Begun begun, std::optional<std::uint64_t> limit,
                                            plugin::Directory& staging, std::stop_token stop);

/// The head alone. Of a small message the rest goes by, so that the connection can be kept.
plugin::Task<plugin::Result<Head>> takeHead(Session& session, std::size_t lane, std::stop_token stop);

}  // namespace listener::graph
