#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace auth::diagnosis {

/// What an access token says of itself, where it is a JWT (RFC 7519 in the compact form of RFC 7515). Only for explanations: nobody has
/// checked the signature, and a token is the business of whom it is for. Printable, no names of people; "" or nothing: not in it.
struct Claims {
    std::vector<std::string> audience{};
    std::string issuer{};
    std::string application{};                           ///< Entra: appid (v1) or azp (v2)
    std::string object{};                                ///< Entra: oid; of an application's token: of its enterprise application (service principal)
    std::string tenant{};                                ///< Entra: tid
    std::vector<std::string> roles{};                    ///< application permissions
    std::vector<std::string> scopes{};                   ///< scp (or scope), delegated permissions
    std::optional<std::int64_t> expires{}, notBefore{};  ///< seconds since 1970

    bool isMicrosofts() const;  ///< issued by Entra
    bool isForGraph() const;
    bool isForExchange() const;
};

/// Pure. Nothing: the token is opaque, which is no fault.
std::optional<Claims> claimsOf(std::string_view token);

}  // namespace auth::diagnosis
