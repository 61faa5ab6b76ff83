#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace auth {

std::array<std::uint8_t, 32> sha256(std::string_view bytes);
/// The same in hexadecimal digits, lower case.
std::string sha256Text(std::string_view bytes);

}  // namespace auth
