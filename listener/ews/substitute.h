#pragma once

#include "listener/ews/answer.h"

#include <string>
#include <string_view>

namespace listener::ews {

/// In place of a message the server cannot render: what it tells of it, in the form of a message, so that a person can find it. Pure.
std::string substituteFor(const ItemView& item, std::string_view why);

}  // namespace listener::ews
