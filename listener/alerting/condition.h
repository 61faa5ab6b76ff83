#pragma once

#include "plugin/contract/clock.h"
#include "plugin/contract/codes.h"

#include <array>
#include <chrono>
#include <compare>
#include <string>
#include <string_view>

namespace listener {

/// What an administrator can be told of. Names are part of configuration (`alert.<name>.on`) and payload: never renamed.
inline constexpr std::array<std::string_view, 9> alertKinds{"mailbox-stalled", "mailbox-blocked",    "mailbox-failing",
                                                            "sink-refusing",   "sink-disabled",      "sink-unconfigured",
                                                            "outbox-growing",  "folder-unaccounted", "credential-ending"};

/// Something that an administrator has to know, for as long as it is true.
struct Condition {
    std::string kind;     ///< one of alertKinds
    std::string subject;  ///< mailbox, sink, mailbox/folder, or what ends and how soon; "" where it is not known: each of the kind
    plugin::Code code{};
    std::string what;  ///< no secret, no mail content
    /// False: whether it is true cannot be told yet, as of a mailbox that has not answered since the start. What was raised stays raised, nothing is
    /// raised.
    bool known = true;
    std::chrono::seconds settling{0};  ///< it has to be true for so long without a break before it is raised
};

struct ConditionKey {
    std::string kind, subject;
    auto operator<=>(const ConditionKey&) const = default;
};

/// A condition that was raised. Times are whole milliseconds, as they are stored.
struct Raised {
    ConditionKey key;
    plugin::Code code{};
    std::string what;       ///< as it was when it was raised
    plugin::Wall since{};   ///< when it was first seen
    plugin::Wall raised{};  ///< and when it had settled
};

}  // namespace listener
