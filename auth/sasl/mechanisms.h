#pragma once

#include "auth/secret.h"
#include "plugin/contract/result.h"

#include <cstdint>
#include <string>
#include <string_view>

/// SASL mechanisms as pure bytes: what the client sends, before Base64. No socket, no log, never blocks.
namespace auth::sasl {

/// XOAUTH2: "user=" user ^A "auth=Bearer " token ^A ^A
/// Source: Google "OAuth 2.0 Mechanism" for Gmail IMAP; Microsoft sends the same bytes. Successor: OAUTHBEARER, RFC 7628.
/// After a refusal the server may send a challenge first: answer it with an empty line.
/// user   UTF-8 mailbox address      token   as issued, opaque
/// Errors askOperator: a control octet in either (it could forge a field), or either is empty.
plugin::Result<Secret> xoauth2(std::string_view user, const Secret& token);

/// OAUTHBEARER (RFC 7628): "n,a=" user "," ^A "host=" host ^A "port=" port ^A "auth=Bearer " token ^A ^A; in user, "," and "=" are
/// written =2C and =3D (RFC 5801). After a refusal the server sends a challenge: answer it with a single ^A. Errors as xoauth2.
plugin::Result<Secret> oauthbearer(std::string_view user, std::string_view host, std::uint16_t port, const Secret& token);

/// PLAIN (RFC 4616): NUL user NUL password, no authorization identity; both UTF-8 and sent as they are, without SASLprep.
/// Errors askOperator: a NUL in either, or either is empty.
plugin::Result<Secret> plain(std::string_view user, const Secret& password);

/// What a server said about a refused token. All fields printable and cut; "" where it said nothing.
struct Challenge {
    std::string status;   ///< "401" or "invalid_token"
    std::string schemes;  ///< XOAUTH2 only
    std::string scope;    ///< the scope it would take
};

/// The challenge that follows a refusal: Base64 of a JSON object (RFC 7628 3.2.2), or the JSON itself. Anything else: all fields empty.
Challenge challenge(std::string_view text);

/// "status 401, scope https://mail.google.com/": for an error's text; "" for an empty challenge.
std::string describe(const Challenge& challenge);

}  // namespace auth::sasl
