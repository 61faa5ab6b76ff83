#pragma once

#include "listener/imap/connection.h"
#include "listener/message/message.h"

#include <stop_token>
#include <string_view>

/// What a FETCH brings of a message, off the wire: after Connection::Next::body, Connection::body() says what comes.
namespace listener::imap {

/// What of a head is asked for where the message is not: enough for a Head to be the same as that of the whole message.
inline constexpr std::string_view headItem = "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID DATE FROM SUBJECT)]";

/// A message, from the read buffer into its Content. `wire` and `staging` outlive the call.
/// Errors: as Connection::fill(), where the stream ends within it messageTruncated; messageStaging.
plugin::Task<plugin::Result<ContentBuilder::Built>> takeContent(Connection& wire, plugin::Directory& staging, std::stop_token stop);

/// Of a message, or of fields of its head: the beginning, up to headLimit, as where whole messages are read. What is past that goes by unseen, so
/// nothing is too long for it. `wire` outlives the call. Errors: as takeContent().
plugin::Task<plugin::Result<Head>> takeHead(Connection& wire, std::stop_token stop);

}  // namespace listener::imap
