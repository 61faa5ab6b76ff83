#pragma once

#include "auth/secret.h"
#include "plugin/contract/clock.h"
#include "plugin/contract/result.h"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace listener {

/// The keys a webhook is signed with (Standard Webhooks 1.0.0), as they are written: one or more, separated by blanks; each "whsec_" and Base64, or
/// any other text, which is taken as its bytes. Several: while one takes over from the other.
/// Errors askOperator configBadValue: none at all, or what follows "whsec_" is no Base64. The text never shows a key.
plugin::Result<std::vector<auth::Secret>> webhookKeys(const auth::Secret& written);

/// Signs one request: HMAC-SHA256 over "<id>.<seconds since 1970>.<body>", the body in pieces.
class WebhookSigner {
public:
    /// The keys are copied.
    WebhookSigner(const std::vector<auth::Secret>& keys, std::string_view id, std::int64_t timestamp);
    ~WebhookSigner();
    WebhookSigner(WebhookSigner&&) noexcept;
    void update(std::string_view body);
    /// The value of webhook-signature: "v1,<Base64>" for each key, in their order, separated by blanks. Once; then only destroy it.
    std::string finish();

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace listener
