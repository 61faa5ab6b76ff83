#include "listener/ews/refusal.h"

#include "listener/request_limit.h"

#include <algorithm>
#include <array>

namespace listener::ews {

namespace {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;

struct Row {
    std::string_view code;
    Meaning meaning;
};

/// learn.microsoft.com/exchange/client-developer/web-service-reference/responsecode, and what is written there and elsewhere about what to do.
constexpr std::array rows{
    Row{"ErrorServerBusy", Meaning::busy},
    Row{"ErrorTooManyObjectsOpened", Meaning::crowded},
    Row{"ErrorExceededConnectionCount", Meaning::crowded},
    Row{"ErrorExceededSubscriptionCount", Meaning::subscriptions},
    Row{"ErrorTimeoutExpired", Meaning::tooMuch},
    Row{"ErrorNotEnoughMemory", Meaning::tooMuch},
    Row{"ErrorDataSizeLimitExceeded", Meaning::tooMuch},
    Row{"ErrorMessageSizeExceeded", Meaning::tooMuch},
    Row{"ErrorInternalServerTransientError", Meaning::transient},
    Row{"ErrorInternalServerError", Meaning::transient},
    Row{"ErrorADUnavailable", Meaning::away},
    Row{"ErrorConnectionFailed", Meaning::away},
    Row{"ErrorMailboxStoreUnavailable", Meaning::away},
    Row{"ErrorMailboxMoveInProgress", Meaning::moves},
    Row{"ErrorMailboxFailover", Meaning::moves},
    Row{"ErrorClientDisconnected", Meaning::transient},
    Row{"ErrorNoRespondingCASInDestinationSite", Meaning::away},
    Row{"ErrorInvalidSyncStateData", Meaning::resync},
    Row{"ErrorSyncFolderNotFound", Meaning::folderGone},
    Row{"ErrorFolderNotFound", Meaning::folderGone},
    Row{"ErrorParentFolderNotFound", Meaning::folderGone},
    Row{"ErrorToFolderNotFound", Meaning::folderGone},
    Row{"ErrorFolderExists", Meaning::folderExists},
    Row{"ErrorItemNotFound", Meaning::itemGone},
    Row{"ErrorMimeContentConversionFailed", Meaning::poison},
    Row{"ErrorContentConversionFailed", Meaning::poison},
    Row{"ErrorItemCorrupt", Meaning::poison},
    Row{"ErrorCorruptData", Meaning::poison},
    Row{"ErrorUnsupportedMimeConversion", Meaning::poison},
    Row{"ErrorUnsupportedTypeForConversion", Meaning::poison},
    Row{"ErrorBatchProcessingStopped", Meaning::again},
    Row{"ErrorSubscriptionNotFound", Meaning::subscription},
    Row{"ErrorInvalidSubscription", Meaning::subscription},
    Row{"ErrorReadEventsFailed", Meaning::subscription},
    Row{"ErrorInvalidWatermark", Meaning::subscription},
    Row{"ErrorMissedNotificationEvents", Meaning::subscription},
    Row{"ErrorSubscriptionAccessDenied", Meaning::subscription},
    Row{"ErrorProxyRequestNotAllowed", Meaning::subscription},
    Row{"ErrorImpersonateUserDenied", Meaning::impersonation},
    Row{"ErrorImpersonationDenied", Meaning::impersonation},
    Row{"ErrorImpersonationFailed", Meaning::impersonation},
    Row{"ErrorNonExistentMailbox", Meaning::closed},
    Row{"ErrorNonPrimarySmtpAddress", Meaning::closed},
    Row{"ErrorAccessDenied", Meaning::closed},
    Row{"ErrorAccountDisabled", Meaning::closed},
    Row{"ErrorInvalidLicense", Meaning::closed},
    Row{"ErrorOrganizationAccessBlocked", Meaning::closed},
    Row{"ErrorImpersonationRequired", Meaning::ourFault},
    Row{"ErrorInvalidServerVersion", Meaning::version},
    Row{"ErrorSchemaValidation", Meaning::ourFault},
    Row{"ErrorInvalidRequest", Meaning::ourFault},
    Row{"ErrorInvalidIdMalformed", Meaning::ourFault},
};

/// The likely cause, where the server's words do not say it.
std::string_view explanation(std::string_view code) {
    if (code == "ErrorNonExistentMailbox") return "there is no mailbox of this address: check .user";
    if (code == "ErrorNonPrimarySmtpAddress") return "this is another address of the mailbox: write its primary one into .user";
    if (code == "ErrorAccessDenied") return "the application or user has no right on this mailbox, or a management scope leaves it out";
    if (code == "ErrorAccountDisabled") return "the account of the mailbox is disabled";
    if (code == "ErrorInvalidLicense") return "the licence of the mailbox has no EWS";
    if (code == "ErrorOrganizationAccessBlocked") return "the whole organisation is blocked";
    if (code == "ErrorImpersonationRequired")
        return "an application's request must name the mailbox it acts for: check .user and the credential's grant";
    if (meaningOf(code) == Meaning::impersonation)
        return "the account may not act for this mailbox: it needs full_access_as_app (Exchange Online) or the role ApplicationImpersonation "
               "(Exchange Server)";
    return {};
}

Error error(Reaction reaction, Code code, std::string_view peer, std::string_view during, std::string_view text) {
    std::string what{peer};
    what.append(": ").append(during).append(": ").append(text);
    return {reaction, code, std::move(what)};
}

/// EWS is off for the tenant or the mailbox, or not for us (Exchange Online; since October 2026 for all who have not asked for more time).
Error blocked(const Refused& refused, std::string_view peer, std::string_view during) {
    const bool byPolicy = refused.reason.find("blocked by policy") != std::string::npos;
    const auto application = refused.application.empty() ? std::string{"APPLICATION-ID"} : refused.application;
    std::string text = "403, X-EWS-Policy-Reason: " + refused.reason + ". ";
    if (byPolicy) {
        text +=
            "This application is not among those the tenant lets use EWS. Until EWS ends an administrator can add it: Get-OrganizationConfig "
            "-RetrieveEwsOperationAccessPolicy, then Set-OrganizationConfig -EwsAllowedAppIDs with the whole list and " +
            application + "; it takes up to 24 hours";
    } else {
        text +=
            "EWS is switched off for the tenant or for this mailbox. Until EWS ends an administrator can switch it on: Set-OrganizationConfig "
            "-EwsEnabled $true, Set-CASMailbox -Identity " +
            refused.user + " -EwsEnabled $true";
    }
    text += ". Exchange Online ends EWS for everybody on 1 April 2027: set protocol = graph for this mailbox";
    return error(Reaction::askOperator, Code::mailboxEwsBlocked, peer, during, text);
}

}  // namespace

Meaning meaningOf(std::string_view code) {
    const auto* const found = std::find_if(rows.begin(), rows.end(), [code](const Row& row) { return row.code == code; });
    return found == rows.end() ? Meaning::unknown : found->meaning;
}

bool mayBeOfOne(Meaning meaning) {
    constexpr std::array some{Meaning::tooMuch, Meaning::transient, Meaning::itemGone, Meaning::poison, Meaning::again, Meaning::unknown};
    return std::find(some.begin(), some.end(), meaning) != some.end();
}

Error refusal(std::string_view code, std::string_view said, std::optional<std::chrono::milliseconds> backOff, std::string_view peer,
              std::string_view during) {
    std::string text{code.empty() ? "refused without a code" : code};
    if (!said.empty()) text.append(" (").append(said).append(")");
    if (const auto why = explanation(code); !why.empty()) text.append(": ").append(why);
    const auto as = [&](Reaction reaction, Code which) { return error(reaction, which, peer, during, text); };
    auto slower = as(Reaction::retryLater, Code::mailboxThrottled);
    switch (meaningOf(code)) {
        case Meaning::busy:
            slower.retryAfter = backOff;
            return slower;
        case Meaning::crowded:
            slower.retryAfter = std::clamp<std::chrono::milliseconds>(backOff.value_or(crowdedBackOff), crowdedBackOff, RequestLimit::longestRest);
            return slower;
        case Meaning::folderGone:
            return as(Reaction::askOperator, Code::mailboxFolderMissing);
        case Meaning::impersonation:
        case Meaning::closed:
            return as(Reaction::askOperator, Code::mailboxAccess);
        case Meaning::version:
        case Meaning::ourFault:
            return as(Reaction::askOperator, Code::mailboxProtocol);
        case Meaning::subscriptions:
        case Meaning::tooMuch:
        case Meaning::transient:
        case Meaning::away:
        case Meaning::moves:
        case Meaning::resync:
        case Meaning::folderExists:
        case Meaning::itemGone:
        case Meaning::poison:
        case Meaning::again:
        case Meaning::subscription:
        case Meaning::unknown:
            break;
    }
    auto later = as(Reaction::retryLater, Code::mailboxCommandRefused);
    later.retryAfter = backOff;
    return later;
}

Error refusal(const Refused& refused, std::string_view peer, std::string_view during) {
    const auto status = std::to_string(refused.status);
    const auto text = refused.said.empty() ? status : status + ", \"" + refused.said + "\"";
    if (refused.status == 403 && !refused.reason.empty()) return blocked(refused, peer, during);
    if (refused.status == 403)
        return error(Reaction::askOperator, Code::mailboxEwsForbidden, peer, during,
                     text +
                         ": signed in, but the mailbox stays closed: its licence has no EWS (Kiosk, F1 and F3 have none), the application lacks "
                         "full_access_as_app, or conditional access forbids it");
    if (refused.status == 429 || refused.status == 502 || refused.status == 503 || refused.status == 504) {
        auto busy = error(Reaction::retryLater, Code::mailboxThrottled, peer, during, text);
        busy.retryAfter = refused.retryAfter;
        return busy;
    }
    if (refused.html || (refused.status >= 300 && refused.status < 400))
        return error(Reaction::askOperator, Code::channelHttpProtocol, peer, during,
                     text + ": what answers there is no EWS: a wrong .url, the login page of a proxy, or a mailbox that has moved");
    if (refused.status == 404 || refused.status == 410)
        return error(Reaction::askOperator, Code::channelHttpProtocol, peer, during, text + ": there is no EWS at this .url");
    auto later = error(Reaction::retryLater, Code::mailboxCommandRefused, peer, during, text);
    later.retryAfter = refused.retryAfter;
    return later;
}

}  // namespace listener::ews
