#pragma once

#include "auth/secret.h"
#include "plugin/contract/result.h"

#include <optional>
#include <string>
#include <string_view>

namespace auth::login {

/// What the provider sends back through the browser (RFC 6749 4.1.2, RFC 9207), decoded. Anybody can send anything here: nothing of it counts
/// before its state has been compared.
struct Redirect {
    Secret code{};
    std::string state{}, issuer{};
    std::string error{}, description{};  ///< as they came: pass them through printable() or htmlText()
};

inline constexpr std::size_t maxRedirect = 16 * 1024;  ///< octets of a query; codes of Entra reach 2 KiB

/// A query as it stands behind the "?". Nothing: too long, badly encoded, or one of what we read is given twice (RFC 6749 3.1). Pure.
std::optional<Redirect> parseRedirect(std::string_view query);

/// What somebody pasted: the whole address of the page the browser ended on, what follows its "?", or that with the "?". Answers the query.
std::string_view queryOf(std::string_view pasted);

/// Whether it answers the request with this state; takes the same time wherever they differ.
bool answers(const Redirect& redirect, std::string_view state);

/// The code of a redirect that answers.
/// issuer   what `iss` must be; "": not known, then `iss` is not looked at (RFC 9207 2.4)
/// Errors: askOperator tokenSignInAbandoned (access_denied), tokenScopeRefused, tokenSignInAnswer (another issuer, neither code nor error),
/// tokenSignInRefused (every other error); retryLater tokenEndpointBusy (server_error, temporarily_unavailable). The provider's texts are escaped and
/// cut.
plugin::Result<Secret> codeOf(Redirect redirect, std::string_view issuer);

/// Text between tags or in an attribute of a page: & < > " ' escaped, control characters and octets that are no UTF-8 replaced, cut at 300.
std::string htmlText(std::string_view text);

}  // namespace auth::login
