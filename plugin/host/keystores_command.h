#pragma once

#include "plugin/contract/clock.h"
#include "plugin/contract/configuration.h"
#include "plugin/contract/result.h"
#include "plugin/host/command_line.h"

#include <iosfwd>

namespace auth {
class SecretReader;
}

namespace plugin::host {

/// `postern keystores`: reads every keystore, or the one named, and shows its keys and their certificates, or why it cannot be loaded: as a list for
/// people or, with `json`, as an array. --certificate shows nothing but that certificate, in PEM. Blocks for the files and passwords.
/// Answers the exit status: 78 where one cannot be loaded. Errors: configUnknownReference for one that is not configured; for --certificate those of
/// configuredKeystore() and keyCalled().
Result<int> showKeystores(const Configuration& configuration, auth::SecretReader& secrets, const KeystoresArguments& arguments, Wall now, bool json,
                          std::ostream& out);

}  // namespace plugin::host
