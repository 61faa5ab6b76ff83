#pragma once

#include "listener/imap/framer.h"
#include "listener/imap/response.h"

#include <optional>
#include <string_view>
#include <variant>

namespace listener::imap {

struct Unreadable {
    std::string_view why;  ///< a constant text
};

/// One response as Framer cut it. Pure; RFC 3501 and RFC 9051 section 9, tolerant where servers are: unknown responses become Other, unknown FETCH
/// items are skipped, and of what only informs us (LIST, STATUS, ID, NAMESPACE, codes) the unreadable part is left out.
/// Unreadable: a status line, FETCH, SEARCH or ESEARCH we could not rely on.
/// bodyAt  see Framer::bodyAt()
std::variant<Response, Unreadable> parseResponse(std::string_view text, std::optional<std::size_t> bodyAt = {});

}  // namespace listener::imap
