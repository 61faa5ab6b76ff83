#pragma once

#include <cstdint>
#include <string_view>

namespace auth {

/// What a Microsoft Entra error number (AADSTS…) means for whoever set the credential up; "" for those without a hint. Only ever shown:
/// Microsoft asks not to branch on these numbers.
/// Source: learn.microsoft.com/entra/identity-platform/reference-error-codes.
std::string_view entraHint(std::int64_t number);

}  // namespace auth
