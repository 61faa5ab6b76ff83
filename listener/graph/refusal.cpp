#include "listener/graph/refusal.h"

#include "listener/graph/values.h"
#include "plugin/contract/letters.h"
#include "plugin/contract/log.h"

#include <algorithm>
#include <array>
#include <string>

namespace listener::graph {

namespace {

using plugin::Code;
using plugin::Reaction;

struct CodeRow {
    std::string_view code;
    Meaning meaning;
};

/// Source: learn.microsoft.com/graph/errors, /graph/throttling, /graph/delta-query-overview, /graph/resolve-auth-errors; codes that begin with
/// "Error" are those of EWS (web-service-reference/responsecode).
constexpr std::array codes{
    CodeRow{"InvalidAuthenticationToken", Meaning::tokenRefused},
    CodeRow{"ErrorAccessDenied", Meaning::denied},
    CodeRow{"Authorization_RequestDenied", Meaning::denied},
    CodeRow{"Authorization_IdentityNotFound", Meaning::denied},
    CodeRow{"AccessDenied", Meaning::denied},
    CodeRow{"ErrorItemNotFound", Meaning::itemGone},
    CodeRow{"ErrorMessageNotFound", Meaning::itemGone},
    CodeRow{"MailboxNotEnabledForRESTAPI", Meaning::noMailbox},
    CodeRow{"MailboxNotSupportedForRESTAPI", Meaning::noMailbox},
    CodeRow{"ErrorInvalidUser", Meaning::noMailbox},
    CodeRow{"ErrorNonExistentMailbox", Meaning::noMailbox},
    CodeRow{"Request_ResourceNotFound", Meaning::noMailbox},
    CodeRow{"ErrorFolderNotFound", Meaning::folderMissing},
    CodeRow{"ErrorInvalidIdMalformed", Meaning::folderMissing},
    CodeRow{"syncStateNotFound", Meaning::resync},
    CodeRow{"resyncRequired", Meaning::resync},
    CodeRow{"syncStateInvalid", Meaning::resync},
    CodeRow{"ErrorIrresolvableConflict", Meaning::conflict},
    CodeRow{"ApplicationThrottled", Meaning::throttled},
    CodeRow{"TooManyRequests", Meaning::throttled},
    CodeRow{"activityLimitReached", Meaning::throttled},
    CodeRow{"ErrorServerBusy", Meaning::throttled},
    CodeRow{"ErrorExceededConnectionCount", Meaning::throttled},
};

/// The outer code counts before the inner ones.
std::optional<Meaning> byCode(std::string_view names) {
    while (!names.empty()) {
        const auto name = names.substr(0, names.find('.'));
        names.remove_prefix(std::min(name.size() + 1, names.size()));
        const auto* const row = std::find_if(codes.begin(), codes.end(), [name](const CodeRow& each) { return equalsIgnoreCase(each.code, name); });
        if (row != codes.end()) return row->meaning;
    }
    return std::nullopt;
}

Meaning byStatus(const Failure& failure) {
    switch (failure.status) {
        case 401:
            return Meaning::tokenRefused;
        case 403:
            return Meaning::denied;
        case 404:
            return failure.code.empty() ? Meaning::refused : Meaning::itemGone;  // without Graph's words it is somebody else's address
        case 409:
        case 412:
            return Meaning::conflict;
        case 410:
            return Meaning::resync;
        case 429:
        case 503:
        case 504:
            return Meaning::throttled;
        case 408:
            return Meaning::trouble;
        default:
            return failure.status >= 500 ? Meaning::trouble : Meaning::refused;
    }
}

struct Consequence {
    Meaning meaning;
    Reaction reaction;
    Code code;
    std::string_view advice;
};

constexpr std::array consequences{
    Consequence{Meaning::tokenRefused, Reaction::reauthenticate, Code::mailboxSignInRefused, ""},
    Consequence{Meaning::wrongAudience, Reaction::askOperator, Code::mailboxWrongAudience,
                "the token is for another API: correct the credential's scopes"},
    Consequence{Meaning::denied, Reaction::askOperator, Code::mailboxAccess,
                "the token is good, but has no right on this mailbox: Mail.ReadWrite is missing, nobody has consented to it, or a policy leaves the "
                "mailbox out"},
    Consequence{Meaning::itemGone, Reaction::retryLater, Code::mailboxCommandRefused, ""},
    Consequence{Meaning::noMailbox, Reaction::askOperator, Code::mailboxAccess,
                "there is no mailbox of this user in Exchange Online: the name is wrong, it has no licence, or it is on an Exchange Server"},
    Consequence{Meaning::folderMissing, Reaction::askOperator, Code::mailboxFolderMissing, ""},
    Consequence{Meaning::resync, Reaction::retryLater, Code::mailboxCommandRefused, ""},
    Consequence{Meaning::conflict, Reaction::retryLater, Code::mailboxCommandRefused, ""},
    Consequence{Meaning::throttled, Reaction::retryLater, Code::mailboxThrottled, ""},
    Consequence{Meaning::trouble, Reaction::retryLater, Code::mailboxCommandRefused, ""},
    Consequence{Meaning::refused, Reaction::askOperator, Code::mailboxCommandRefused, ""},
};

}  // namespace

Meaning meaningOf(const Failure& failure) {
    const auto meaning = byCode(failure.code).value_or(byStatus(failure));
    const bool aboutToken = failure.status == 401 || meaning == Meaning::tokenRefused;
    if (aboutToken && (plugin::containsIgnoreCase(failure.message, "invalid audience") ||
                       plugin::containsIgnoreCase(failure.message, "audience claim value is invalid")))
        return Meaning::wrongAudience;
    return failure.status == 401 ? Meaning::tokenRefused : meaning;
}

bool concernsAll(Meaning meaning) { return meaning == Meaning::noMailbox || meaning == Meaning::tokenRefused || meaning == Meaning::wrongAudience; }
bool asksForTime(const Failure& failure) { return meaningOf(failure) == Meaning::throttled && failure.status < 500; }

plugin::Error refusal(const Failure& failure, std::string_view peer, std::string_view during, std::optional<std::chrono::seconds> retryAfter) {
    auto meaning = meaningOf(failure);
    if (retryAfter && meaning == Meaning::trouble) meaning = Meaning::throttled;
    const auto* const row =
        std::find_if(consequences.begin(), consequences.end(), [meaning](const Consequence& each) { return each.meaning == meaning; });
    std::string what{peer};
    what.append(": ").append(during).append(": ").append(std::to_string(failure.status));
    if (failure.code.empty())
        what += failure.status >= 300 && failure.status < 400 ? " (redirects are not followed)" : " without a word of Microsoft Graph";
    else
        what.append(" ").append(plugin::printable(failure.code, 100));
    if (!failure.message.empty()) what.append(": ").append(plugin::printable(failure.message));
    if (!row->advice.empty()) what.append(" (").append(row->advice).append(")");
    plugin::Error error{row->reaction, row->code, std::move(what)};
    if (meaning == Meaning::throttled) error.retryAfter = retryAfter;
    if (!failure.requestId.empty()) error.provider = "request-id=" + plugin::printable(failure.requestId, 64);
    if (!failure.clientRequestId.empty())
        error.provider += (error.provider.empty() ? "" : " ") + ("client-request-id=" + plugin::printable(failure.clientRequestId, 64));
    return error;
}

}  // namespace listener::graph
