#pragma once

#include "auth/access.h"
#include "listener/item_index.h"
#include "listener/mailbox.h"
#include "listener/request_limit.h"
#include "plugin/contract/log.h"

#include <chrono>
#include <memory>
#include <string>

namespace listener::graph {

/// What one session with a mailbox by Microsoft Graph needs to know; from the configuration.
struct Settings {
    std::string alias;                                          ///< for the log
    std::string url{"https://graph.microsoft.com"};             ///< the cloud's root, without "/" at the end
    std::string user;                                           ///< user principal name or object id of the mailbox
    std::string credential;                                     ///< of tokens for that root
    std::string truststore{}, keystore{}, keyAlias{}, proxy{};  ///< aliases, as in auth::Target
    std::chrono::milliseconds connectTimeout{30'000};
    std::chrono::milliseconds ioTimeout{60'000};  ///< for an answer; for each further piece of a message
};

/// A session by Microsoft Graph v1.0. What is in a folder is known by delta query and kept in `index`, which numbers the messages; a position is the
/// message's immutable id. It does not push. Errors beside those of Mailbox: 3xxx also after open(), since each request asks for the token anew;
/// askOperator mailboxWrongAudience, mailboxForeignLink; retryLater mailboxThrottled with the time Graph asked for.
/// The constructor does no I/O. `access`, `random` and `log` outlive it. `limit`: what all sessions of this mailbox share.
std::unique_ptr<Mailbox> makeMailbox(Settings settings, auth::Access& access, std::unique_ptr<ItemIndex> index, plugin::Random& random,
                                     plugin::Log& log, std::string version, std::shared_ptr<RequestLimit> limit);

}  // namespace listener::graph
