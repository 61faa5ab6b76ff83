#pragma once

#include "auth/diagnosis/diagnosis.h"
#include "plugin/contract/configuration.h"
#include "plugin/contract/result.h"

#include <string>

namespace auth {

/// What is known when a token of this credential could not be had: beside the error the credential's own settings, and the protocol of the first
/// mailbox that uses it; where there is none, what its scopes are for. Pure.
diagnosis::Case caseOf(const plugin::Configuration& configuration, const std::string& credential, plugin::Error error);

}  // namespace auth
