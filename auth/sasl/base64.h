#pragma once

#include "auth/secret.h"

#include <optional>
#include <string_view>

namespace auth::sasl {

/// Base64 (RFC 4648 section 4): the standard alphabet, padded, in one line however long.
Secret base64(std::string_view bytes);

/// Strict: no other octet, no line breaks, padding complete, unused bits zero. Nothing: it is not Base64.
std::optional<Secret> decodeBase64(std::string_view text);

/// The alphabet of RFC 4648 section 5 without padding, as RFC 7515 section 2 and RFC 7636 write it.
Secret base64Url(std::string_view bytes);

/// As strict: no padding either.
std::optional<Secret> decodeBase64Url(std::string_view text);

}  // namespace auth::sasl
