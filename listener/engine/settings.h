#pragma once

#include "auth/channel/channel.h"
#include "listener/ledger/ledger.h"
#include "listener/mailbox.h"
#include "plugin/contract/configuration.h"

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace listener {

/// The keys of mailboxes, sinks, outbox and alerts.
std::vector<plugin::Key> keys();
/// What only their combination shows.
void check(const plugin::Configuration& configuration, std::vector<plugin::Problem>& problems);

/// How a mailbox is reached by one protocol, and what it is signed in with.
struct SessionSettings {
    auth::Target target;  ///< of ews and graph: where `url` leads
    std::string url{};    ///< of ews: the endpoint; of graph: the root, without "/" at the end
    std::string user, credential;
    std::string provider, tokenEndpoint;  ///< of the credential, for explanations; "": not known
    bool application = false;             ///< the credential is an application's own, which acts for no person
    std::chrono::milliseconds connectTimeout{30'000}, ioTimeout{60'000};
    bool push = true;
    std::string sasl = "auto";                     ///< of imap
    std::set<std::string> disabledCapabilities{};  ///< of imap; upper case
};

/// One mailbox as configured. Values are valid: the configuration has been checked.
struct MailboxSettings {
    std::string alias;
    bool enabled = true;
    std::string protocol;                             ///< imap, ews, graph
    SessionSettings session;                          ///< by that protocol
    std::map<std::string, SessionSettings> others{};  ///< by other protocols whose server is known: that of the credential's provider
    bool fallsBack = false;                           ///< from ews to graph, when EWS is blocked
    std::vector<std::string> folders;                 ///< patterns: Mailbox::folders() tells which folders they are
    std::vector<std::string> sinks;
    std::chrono::milliseconds interval{60'000};    ///< between whole looks where the server does not push
    std::chrono::milliseconds reconcile{300'000};  ///< and where it does
    std::chrono::milliseconds quiet{300'000};      ///< the longest time between them where a protocol has no push: `interval` where that is written
    std::size_t maxPerRound = 0;                   ///< messages listed and fetched before the folder's turn ends
    Start start;
    AfterAction after;
    AfterAction afterQuarantine;
    std::optional<std::uint64_t> maxSize{};  ///< octets
};

MailboxSettings mailboxSettings(const plugin::Configuration& configuration, const std::string& alias);
/// Reads it by another of its protocols from now on. False: there it has no server.
bool readBy(MailboxSettings& settings, const std::string& protocol);

/// "now", "all" or "since:2026-11-01" (00:00 UTC). Nothing: another text.
std::optional<Start> parseStart(std::string_view text);
/// "leave", "seen", "delete", "move:Folder" or "seen+move:Folder".
std::optional<AfterAction> parseAfter(std::string_view text);

}  // namespace listener
