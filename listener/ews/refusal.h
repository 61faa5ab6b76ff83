#pragma once

#include "listener/ews/answer.h"
#include "plugin/contract/result.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace listener::ews {

/// What a ResponseCode means for whoever asked.
enum class Meaning {
    busy,           ///< back off as long as it says; no request of any kind meanwhile
    crowded,        ///< too many requests at a time
    subscriptions,  ///< too many subscriptions on the mailbox: ask now and then instead
    tooMuch,        ///< a smaller batch may go
    transient,      ///< again later
    away,           ///< again later: the whole mailbox is not to be had now, or the way to it
    moves,          ///< the same, and another server will have it: what the one before knew of us is lost
    resync,         ///< what was known of a folder's state means nothing any more
    folderGone,     ///<
    folderExists,   ///<
    itemGone,       ///< or not readable yet
    poison,         ///< the server cannot render this one message
    again,          ///< it was not looked at: resend just that
    subscription,   ///< a subscription is dead: make a new one
    impersonation,  ///< the account may not act for the mailbox
    closed,         ///< the mailbox is not to be had, until somebody changes something
    version,        ///< the server is older than the schema asked for
    ourFault,       ///< the request is wrong
    unknown,        ///< servers know more codes than their schema
};
Meaning meaningOf(std::string_view code);
/// For Meaning::crowded: where fewer requests at a time is what helps.
inline constexpr std::chrono::seconds crowdedBackOff{30};
/// May a fault come from one of several things that were asked for at once? Then the others are to be had without it.
bool mayBeOfOne(Meaning meaning);

/// What to do about it, with a text for people. `said`: the server's words, fit to be shown. Errors mailboxThrottled, mailboxCommandRefused
/// (retryLater), mailboxAccess, mailboxProtocol, mailboxFolderMissing (askOperator).
plugin::Error refusal(std::string_view code, std::string_view said, std::optional<std::chrono::milliseconds> backOff, std::string_view peer,
                      std::string_view during);

/// An answer that is none of SOAP's: by status and headers. `reason`: X-EWS-Policy-Reason. `said`: its first octets, fit to be shown.
struct Refused {
    int status = 0;
    std::string reason{};
    std::string said{};
    std::optional<std::chrono::milliseconds> retryAfter{};
    std::string user{};         ///< the mailbox
    std::string application{};  ///< client id of the token; "": not known
    bool html = false;
};
plugin::Error refusal(const Refused& refused, std::string_view peer, std::string_view during);

}  // namespace listener::ews
