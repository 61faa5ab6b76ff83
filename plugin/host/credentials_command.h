#pragma once

#include "auth/access.h"
#include "auth/token/credential_state.h"
#include "plugin/contract/loop.h"

#include <iosfwd>
#include <string>
#include <vector>

namespace plugin::host {

/// The states as a list for people, or as one JSON array.
void writeCredentials(const std::vector<auth::CredentialState>& states, Wall now, bool json, std::ostream& out);

/// `credentials [NAME]`. The database is read only; null: there is none yet. Errors: those of auth::credentialStates().
Result<void> showCredentials(std::shared_ptr<const Configuration> configuration, Database* database, const std::string& name, Loop& loop, bool json,
                             std::ostream& out);

/// `credentials NAME --forget`: what is stored of its grant goes, be it of a credential that is configured no more. Errors: of the store;
/// tokenCredentialIncomplete for a name nobody knows.
Result<void> forgetGrant(auth::Access& access, const Configuration& configuration, Loop& loop, const std::string& name, std::ostream& error);

/// `seal`: the secret on `in`, without one final line end; "${sealed:...}" on `out`. Blocks. Answers the exit status.
/// lookFirst: there is a database, in which something may be sealed already: then no key is made in place of a lost one.
int sealSecret(auth::Access& access, Loop& loop, bool lookFirst, std::istream& in, std::ostream& out, std::ostream& error);

}  // namespace plugin::host
