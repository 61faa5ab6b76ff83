#pragma once

#include <string_view>

namespace listener::imap {

/// Is this what Exchange gives out in place of a message it cannot render? From "Microsoft Exchange Server", subject "Retrieval using the IMAP4
/// protocol failed for the following message: <number>", and nothing else: a mail that quotes these words is a mail. Looks at the head alone.
bool isSubstitute(std::string_view message);

}  // namespace listener::imap
