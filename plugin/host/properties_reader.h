#pragma once

#include "plugin/contract/configuration.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace plugin::host {

/// Room for some hundred thousand lines: ten thousand mailboxes. A larger file is something else, named by mistake.
inline constexpr std::size_t largestFile = 16 << 20;
/// A line with its continuations; the longest honest ones are lists of folders and scopes.
inline constexpr std::size_t longestLine = 64 << 10;
/// A file that is not ours at all (an image, a keystore) would have a problem on each line; after so many the rest is not listed.
inline constexpr std::size_t mostSyntaxProblems = 50;

struct Entry {
    std::string key;    ///< never empty
    std::string value;  ///< blanks around it trimmed; may be empty
    Place place{};      ///< where the entry begins
};

/// What files say, before anybody knows what it means.
struct Properties {
    std::vector<Entry> entries{};  ///< in the order of the files and their lines
    std::vector<Problem> problems{};
};

/// Reads one file's bytes. Pure; `file` is only written into the places.
/// UTF-8, a byte order mark at the start is passed over (editors on Windows write it). Lines end with LF or CRLF.
/// `key = value`: the first "=" separates, blanks (space, tab) around both are trimmed. A line whose first character that is no blank is
/// "#" or "!" is a comment and is never continued. A backslash is an ordinary character, but as the last of a line it joins the next one,
/// whose leading blanks are dropped; so a comment cannot stand inside a continued line.
/// A bad line is a problem (configSyntax) without its text, which might be part of a secret; the others are read all the same.
Properties parseProperties(std::string_view bytes, const std::string& file);

/// Several files as one. A key given twice is a problem (configDuplicateKey) at the second place, naming the first, whose value stays.
Properties merge(std::vector<Properties> files);

}  // namespace plugin::host
