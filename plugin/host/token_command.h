#pragma once

#include "auth/access.h"
#include "plugin/contract/loop.h"
#include "plugin/host/command_line.h"

#include <iosfwd>

namespace plugin::host {

/// `postern token`: asks for one token as the service would, on a loop that runs, and shows it: as a table, as JSON (`json`), or, with
/// --reveal alone, nothing but the token. Tokens are "***" without --reveal. Blocks up to two minutes. Answers the exit status.
int showToken(auth::Access& access, Loop& loop, const TokenArguments& arguments, bool json, std::ostream& out, std::ostream& error);

}  // namespace plugin::host
