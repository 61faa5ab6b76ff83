#pragma once

#include "listener/imap/imap_mailbox.h"
#include "listener/ledger/ledger.h"
#include "listener/mailbox.h"
#include "plugin/contract/configuration.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace listener {

/// The keys of mailboxes, sinks, outbox and alerts.
std::vector<plugin::Key> keys();
/// What only their combination shows.
void check(const plugin::Configuration& configuration, std::vector<plugin::Problem>& problems);

/// One mailbox as configured. Values are valid: the configuration has been checked.
struct MailboxSettings {
    std::string alias;
    bool enabled = true;
    imap::Settings session;
    std::vector<std::string> folders;  ///< patterns: Mailbox::folders() tells which folders they are
    std::vector<std::string> sinks;
    std::chrono::milliseconds interval{60'000};    ///< between whole looks where the server does not push
    std::chrono::milliseconds reconcile{300'000};  ///< and where it does
    std::size_t maxPerRound = 0;                   ///< messages listed and fetched before the folder's turn ends
    Start start;
    AfterAction after;
    AfterAction afterQuarantine;
    std::optional<std::uint64_t> maxSize{};  ///< octets
};

MailboxSettings mailboxSettings(const plugin::Configuration& configuration, const std::string& alias);

/// "now", "all" or "since:2026-11-01" (00:00 UTC). Nothing: another text.
std::optional<Start> parseStart(std::string_view text);
/// "leave", "seen", "delete", "move:Folder" or "seen+move:Folder".
std::optional<AfterAction> parseAfter(std::string_view text);

}  // namespace listener
