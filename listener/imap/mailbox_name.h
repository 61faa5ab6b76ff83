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
/// Where the server separates with another character, "//" stands for a "/" within a name.
/// A name outside the inbox gets the personal prefix unless it begins with it, or with a foreign one, already: Courier and some Cyrus
/// keep everything below INBOX. None: not UTF-8, empty, or "/" where the server has no hierarchy.
std::optional<std::string> wireName(std::string_view folder, const Naming& naming);

/// The way back: the shortest name that wireName() makes `wire` of. "INBOX" in capitals. None: there is no such name, because the server writes
/// names as it should not (raw UTF-8 or Latin-1, "&" that begins nothing), or a level begins with "/" where another character separates.
std::optional<std::string> folderName(std::string_view wire, const Naming& naming);

/// Two names as the server sends them: INBOX in any case.
bool sameFolder(std::string_view a, std::string_view b);

/// Is this UTF-8 without control characters?
bool isPlainUtf8(std::string_view text);

}  // namespace listener::imap
