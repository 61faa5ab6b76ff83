#include "listener/delivery/http_verdict.h"

#include "auth/token/token_response.h"
#include "plugin/contract/letters.h"

#include <algorithm>

namespace listener {
namespace {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;

bool isPlainText(std::string_view contentType) {
    auto type = plugin::lowerCase(contentType.substr(0, contentType.find(';')));
    while (!type.empty() && type.back() == ' ') type.pop_back();
    return type == "text/plain" || type == "application/json" || (type.starts_with("application/") && type.ends_with("+json"));
}

/// Where a redirect leads to, as far as that may be told.
std::string leadingTo(const HttpReply& reply, const std::string& origin, const Hidden& hidden) {
    const auto location = reply.headers.find("Location");
    if (!location || location->empty()) return {};
    const auto other = originOf(*location);
    if (other == origin) return " to another path of the same host";
    if (!other.empty()) return hidden.isIn(other) ? "" : " to " + plugin::printable(other);
    return location->starts_with("/") && !location->starts_with("//") ? " to another path of the same host" : "";
}

/// Only of statuses that are no success.
Error refusal(const std::string& origin, const HttpReply& reply, const std::string& shown, const Hidden& hidden) {
    const auto answers = origin + " answers " + std::to_string(reply.status);
    const auto saying = shown.empty() ? std::string() : ": " + shown;
    if (reply.status == 401) return {Reaction::askOperator, Code::sinkSignIn, answers + " (it does not know us)" + saying};
    if (reply.status == 403) return {Reaction::askOperator, Code::sinkSignIn, answers + " (it does not let us)" + saying};
    if (reply.status == 410) return {Reaction::askOperator, Code::sinkGone, answers + " (it takes no messages any more)" + saying};
    if (reply.status >= 300 && reply.status < 400)
        return {Reaction::askOperator, Code::sinkRedirect, answers + ": a redirect" + leadingTo(reply, origin, hidden)};
    return {Reaction::retryLater, Code::sinkRefused, answers + saying};
}

}  // namespace

std::string shownText(const HttpReply& reply, const Hidden& hidden) {
    const auto type = reply.headers.find("Content-Type");
    if (!type || !isPlainText(*type)) return {};
    auto text = reply.text.substr(0, replyTextLimit);
    for (char& c : text)
        if (c == '\r' || c == '\n' || c == '\t') c = ' ';
    const auto isPrintable = [](char c) { return c >= 0x20 && c < 0x7f && c != '@'; };
    if (!std::ranges::all_of(text, isPrintable) || hidden.isIn(text)) return {};
    const auto first = text.find_first_not_of(' ');
    if (first == std::string::npos) return {};
    return plugin::printable(text.substr(first, text.find_last_not_of(' ') - first + 1));
}

bool settles(int status) { return (status >= 200 && status < 300) || status == 409; }

void judge(Delivery& delivery, const std::string& origin, const HttpReply& reply, const std::string& shown, const Hidden& hidden, plugin::Wall now) {
    if (settles(reply.status)) return reply.status == 409 ? delivery.known() : delivery.delivered();
    auto error = refusal(origin, reply, shown, hidden);
    if (const auto wish = reply.headers.find("Retry-After")) error.retryAfter = auth::parseRetryAfter(*wish, now);
    delivery.refused(std::move(error));
}

Error unanswered(Error error) {
    if (error.reaction == Reaction::reconnect || error.reaction == Reaction::reauthenticate || error.reaction == Reaction::setAside)
        error.reaction = Reaction::retryLater;
    return error;
}

std::string originOf(std::string_view url) {
    const auto parts = auth::parseHttpUrl(url);
    return parts ? (parts->tls ? "https://" : "http://") + parts->authority : std::string();
}

}  // namespace listener
