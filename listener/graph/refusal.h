#pragma once

#include "listener/graph/answer.h"
#include "plugin/contract/result.h"

#include <chrono>
#include <optional>
#include <string_view>

/// What an answer that is no success means for the caller. Pure.
namespace listener::graph {

enum class Meaning {
    tokenRefused,   ///< 401: a new token, once
    wrongAudience,  ///< 401: a token of this kind never passes
    denied,         ///< a permission, consent or scope is missing for this mailbox
    itemGone,       ///< the object is not there, or not readable yet
    noMailbox,      ///< there is no mailbox of this name that Graph reaches
    folderMissing,
    resync,    ///< what has changed cannot be told any more: to be listed from the start
    conflict,  ///< somebody else changed it meanwhile: once more
    throttled,
    trouble,  ///< of the server's own
    refused,  ///< anything else
};

/// By error code, whatever its case, inner ones too; where none is known by status.
Meaning meaningOf(const Failure& failure);

/// The whole mailbox's: no other message would fare better.
bool concernsAll(Meaning meaning);
/// Of everybody, and not because one message takes it long: what a server says of a single one has a status above 500.
bool asksForTime(const Failure& failure);

///   tokenRefused   reauthenticate  mailboxSignInRefused            folderMissing   askOperator     mailboxFolderMissing
///   wrongAudience  askOperator     mailboxWrongAudience            itemGone, conflict, trouble, resync
///   denied         askOperator     mailboxAccess                                   retryLater      mailboxCommandRefused
///   noMailbox      askOperator     mailboxAccess                   throttled       retryLater      mailboxThrottled, retryAfter
///   refused        askOperator     mailboxCommandRefused
/// peer  "https://host"   during  what was asked for, for people   retryAfter  as the server asked; with one, trouble is throttled
plugin::Error refusal(const Failure& failure, std::string_view peer, std::string_view during, std::optional<std::chrono::seconds> retryAfter);

}  // namespace listener::graph
