#pragma once

#include "listener/message/message.h"

#include <string>

namespace listener {

/// The metadata of a message as sinks hand it on: one JSON object (RFC 8259) in one line of UTF-8, with a line end. Always all keys, in this
/// order: version (1), id, mailbox, folder, protocol, position, received (RFC 3339, UTC, whole seconds), size, sha256 (hex, lower case),
/// message_id, flags; null where something is not known; and of a message a sink is not given but told of, reference: where it lies. The same message
/// gives the same bytes.
/// Octets that are not UTF-8 become U+FFFD, so whatever a server sent, the result is valid.
std::string metadataJson(const Message& message);

}  // namespace listener
