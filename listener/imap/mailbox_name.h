#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace listener::imap {

/// A folder's name as it goes over the wire: modified UTF-7 (RFC 3501 section 5.1.3). None: `utf8` is not valid UTF-8.
/// What comes out is printable ASCII, so a quoted string can always carry it.
std::optional<std::string> encodeMailboxName(std::string_view utf8);
/// The way back. None: not modified UTF-7 (some servers list raw UTF-8 or Latin-1 names).
std::optional<std::string> decodeMailboxName(std::string_view wire);

/// How this server builds folder names (NAMESPACE, RFC 2342, or LIST "" "").
struct Naming {
    char delimiter = '/';                ///< '\0': the server has no hierarchy
    std::string prefix{};                ///< of the personal namespace, as the server sends it: "", "INBOX."
    std::vector<std::string> foreign{};  ///< prefixes of other users' and shared namespaces, as the server sends them
};

/// From the name in the configuration (UTF-8, "/" separates, INBOX in any case) to the wire.
/// A name outside the inbox gets the personal prefix unless it begins with it, or with a foreign one, already: Courier and some Cyrus
/// keep everything below INBOX. None: not UTF-8, empty, or "/" where the server has no hierarchy.
std::optional<std::string> wireName(std::string_view folder, const Naming& naming);

}  // namespace listener::imap
