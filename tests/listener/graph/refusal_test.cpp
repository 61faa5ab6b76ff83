#include "listener/graph/refusal.h"

#include <catch2/catch.hpp>

using namespace listener::graph;
using plugin::Code;
using plugin::Reaction;

namespace {

struct Row {
    int status;
    const char* code;
    Meaning meaning;
    Reaction reaction;
    Code means;
};

plugin::Error errorOf(int status, const std::string& code, const std::string& message = "", std::optional<std::chrono::seconds> retryAfter = {}) {
    return refusal({.status = status, .code = code, .message = message, .requestId = "r-1"}, "https://graph.example.com", "doing something",
                   retryAfter);
}

}  // namespace

SCENARIO("each refusal of Graph has its consequence", "[graph]") {
    const auto row = GENERATE(values<Row>({
        {401, "InvalidAuthenticationToken", Meaning::tokenRefused, Reaction::reauthenticate, Code::mailboxSignInRefused},
        {401, "", Meaning::tokenRefused, Reaction::reauthenticate, Code::mailboxSignInRefused},
        {403, "ErrorAccessDenied", Meaning::denied, Reaction::askOperator, Code::mailboxAccess},
        {403, "Authorization_RequestDenied", Meaning::denied, Reaction::askOperator, Code::mailboxAccess},
        {403, "", Meaning::denied, Reaction::askOperator, Code::mailboxAccess},
        {404, "ErrorItemNotFound", Meaning::itemGone, Reaction::retryLater, Code::mailboxCommandRefused},
        {404, "MailboxNotEnabledForRESTAPI", Meaning::noMailbox, Reaction::askOperator, Code::mailboxAccess},
        {404, "ErrorInvalidUser", Meaning::noMailbox, Reaction::askOperator, Code::mailboxAccess},
        {404, "Request_ResourceNotFound", Meaning::noMailbox, Reaction::askOperator, Code::mailboxAccess},
        {404, "ErrorFolderNotFound", Meaning::folderMissing, Reaction::askOperator, Code::mailboxFolderMissing},
        {400, "ErrorInvalidIdMalformed", Meaning::folderMissing, Reaction::askOperator, Code::mailboxFolderMissing},
        {410, "", Meaning::resync, Reaction::retryLater, Code::mailboxCommandRefused},
        {410, "SyncStateNotFound", Meaning::resync, Reaction::retryLater, Code::mailboxCommandRefused},
        {400, "syncstatenotfound", Meaning::resync, Reaction::retryLater, Code::mailboxCommandRefused},
        {409, "resyncRequired", Meaning::resync, Reaction::retryLater, Code::mailboxCommandRefused},
        {400, "SYNCSTATEINVALID", Meaning::resync, Reaction::retryLater, Code::mailboxCommandRefused},
        {400, "BadRequest.syncStateInvalid", Meaning::resync, Reaction::retryLater, Code::mailboxCommandRefused},
        {412, "ErrorIrresolvableConflict", Meaning::conflict, Reaction::retryLater, Code::mailboxCommandRefused},
        {409, "Conflict", Meaning::conflict, Reaction::retryLater, Code::mailboxCommandRefused},
        {429, "", Meaning::throttled, Reaction::retryLater, Code::mailboxThrottled},
        {429, "ApplicationThrottled", Meaning::throttled, Reaction::retryLater, Code::mailboxThrottled},
        {403, "activityLimitReached", Meaning::throttled, Reaction::retryLater, Code::mailboxThrottled},
        {503, "ServiceUnavailable", Meaning::throttled, Reaction::retryLater, Code::mailboxThrottled},
        {504, "", Meaning::throttled, Reaction::retryLater, Code::mailboxThrottled},
        {502, "", Meaning::trouble, Reaction::retryLater, Code::mailboxCommandRefused},
        {500, "ErrorInternalServerError", Meaning::trouble, Reaction::retryLater, Code::mailboxCommandRefused},
        {400, "BadRequest", Meaning::refused, Reaction::askOperator, Code::mailboxCommandRefused},
        {404, "", Meaning::refused, Reaction::askOperator, Code::mailboxCommandRefused},
        {301, "", Meaning::refused, Reaction::askOperator, Code::mailboxCommandRefused},
    }));
    INFO(row.status << " " << row.code);
    CHECK(meaningOf({.status = row.status, .code = row.code}) == row.meaning);
    const auto error = errorOf(row.status, row.code);
    CHECK(error.reaction == row.reaction);
    CHECK(error.code == row.means);
    CHECK(error.what.starts_with("https://graph.example.com: doing something: " + std::to_string(row.status)));
    CHECK(error.provider == "request-id=r-1");
    CHECK(!error.retryAfter);
}

SCENARIO("a token for another API is no token to be renewed", "[graph]") {
    const auto error = errorOf(401, "InvalidAuthenticationToken", "Access token validation failure. Invalid audience.");
    CHECK(error.reaction == Reaction::askOperator);
    CHECK(error.code == Code::mailboxWrongAudience);
}

SCENARIO("who names a time is obeyed", "[graph]") {
    for (const int status : {429, 500, 502, 503, 504}) {
        const auto error = errorOf(status, "", "", std::chrono::seconds{17});
        CHECK(error.code == Code::mailboxThrottled);
        CHECK(error.retryAfter == std::chrono::seconds{17});
    }
}

SCENARIO("what a server says is shown on one line and not without end", "[graph]") {
    const auto error = errorOf(403, "Error\r\nAccessDenied", "a\nb\x1b[31m" + std::string(5000, 'x'));
    CHECK(error.what.size() < 1000);
    CHECK(error.what.find_first_of("\r\n\x1b") == std::string::npos);
}
