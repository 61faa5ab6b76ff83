#include "auth/login/device_code.h"

#include "auth/json_object.h"
#include "plugin/contract/log.h"

#include <algorithm>

namespace auth::login {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using std::chrono::seconds;

namespace {

constexpr seconds slowerBy{5};
constexpr seconds longestInterval{60};
constexpr std::size_t longestUri = 2000, longestCode = 100;

bool isPrintable(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c <= 0x7e; });
}

std::string text(const JsonObject& object, std::string_view name, std::size_t limit) {
    const auto value = object.string(name).value_or("");
    return value.size() <= limit && isPrintable(value) ? std::string(value) : std::string();
}

}  // namespace

std::optional<DeviceAuthorization> parseDeviceAuthorization(std::string_view body) {
    const auto object = JsonObject::parse(body);
    if (!object) return std::nullopt;
    DeviceAuthorization read;
    const auto code = object->string("device_code").value_or("");
    if (code.empty() || !isPrintable(code)) return std::nullopt;
    read.deviceCode = Secret(code);
    read.prompt.code = text(*object, "user_code", longestCode);
    read.prompt.uri = text(*object, "verification_uri", longestUri);
    if (read.prompt.uri.empty()) read.prompt.uri = text(*object, "verification_url", longestUri);  // Google
    read.prompt.uriWithCode = text(*object, "verification_uri_complete", longestUri);
    if (read.prompt.code.empty() || read.prompt.uri.empty()) return std::nullopt;
    if (const auto life = object->integer("expires_in"); life && *life > 0) read.life = std::min(seconds(*life), longestDeviceLife);
    if (const auto interval = object->integer("interval"); interval && *interval > 0) read.interval = std::min(seconds(*interval), longestInterval);
    return read;
}

Polling::Next Polling::after(std::string_view error, const std::optional<Error>& outcome) {
    wait_.reset();
    if (!outcome) return Next::answered;
    if (error == "authorization_pending") return Next::askAgain;
    if (error == "slow_down") {
        interval_ += slowerBy;
        return Next::askAgain;
    }
    const bool passing = outcome->code == Code::tokenEndpointUnreachable || outcome->code == Code::tokenEndpointBusy;
    if (!passing || outcome->reaction != Reaction::retryLater) return Next::answered;
    interval_ = std::max(interval_, std::min(2 * interval_, longestInterval));
    wait_ = outcome->retryAfter;
    if (wait_ && *wait_ < interval_) wait_.reset();
    return Next::askAgain;
}

Error deviceRefusal(std::string_view error, Error outcome) {
    if (error == "access_denied" || error == "authorization_declined" || error == "expired_token" || error == "code_expired")
        outcome.code = Code::tokenSignInAbandoned;
    if (error == "bad_verification_code") outcome.code = Code::tokenSignInRefused;
    return outcome;
}

}  // namespace auth::login
