#pragma once

#include "listener/imap/session.h"
#include "listener/mailbox.h"

#include <chrono>
#include <string>
#include <vector>

namespace listener::imap {

/// IDLE is begun anew that often: RFC 2177 says every 29 minutes, many a router on the way forgets a quiet connection after ten. Also how long a
/// line can be dead unnoticed, where TCP does not notice sooner.
inline constexpr std::chrono::minutes idleTime{9};
/// So long the server has for ending IDLE (or the I/O time-out, if that is shorter).
inline constexpr std::chrono::seconds idleEndTime{15};

/// By IDLE (RFC 2177) or NOTIFY (RFC 5465), if that is wanted, offered and kept.
bool tellsOfArrivals(const Session& session);

/// After list(): how far the open folder has been looked into.
void lookedInto(Session& session, const Listing& listing);

/// Mailbox::watch(). The first folder is watched by IDLE; the others by NOTIFY, else they are asked about every `sweep` (STATUS, in one LIST where
/// RFC 5819 is offered). Errors: those of select(); refusal(); channelTimeout when the end of IDLE is not answered; reconnect
/// mailboxSessionExpired in order, when the server would soon end the session itself.
plugin::Task<plugin::Result<std::vector<std::string>>> watchFolders(Session& session, Watching watching, std::stop_token stop);

}  // namespace listener::imap
