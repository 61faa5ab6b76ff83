#pragma once

#include "auth/access.h"
#include "listener/item_index.h"
#include "listener/mailbox.h"
#include "listener/request_limit.h"
#include "plugin/contract/log.h"

#include <chrono>
#include <memory>
#include <string>

namespace listener::ews {

/// What one EWS session needs to know; from the configuration.
struct Settings {
    std::string alias;  ///< for the log
    std::string url;    ///< of the endpoint: https://outlook.office365.com/EWS/Exchange.asmx
    std::string user;   ///< address of the mailbox
    std::string credential;
    /// The credential is an application's own (grant client_credentials), which acts for no person: each request names the mailbox it acts for
    /// (ExchangeImpersonation). A token that says so itself (a JWT with roles and without scopes) needs no such word.
    bool application = false;
    std::string truststore{}, keystore{}, keyAlias{}, proxy{};  ///< aliases, as in auth::Target
    std::chrono::milliseconds connectTimeout{30'000};
    std::chrono::milliseconds ioTimeout{60'000};  ///< without one byte, on any request
    bool push = true;                             ///< may notifications be asked for?
};

/// A session by Exchange Web Services (SOAP 1.1; learn.microsoft.com/exchange/client-developer/web-service-reference), schema Exchange2013_SP1, with
/// Exchange Online and Exchange Server. The constructor does no I/O. `access` and `log` outlive it. `limit`: what all sessions of this mailbox share.
std::unique_ptr<Mailbox> makeMailbox(Settings settings, auth::Access& access, std::unique_ptr<ItemIndex> index, plugin::Log& log, std::string version,
                                     std::shared_ptr<RequestLimit> limit);

}  // namespace listener::ews
