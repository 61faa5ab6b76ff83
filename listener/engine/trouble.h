#pragma once

#include "auth/diagnosis/diagnosis.h"
#include "listener/engine/settings.h"
#include "listener/engine/status.h"
#include "plugin/contract/configuration.h"

#include <string>

namespace listener {

/// What a mailbox's settings and its credential tell of an error of it. Without the time, and without the token.
auth::diagnosis::Case caseOf(const plugin::Configuration& configuration, const MailboxSettings& settings, plugin::Error error);

/// A mailbox as it is now, and what is wrong with it: {"state", "health", "verified_age_seconds", "trouble"}, `trouble` null where it is well, else
/// {"code", "text", "next", "provider", "diagnosis"}, the diagnosis null where no better cause is known than the code's.
/// settings   null: it is configured no more
std::string jsonOf(const MailboxStatus::View& view, const plugin::Configuration& configuration, const MailboxSettings* settings);

}  // namespace listener
