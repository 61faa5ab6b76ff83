#pragma once

#include "plugin/host/setup.h"

#include <iosfwd>

namespace plugin::host {

/// `postern run`: from a checked configuration to the exit status.
///
///     configuration ─► lock ─► (background) ─► log ─► admin port ─► store ─► packages ─► up ─► signal ─► packages stop ─► threads ─► "clean"
///
/// A signal that comes before the service is up is answered then, but that programs which give the password of the admin port's keystore are ended.
/// The first SIGTERM or SIGINT lets the rounds at hand finish; after 10 s, or at a second signal, the process leaves where it stands (75): what
/// is half done counts as not done, by the ledger's rules. SIGHUP reloads the configuration, as a whole or not at all.
/// Statuses: 0 stopped in order (service) or all settled (once); 73, 74, 75 and 78 as exitStatus() has them. Called in the main thread of a
/// process without others. Messages before the log exists go to `error`.
int runService(Setup& setup, const RunArguments& arguments, std::ostream& error);

}  // namespace plugin::host
