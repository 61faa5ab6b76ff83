#pragma once

#include "auth/channel/http_client.h"
#include "listener/delivery/webhook_signature.h"
#include "listener/message/message.h"

#include <memory>

namespace listener {

/// The body of a message that is in a file, read in pieces. What is read is hashed on the way, and the last piece is handed out only when all were
/// the bytes that were hashed when the message came: after a failed write-back a page may read as anything, and a request that lacks its last piece
/// is none. Errors: messageStaging (retryLater).
std::shared_ptr<const auth::HttpBody> stagedBody(const Content& content);

/// Gives a signer all bytes of a message that is in a file. Blocks: call it through offload. Errors: messageStaging (retryLater).
plugin::Result<void> signStaged(const Content& content, WebhookSigner& signer);

}  // namespace listener
