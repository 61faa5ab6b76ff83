#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace listener {

/// What a message has in common with itself where it is read with another protocol, which shows its head in another way: 64 bits of its Message-ID
/// without "<" and ">"; where it has none, of its sender's address and its subject as people read it. 0: it has none of them.
/// `from`: a body of the field From, or an address alone. `subject`: a body of the field Subject (RFC 2047), or what it means in UTF-8.
std::uint64_t crossKey(const std::optional<std::string>& messageId, std::string_view from, std::string_view subject);

/// RFC 2047: encoded words replaced by what they mean, in UTF-8; unfolded; each run of blanks one blank, none around. What cannot be decoded stays.
std::string readableText(std::string_view body);

}  // namespace listener
