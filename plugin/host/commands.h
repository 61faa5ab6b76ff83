#pragma once

#include "plugin/contract/package.h"
#include "plugin/host/command_line.h"
#include "plugin/host/setup.h"

#include <iosfwd>

namespace plugin::host {

/// Commands that come to an end by themselves: beside a running service or without one, in the main thread, with one loop. Each answers the
/// exit status. A configuration with errors is told as `check` tells it, and is 78.
int runTokenCommand(const Setup& setup, const TokenArguments& arguments, bool json, std::ostream& out, std::ostream& error);
/// These two end with Ctrl-C too, in order. Of `oauth`, a configuration with errors has a record as well.
int runLoginCommand(const Setup& setup, const LoginArguments& arguments, bool json, std::ostream& out, std::ostream& error);
int runOauthCommand(const Setup& setup, const OauthArguments& arguments, bool json, std::ostream& out, std::ostream& error);
int runCredentialsCommand(const Setup& setup, const CredentialsArguments& arguments, bool json, std::ostream& out, std::ostream& error);
int runSealCommand(const Setup& setup, std::istream& in, std::ostream& out, std::ostream& error);
int runPackageCommand(Setup& setup, const PackageArguments& arguments, bool json, std::ostream& out, std::ostream& error);
int runVersionCommand(const Setup& setup, bool json, std::ostream& out);

}  // namespace plugin::host
