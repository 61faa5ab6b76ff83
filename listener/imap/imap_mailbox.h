#pragma once

#include "auth/access.h"
#include "listener/mailbox.h"
#include "plugin/contract/log.h"

#include <chrono>
#include <memory>
#include <set>
#include <string>

namespace listener::imap {

/// What one IMAP session needs to know; from the configuration.
struct Settings {
    std::string alias;  ///< for the log
    auth::Target target;
    std::string user;
    std::string credential;
    std::string sasl = "auto";  ///< auto|xoauth2|oauthbearer|plain
    std::chrono::milliseconds connectTimeout{30'000};
    std::chrono::milliseconds ioTimeout{60'000};   ///< without one byte, on any command
    std::set<std::string> disabledCapabilities{};  ///< upper case
    bool push = true;                              ///< may IDLE and NOTIFY be used?
};

/// A session by IMAP4rev1 (RFC 3501; extensions as CAPABILITY lists them after sign-in: SASL-IR 4959, UIDPLUS 4315, MOVE 6851,
/// ESEARCH 4731, LITERAL+ 7888, ID 2971). The constructor does no I/O. `access` and `log` outlive it.
std::unique_ptr<Mailbox> makeMailbox(Settings settings, auth::Access& access, plugin::Log& log, std::string version);

}  // namespace listener::imap
