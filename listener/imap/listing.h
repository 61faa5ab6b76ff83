#pragma once

#include "listener/imap/session.h"
#include "listener/imap/uid_set.h"
#include "listener/mailbox.h"

#include <cstdint>
#include <optional>
#include <string>

namespace listener::imap {

/// UIDs asked for at once in a large folder: as "1234567890 " they fit into one response (Framer::responseLimit).
inline constexpr std::uint64_t windowSize = 80'000;

/// The UIDs from `low` to `high`, looked at together.
struct Window {
    std::uint64_t low = 1;
    std::optional<std::uint64_t> high{};  ///< none: to the end

    std::string criteria() const { return "UID " + std::to_string(low) + ":" + (high ? std::to_string(*high) : "*"); }
};
/// The first of those above, whatever the folder is like.
Window windowAbove(std::uint64_t above);

/// UID SEARCH in the open folder, by ESEARCH where it is offered. criteria: ASCII, "UID 5:* SINCE 1-Feb-2026".
/// Errors: refusal(); reconnect mailboxTooLarge for an answer no folder can have.
plugin::Task<plugin::Result<UidSet>> search(Session& session, std::string criteria, std::stop_token stop);

/// Mailbox::list() for the open folder. Needs memory for one window of UIDs and for what it answers, however large the folder is.
plugin::Task<plugin::Result<Listing>> listFolder(Session& session, ListRequest request, std::stop_token stop);

}  // namespace listener::imap
