#pragma once

#include "auth/access.h"
#include "listener/delivery/sink.h"
#include "plugin/contract/clock.h"

#include <chrono>
#include <map>
#include <memory>
#include <string>

namespace listener {

struct HttpSettings {
    std::string name;                                           ///< of the sink
    std::string url;                                            ///< absolute
    std::map<std::string, std::string> headers{};               ///< further ones; a value may be the source of a secret (auth/secret_source.h)
    std::string signingSecret{};                                ///< the source of the Standard Webhooks secret; empty: requests are not signed
    std::string credential{};                                   ///< whose token is sent as Authorization: Bearer; empty: none
    std::string proxy{}, truststore{}, keystore{}, keyAlias{};  ///< as in auth::Target
};

/// Sink "http", a webhook: POST of the exact bytes as message/rfc822, with Idempotency-Key = webhook-id = the delivery id.
/// 2xx is delivered, 409 is known, 410 is sinkGone (askOperator); Retry-After is obeyed (seconds or a date); whatever else happens is refused, and
/// tried again. Redirects are not followed. A message in a file is streamed, never held in memory.
/// Errors: sinkUnavailable, sinkRefused (retryLater), sinkGone, sinkSignIn, sinkRedirect (askOperator), those of auth's channel and token.
/// `access` and `clock` outlive the sink.
std::unique_ptr<Sink> makeHttp(HttpSettings settings, auth::Access& access, plugin::Clock& clock);

}  // namespace listener
