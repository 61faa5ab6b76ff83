#pragma once

#include "plugin/contract/configuration.h"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace auth::login {

/// Who has signed in, as far as the tokens say.
struct Account {
    std::string name{};                ///< the best of its names, for people; printable
    std::vector<std::string> names{};  ///< all it may be known by: preferred_username, upn, unique_name, email, sub; as they came
    std::string issuer{};              ///< of the ID token; "": there is none
};

/// From the ID token (OpenID Connect Core 2), else from an access token that is a JWT. Both came over TLS from the token endpoint itself, which
/// stands for a check of the signature (OpenID Connect Core 3.1.3.7); they are compared, and grant nothing. Nothing: neither names anybody. Pure.
std::optional<Account> accountOf(std::string_view idToken, std::string_view accessToken);

enum class Match {
    same,
    other,
    unknown,  ///< it has no name of the kind that is expected: one says an address, the other an opaque subject
};
/// Names compare without regard to the case of ASCII letters.
Match compare(const Account& account, std::string_view expected);

/// Whose mailboxes (or whatever else has a user) use this credential: each `.user` beside a `.credential` that names it, once.
std::vector<std::string> usersOf(const plugin::Configuration& configuration, std::string_view credential);

}  // namespace auth::login
