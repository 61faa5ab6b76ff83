#pragma once

#include "listener/alerting/condition.h"

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace listener {

/// One thing to be told over one channel. All that is said stays the same between attempts.
struct Notice {
    enum class State { raised, cleared };
    std::int64_t id = 0;  ///< rises in the order of telling; of this database, may come again when it is forgotten
    State state = State::raised;
    ConditionKey key;
    plugin::Code code{};
    std::string what;
    plugin::Wall since{};  ///< when the condition was first seen
    plugin::Wall at{};     ///< when it was raised, or when it was cleared
};

std::string_view name(Notice::State state);

/// {"version":1,"alert":…,"state":"raised|cleared","subject":…,"code":"PO-…","text":…,"next":…,"since":…,"at":…,"instance":…}. `next` is what a
/// person does now: "" for what is over. Times are RFC 3339, UTC.
std::string payload(const Notice& notice, std::string_view instance);
/// POSTERN_ALERT, POSTERN_ALERT_STATE, _SUBJECT, _CODE, _TEXT, _NEXT, _SINCE: the same.
std::map<std::string, std::string> environment(const Notice& notice);
/// By which a receiver sees that it has been told before: 32 hexadecimal digits of a SHA-256 over what makes this notice another one than all others,
/// over restarts and the loss of the database.
std::string idempotencyKey(const Notice& notice, std::string_view channel);

}  // namespace listener
