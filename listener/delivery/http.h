#pragma once

#include "auth/access.h"
#include "listener/delivery/sink.h"
#include "plugin/contract/clock.h"

#include <chrono>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace listener {

struct HttpSettings {
    std::string name;                                           ///< of the sink
    std::string url;                                            ///< absolute
    std::map<std::string, std::string> headers{};               ///< further ones; a value may be the source of a secret (auth/secret_source.h)
    std::string signingSecret{};                                ///< the source of the Standard Webhooks secret; empty: requests are not signed
    std::string credential{};                                   ///< whose token is sent as Authorization: Bearer; empty: none
    std::string proxy{}, truststore{}, keystore{}, keyAlias{};  ///< as in auth::Target
};

/// Why a header of that name cannot be configured, as the end of a sentence that begins with the name; nothing: it can. Refused are those of the
/// contract below, those that belong to the connection, and Authorization where a credential sets it.
std::optional<std::string> headerProblem(std::string_view name, bool withCredential = false);

/// Sink "http", a webhook: POST of the exact bytes as message/rfc822, with Idempotency-Key = webhook-id = the delivery id, webhook-timestamp,
/// webhook-signature (Standard Webhooks; webhook_signature.h), X-Postern-Mailbox, X-Postern-Folder (octets beyond printable ASCII, and "%", as
/// %XX of its UTF-8), X-Postern-Received (RFC 3339, UTC) and X-Postern-Sha256 (hex, lower case). A message in a file is streamed, never held in
/// memory. Secrets are read anew for each call.
/// 2xx is delivered, 409 is known, 410 is sinkGone (askOperator); Retry-After is obeyed (seconds or a date); whatever else happens is refused, and
/// tried again. Redirects are not followed. A 401 is met once with a fresh token. An answer is what its status line and fields say, once they are
/// complete; of its body a little is read, and not waited for. What it says is told only where it repeats neither a secret nor the message.
/// Errors: sinkUnavailable, sinkRefused (retryLater), sinkGone, sinkSignIn, sinkRedirect, configBadValue (askOperator), messageStaging
/// (retryLater), configSecretSource, those of auth's channel and token. They name scheme, host and port of the URL only.
/// `access` and `clock` outlive the sink.
std::unique_ptr<Sink> makeHttp(HttpSettings settings, auth::Access& access, plugin::Clock& clock);

}  // namespace listener
