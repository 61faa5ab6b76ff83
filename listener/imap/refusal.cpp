#include "listener/imap/refusal.h"

#include "listener/imap/lexer.h"
#include "plugin/contract/log.h"

#include <algorithm>
#include <string>

namespace listener::imap {

namespace {

using plugin::Code;
using plugin::Reaction;

/// Nobody is asked to wait longer than a day by a text.
constexpr std::chrono::milliseconds longestBackoff = std::chrono::hours{24};

bool hasCode(const Status& status, std::initializer_list<std::string_view> names) {
    return std::find(names.begin(), names.end(), status.code.name) != names.end();
}

bool isThrottled(const Status& status) {
    if (suggestedBackoff(status.text) || hasCode(status, {"THROTTLED"})) return true;
    for (const std::string_view phrase :
         {"request is throttled", "too many simultaneous connections", "too many connections", "maximum number of connections"})
        if (containsIgnoreCase(status.text, phrase)) return true;
    return false;
}

std::string_view conditionName(Condition condition) {
    switch (condition) {
        case Condition::ok:
            return "OK";
        case Condition::no:
            return "NO";
        case Condition::bad:
            return "BAD";
        case Condition::bye:
            return "BYE";
        case Condition::preauth:
            return "PREAUTH";
    }
    return "";
}

std::string said(const Status& status) {
    std::string text{conditionName(status.condition)};
    if (!status.code.name.empty()) text.append(" [").append(plugin::printable(status.code.name, 40)).append("]");
    if (!status.text.empty()) text.append(" ").append(plugin::printable(status.text));
    return text;
}

}  // namespace

std::optional<std::chrono::milliseconds> suggestedBackoff(std::string_view text) {
    static constexpr std::string_view phrase = "suggested backoff time:";
    for (std::size_t at = 0; at + phrase.size() <= text.size(); ++at) {
        if (!equalsIgnoreCase(text.substr(at, phrase.size()), phrase)) continue;
        Lexer lexer{text.substr(at + phrase.size())};
        lexer.skipSpaces();
        const auto number = lexer.number();
        lexer.skipSpaces();
        if (!number || !equalsIgnoreCase(lexer.rest().substr(0, 11), "millisecond")) return std::nullopt;
        return std::chrono::milliseconds{std::min<std::uint64_t>(*number, static_cast<std::uint64_t>(longestBackoff.count()))};
    }
    return std::nullopt;
}

bool saysMissing(const Status& status) { return hasCode(status, {"NONEXISTENT", "TRYCREATE"}); }

plugin::Error refusal(const Status& status, std::string_view peer, std::string_view during) {
    const auto error = [&](Reaction reaction, Code code, std::string_view meaning) {
        std::string what{peer};
        what.append(": ").append(during).append(": ").append(said(status));
        if (!meaning.empty()) what.append(" (").append(meaning).append(")");
        return plugin::Error{reaction, code, std::move(what)};
    };
    if (isThrottled(status)) {
        auto throttled = error(Reaction::retryLater, Code::mailboxThrottled, "");
        throttled.retryAfter = suggestedBackoff(status.text);
        return throttled;
    }
    if (containsIgnoreCase(status.text, "authenticated but not connected"))
        return error(Reaction::askOperator, Code::mailboxAccess,
                     "the sign-in was accepted, the mailbox not opened: the application or user has no FullAccess to it, its service principal is "
                     "not registered with the enterprise application's object id, the mailbox name is wrong, IMAP is disabled for it, the tenant "
                     "is another, or the server is under load");
    if (hasCode(status, {"AUTHORIZATIONFAILED"}))
        return error(Reaction::askOperator, Code::mailboxAccess, "signed in, but not allowed to act for this mailbox");
    if (status.condition == Condition::bye) return error(Reaction::reconnect, Code::mailboxClosedByServer, "");
    if (hasCode(status, {"NOPERM", "CONTACTADMIN", "CANNOT", "READ-ONLY", "PRIVACYREQUIRED"}))
        return error(Reaction::askOperator, Code::mailboxCommandRefused, "");
    return error(Reaction::retryLater, Code::mailboxCommandRefused, "");
}

bool saysSignInRefused(const Status& status) {
    return hasCode(status, {"AUTHENTICATIONFAILED", "EXPIRED"}) || containsIgnoreCase(status.text, "invalid credentials");
}

/// Exchange Online: "* BYE Session invalidated - AccessTokenExpired".
bool saysSignInOver(const Status& status) {
    return saysSignInRefused(status) || containsIgnoreCase(status.text, "session expired") || containsIgnoreCase(status.text, "session invalidated");
}

plugin::Error sessionExpired(std::string_view peer, const Status& status) {
    return {Reaction::reconnect, Code::mailboxSessionExpired,
            std::string{peer} + ": the server ended the session with the token's life: " + said(status)};
}

bool isNotAboutCredentials(const Status& status, const plugin::Error& error) {
    return error.code != Code::mailboxCommandRefused ||
           hasCode(status, {"UNAVAILABLE", "INUSE", "SERVERBUG", "LIMIT", "OVERQUOTA", "CONTACTADMIN", "PRIVACYREQUIRED"});
}

}  // namespace listener::imap
