#include "auth/token/token_response.h"

#include "auth/diagnosis/diagnosis.h"
#include "auth/json_object.h"
#include "plugin/contract/letters.h"
#include "plugin/contract/log.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace auth {

using plugin::Code;
using plugin::Error;
using plugin::printable;
using plugin::Reaction;
using plugin::Result;
using Hide = std::function<bool(std::string_view)>;

namespace {

struct Verdict {
    std::string_view error;
    Reaction reaction;
    Code code;
};

/// RFC 6749 5.2, and what is seen in its place. Every error not listed is a refusal of the request.
constexpr std::array verdicts{
    Verdict{"invalid_client", Reaction::askOperator, Code::tokenClientRefused},
    Verdict{"invalid_scope", Reaction::askOperator, Code::tokenScopeRefused},
    Verdict{"temporarily_unavailable", Reaction::retryLater, Code::tokenEndpointBusy},
    Verdict{"server_error", Reaction::retryLater, Code::tokenEndpointBusy},
    Verdict{"slow_down", Reaction::retryLater, Code::tokenEndpointBusy},
};

Error refusal(Code code, std::string what) { return Error{Reaction::askOperator, code, std::move(what)}; }

std::string_view trimmed(std::string_view text) {
    while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
    return text;
}

std::string httpStatus(int status) { return "HTTP " + std::to_string(status); }

bool passing(int status) { return status == 408 || status == 429 || (status >= 500 && status <= 599); }

/// A text of the server's for people, or nothing if it repeats a secret.
std::string shown(std::string_view text, const Hide& hide, std::size_t limit) {
    if (hide && hide(text)) return "(left out: it repeats a secret)";
    return printable(text, limit);
}

/// error_codes is an array of numbers: "[7000215]".
std::vector<std::int64_t> errorCodes(const JsonObject& object) {
    std::vector<std::int64_t> codes;
    const auto* member = object.find("error_codes");
    if (member == nullptr || member->kind != JsonObject::Kind::array) return codes;
    auto text = member->text.reveal();
    while (!text.empty() && codes.size() < 4) {
        const auto start = text.find_first_of("0123456789");
        if (start == std::string_view::npos) break;
        text.remove_prefix(start);
        std::int64_t number = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error != std::errc{}) break;
        codes.push_back(number);
        text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    }
    return codes;
}

std::string providerIds(const JsonObject& object, const Hide& hide) {
    std::string ids;
    const auto add = [&ids](const std::string& id) { ids += (ids.empty() ? "" : " ") + id; };
    for (const auto code : errorCodes(object)) add("AADSTS" + std::to_string(code));
    for (const std::string_view name : {"trace_id", "correlation_id", "timestamp"})
        if (const auto value = object.string(name); value && !value->empty()) add(std::string(name) + "=" + shown(*value, hide, 64));
    return ids;
}

Error fromErrorMember(const TokenAnswer& answer, const JsonObject& object, std::string_view name, plugin::Wall now, const Hide& hide) {
    const auto verdict = std::find_if(verdicts.begin(), verdicts.end(), [&](const Verdict& each) { return each.error == name; });
    Error error = verdict == verdicts.end() ? refusal(Code::tokenRequestRefused, {}) : Error{verdict->reaction, verdict->code, {}};
    if (passing(answer.status)) error = Error{Reaction::retryLater, Code::tokenEndpointBusy, {}};
    error.what = "the token endpoint answered " + httpStatus(answer.status) + " " + shown(name, hide, 64);
    if (const auto description = object.string("error_description"); description && !description->empty())
        error.what += ": " + shown(*description, hide, 300);
    for (const auto code : errorCodes(object))
        if (const auto hint = diagnosis::entraCause(code); !hint.empty()) error.what.append(" (").append(hint).append(")");
    if (error.reaction == Reaction::retryLater) error.retryAfter = parseRetryAfter(answer.retryAfter, now);
    error.provider = providerIds(object, hide);
    return error;
}

Error notJson(const TokenAnswer& answer, const Hide& hide) {
    const auto type = trimmed(answer.contentType.substr(0, answer.contentType.find(';')));
    const auto what = "the token endpoint answered " + httpStatus(answer.status) + " with " +
                      (type.empty() ? "something without a content type" : shown(type, hide, 64)) + ", not with a JSON object";
    if (answer.status / 100 == 2) return refusal(Code::tokenNotJson, what);
    if (answer.status / 100 == 3)
        return refusal(Code::tokenEndpointAnswer, "the token endpoint answered " + httpStatus(answer.status) + ": redirects are not followed");
    return refusal(Code::tokenEndpointAnswer, what);
}

/// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 5.6.7, IMF-fixdate). The weekday is not looked at.
std::optional<plugin::Wall> httpDate(std::string_view text) {
    constexpr std::string_view form = "aaa, 00 aaa 0000 00:00:00 GMT", months = "JanFebMarAprMayJunJulAugSepOctNovDec";
    if (text.size() != form.size()) return std::nullopt;
    for (std::size_t i = 0; i < form.size(); ++i) {
        const bool digit = text[i] >= '0' && text[i] <= '9';
        if (form[i] == '0' ? !digit : form[i] != 'a' && form[i] != text[i]) return std::nullopt;
    }
    const auto number = [text](std::size_t at, std::size_t count) {
        int value = 0;
        std::from_chars(text.data() + at, text.data() + at + count, value);
        return value;
    };
    const auto month = months.find(text.substr(8, 3));
    if (month == std::string_view::npos || month % 3 != 0) return std::nullopt;
    using namespace std::chrono;
    const year_month_day day(year(number(12, 4)), std::chrono::month(static_cast<unsigned>(month / 3 + 1)),
                             std::chrono::day(static_cast<unsigned>(number(5, 2))));
    const auto hour = number(17, 2), minute = number(20, 2), second = number(23, 2);
    if (number(12, 4) < 1700 || number(12, 4) > 2260) return std::nullopt;  // what Wall can hold
    if (!day.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
    return sys_days(day) + hours(hour) + minutes(minute) + seconds(second);
}

bool sendable(std::string_view token) {
    return std::all_of(token.begin(), token.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
}

std::optional<std::chrono::seconds> lifetime(const JsonObject& object, std::string_view name) {
    const auto number = object.integer(name);
    if (!number || *number < 0) return std::nullopt;
    return std::min(std::chrono::seconds(*number), maxTokenLife);
}

Result<TokenGrant> grantFrom(const JsonObject& object, const Hide& hide) {
    const auto token = object.string("access_token");
    if (!token) return refusal(Code::tokenIncomplete, "the token endpoint's answer has no access_token");
    if (token->empty()) return refusal(Code::tokenIncomplete, "the token endpoint's answer has an empty access_token");
    if (!sendable(*token)) return refusal(Code::tokenIncomplete, "the access_token has octets that no token may have (RFC 6749 A.12)");
    const auto type = object.string("token_type");
    if (!type || type->empty()) return refusal(Code::tokenTypeNotBearer, "the token endpoint's answer has no token_type");
    if (!plugin::equalsIgnoreCase(*type, "bearer"))
        return refusal(Code::tokenTypeNotBearer, "the token is of type " + shown(*type, hide, 32) + ", not bearer");

    TokenGrant grant;
    grant.accessToken = Secret(*token);
    grant.type = *type;
    grant.expiresIn = lifetime(object, "expires_in");
    grant.refreshIn = lifetime(object, "refresh_in");
    if (const auto scopes = object.string("scope")) grant.scopes = shown(*scopes, hide, 2000);
    if (const auto refresh = object.string("refresh_token"); refresh && sendable(*refresh)) grant.refreshToken = Secret(*refresh);
    return grant;
}

}  // namespace

std::optional<std::chrono::seconds> parseRetryAfter(std::string_view text, plugin::Wall now) {
    using std::chrono::seconds;
    text = trimmed(text);
    if (text.empty() || text.size() > 64) return std::nullopt;
    if (text.find_first_not_of("0123456789") == std::string_view::npos) {
        std::int64_t number = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (error != std::errc{} || number > seconds(maxRetryAfter).count()) return seconds(maxRetryAfter);
        return seconds(number);
    }
    const auto date = httpDate(text);
    if (!date) return std::nullopt;
    const auto wait = *date - now;
    return std::clamp(std::chrono::ceil<seconds>(wait), seconds(0), seconds(maxRetryAfter));
}

std::optional<std::chrono::seconds> clockOffset(std::string_view date, plugin::Wall sent, plugin::Wall received) {
    using std::chrono::seconds;
    const auto theirs = httpDate(trimmed(date));
    if (!theirs) return std::nullopt;
    if (*theirs > received) return std::chrono::ceil<seconds>(*theirs - received);
    const auto end = *theirs + seconds(1);  // a date is cut to its second
    return end < sent ? std::chrono::floor<seconds>(end - sent) : seconds(0);
}

Result<TokenGrant> judge(const TokenAnswer& answer, plugin::Wall now, const Hide& hide) {
    if (answer.body.size() > maxTokenAnswer) return refusal(Code::tokenEndpointAnswer, "the token endpoint's answer is too large to be one");
    const auto object = JsonObject::parse(answer.body);
    if (object)
        if (const auto name = object->string("error"); name && !name->empty()) return fromErrorMember(answer, *object, *name, now, hide);
    if (passing(answer.status)) {
        auto error = Error{Reaction::retryLater, Code::tokenEndpointBusy, "the token endpoint answered " + httpStatus(answer.status)};
        error.retryAfter = parseRetryAfter(answer.retryAfter, now);
        return error;
    }
    if (!object) return notJson(answer, hide);
    if (answer.status / 100 != 2)
        return refusal(Code::tokenEndpointAnswer, "the token endpoint answered " + httpStatus(answer.status) + " without an error");
    return grantFrom(*object, hide);
}

}  // namespace auth
