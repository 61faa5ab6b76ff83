#pragma once

#include "listener/imap/response.h"
#include "plugin/contract/result.h"

#include <chrono>
#include <optional>
#include <string_view>

namespace listener::imap {

/// "Suggested Backoff Time: 299910 milliseconds" (Exchange Online, in NO, BAD and BYE).
std::optional<std::chrono::milliseconds> suggestedBackoff(std::string_view text);

/// Does the server say by its code that the folder is not there? (NONEXISTENT: RFC 5530, TRYCREATE: RFC 3501)
bool saysMissing(const Status& status);

/// What a NO, BAD or BYE means for the caller, whatever it was about:
///   throttled, too many connections                                               retryLater    mailboxThrottled, retryAfter if a time is named
///   "User is authenticated but not connected", AUTHORIZATIONFAILED                askOperator   mailboxAccess: the token is fine
///   BYE                                                                           reconnect     mailboxClosedByServer
///   NOPERM, CONTACTADMIN, CANNOT, READ-ONLY, PRIVACYREQUIRED                      askOperator   mailboxCommandRefused
///   anything else: UNAVAILABLE, INUSE, SERVERBUG, LIMIT, OVERQUOTA, no code …     retryLater    mailboxCommandRefused
/// peer  "host:port"      during  what we had asked for, for people: "SELECT \"Sales\""
plugin::Error refusal(const Status& status, std::string_view peer, std::string_view during);

/// In a session that has long been signed in: does the server not know us any more? (Gmail, and others, end the session with the token's life.)
bool saysSignInOver(const Status& status);
/// The same, in words that would refuse a sign-in: the token is of no use any more.
bool saysSignInRefused(const Status& status);
/// reconnect mailboxSessionExpired
plugin::Error sessionExpired(std::string_view peer, const Status& status);

/// Of a NO or BAD in answer to a sign-in, with what refusal() made of it: is it about the state of the server or the mailbox, not about who signs in?
bool isNotAboutCredentials(const Status& status, const plugin::Error& error);

}  // namespace listener::imap
