#pragma once

#include <cstddef>
#include <string_view>

namespace listener {

/// Length of the UTF-8 character `text` begins with (RFC 3629: no overlong form, no surrogate, nothing past U+10FFFF); 0 = none.
std::size_t utf8Character(std::string_view text);
bool isUtf8(std::string_view text);

}  // namespace listener
