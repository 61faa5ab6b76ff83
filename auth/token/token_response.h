#pragma once

#include "auth/secret.h"
#include "plugin/contract/clock.h"
#include "plugin/contract/result.h"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace auth {

/// What an HTTP client got from a token endpoint. Views live as long as the answer.
struct TokenAnswer {
    int status = 0;
    std::string_view contentType{};  ///< "" if none
    std::string_view retryAfter{};   ///< "" if none
    std::string_view body{};
};

/// A usable answer (RFC 6749 5.1).
struct TokenGrant {
    Secret accessToken{};  ///< 1 or more of 0x20..0x7e (RFC 6749 A.12)
    std::string type;      ///< as written
    std::optional<std::chrono::seconds> expiresIn{};
    std::optional<std::chrono::seconds> refreshIn{};  ///< Entra: renew after this, the token stays valid
    std::string scopes{};                             ///< printable; "": not said
    Secret refreshToken{};                            ///< empty: none
};

inline constexpr std::size_t maxTokenAnswer = 256 * 1024;               ///< the largest tokens seen, times ten
inline constexpr std::chrono::hours maxRetryAfter{24};                  ///< a longer wish is a mistake
inline constexpr std::chrono::seconds maxTokenLife{10 * 365 * 86'400};  ///< keeps sums of times in range

/// Judges an answer by status and `error` (RFC 6749 5.2), never by texts. Pure.
/// now    for a Retry-After that is a date
/// hide   true for a text that must not be shown, because it repeats a secret; the server's description is then left out
/// Errors: retryLater PO-3007 (429, 5xx, temporarily_unavailable) with Retry-After; askOperator PO-3001 invalid_client, PO-3003
/// invalid_scope, PO-3002 any other `error`, PO-3004 no JSON, PO-3005 no usable token, PO-3006 not bearer, PO-3011 another status.
/// `provider` gets error_codes, trace_id, correlation_id.
plugin::Result<TokenGrant> judge(const TokenAnswer& answer, plugin::Wall now, const std::function<bool(std::string_view)>& hide);

/// Retry-After (RFC 9110 10.2.3): seconds or an HTTP date; a date gone by is 0. Nothing: neither. At most maxRetryAfter.
std::optional<std::chrono::seconds> parseRetryAfter(std::string_view text, plugin::Wall now);

/// The other side's clock minus ours, by the `date` of an answer (RFC 9110 6.6.1) whose request was `sent` and which was `received` at these times of
/// our clock: 0 where one and the same time fits both. Nothing: no such date.
std::optional<std::chrono::seconds> clockOffset(std::string_view date, plugin::Wall sent, plugin::Wall received);

}  // namespace auth
