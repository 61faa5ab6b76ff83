#pragma once

#include "auth/secret.h"
#include "listener/delivery/http.h"
#include "plugin/contract/result.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace listener {

/// What a request needs of the configuration's secrets, as they are now.
struct HttpSecrets {
    std::vector<std::pair<std::string, auth::Secret>> headers{};
    std::vector<auth::Secret> keys{};  ///< of the signature; empty: requests are not signed
};

/// Reads them anew. Blocks where a value is a source (readingBlocks): call it through offload then.
/// Errors: those of Access::secret; askOperator configBadValue for a header's name that may not be used, for a value no header can have (a line end
/// would forge further ones), and for a signing secret that is none. They name sink and header, never a value.
plugin::Result<HttpSecrets> readHttpSecrets(const HttpSettings& settings, auth::Access& access);
bool readingBlocks(const HttpSettings& settings);

/// What must not be shown where somebody else wrote it. A text is taken to repeat it if it has a part of it worth having, whatever the case, and
/// whatever JSON or a URL makes of the characters between letters and digits.
class Hidden {
public:
    void add(std::string_view secret);
    /// The same for a key of the signature: also in Base64, as it is written.
    void addKey(std::string_view key);
    /// The same for the value of a header: of "Basic" also user and password.
    void addHeader(std::string_view value);
    /// The same for a message, but only what its words say: names of fields stand in every one.
    void addMessage(std::string_view beginning);
    bool isIn(std::string_view text) const;

private:
    std::vector<auth::Secret> asTheyAre_{};
    std::vector<auth::Secret> folded_{};
};

}  // namespace listener
