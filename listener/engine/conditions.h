#pragma once

#include "auth/endings.h"
#include "listener/alerting/condition.h"
#include "listener/engine/status.h"

#include <vector>

namespace listener {

/// What administrators have to know of these mailboxes: mailbox-blocked (only a person can help), mailbox-stalled (not verified for two intervals),
/// mailbox-failing (verified now and then, but the same error for more than two intervals). Whatever was raised is over when the mailbox has been
/// verified, not when it fails in another way: until then it is among them as not known. Pure.
std::vector<Condition> conditionsOf(const std::vector<MailboxStatus::View>& mailboxes);

/// credential-ending: a secret, a certificate or a sign-in ends within 30, 14, 7 or 1 days, or has ended. Each stage is a condition of its own; those
/// before the one that is reached are not known, so that what was raised stays so until the end is farther away again. Pure.
std::vector<Condition> conditionsOf(const std::vector<auth::Ending>& endings, plugin::Wall now);

}  // namespace listener
