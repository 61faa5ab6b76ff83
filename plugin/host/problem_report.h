#pragma once

#include "plugin/contract/configuration.h"

#include <iosfwd>
#include <string>
#include <vector>

namespace plugin::host {

/// One line for people: "conf/mailboxes.properties:12: error PO-1003 mailbox.a.hots: nothing reads this key … Next: …".
/// The place is left out where there is none.
std::string reportLine(const Problem& problem);

/// A JSON array, one object each: severity, code, key, file, line, message, next; null for what a problem does not have.
void writeJson(const std::vector<Problem>& problems, std::ostream& out);

/// "2 errors, 1 warning"
std::string summary(const std::vector<Problem>& problems);

}  // namespace plugin::host
