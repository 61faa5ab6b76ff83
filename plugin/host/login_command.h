#pragma once

#include "auth/access.h"
#include "plugin/contract/configuration.h"
#include "plugin/contract/loop.h"
#include "plugin/host/command_line.h"
#include "plugin/host/signals.h"

#include <iosfwd>

namespace plugin::host {

/// Where a command that waits for a person works: on a loop that runs, while the main thread looks for signals. All outlive the command.
struct SignInDesk {
    auth::Access& access;
    const Configuration& configuration;
    Loop& loop;
    Signals& signals;
    int input = 0;  ///< descriptor of what is pasted
    std::ostream& out;
    std::ostream& error;
};

/// `postern login`: a person signs in, is compared with who is expected, and what came is kept. Waits ten minutes for the person; a signal ends it in
/// order. What to do goes to `error`, what came of it to `out`. Answers the exit status.
int login(const SignInDesk& desk, const LoginArguments& arguments, bool json);

/// `postern oauth`: one record with a numeric status (auth::login::connectorStatus) and a cause. Tokens are "***" without --reveal.
int askConnector(const SignInDesk& desk, const OauthArguments& arguments, bool json);

/// The record where the configuration has errors, which `problems` are.
void writeUnconfigured(const OauthArguments& arguments, const std::vector<Problem>& problems, bool json, std::ostream& out);

}  // namespace plugin::host
