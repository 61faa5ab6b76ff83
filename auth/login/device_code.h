#pragma once

#include "auth/login/dialogue.h"
#include "auth/secret.h"
#include "plugin/contract/result.h"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace auth::login {

/// The answer of a device authorization endpoint (RFC 8628 3.2).
struct DeviceAuthorization {
    Secret deviceCode{};
    DevicePrompt prompt{};  ///< printable
    std::chrono::seconds life{900};
    std::chrono::seconds interval{5};  ///< between two questions; 5 where the answer has none
};

inline constexpr std::chrono::seconds longestDeviceLife{24 * 3600};

/// Nothing: no JSON object, or device_code, user_code or verification_uri is missing or cannot be shown or sent. Pure.
std::optional<DeviceAuthorization> parseDeviceAuthorization(std::string_view body);

/// When a device's code is asked about (RFC 8628 3.5). Pure.
class Polling {
public:
    explicit Polling(std::chrono::seconds interval) : interval_(interval) {}

    enum class Next {
        askAgain,  ///< after wait()
        answered,  ///< what the request brought is the end, good or bad
    };
    /// error     the answer's "error"; "": it has none
    /// outcome   what was made of the answer: nothing for a token
    /// authorization_pending goes on; slow_down makes the interval 5 s longer; no answer and a busy server double it, up to a minute or what
    /// Retry-After says.
    Next after(std::string_view error, const std::optional<plugin::Error>& outcome);
    std::chrono::milliseconds wait() const { return wait_.value_or(interval_); }

private:
    std::chrono::seconds interval_;
    std::optional<std::chrono::milliseconds> wait_{};  ///< once instead of the interval
};

/// What the end of it means: access_denied and authorization_declined (Entra) are tokenSignInAbandoned, so are expired_token and code_expired;
/// bad_verification_code is tokenSignInRefused; all else stays what it is.
plugin::Error deviceRefusal(std::string_view error, plugin::Error outcome);

}  // namespace auth::login
