#include "listener/engine/ledger_check.h"

#include "auth/access.h"
#include "listener/engine/command_support.h"
#include "listener/engine/conservation.h"
#include "listener/engine/mailboxes.h"
#include "listener/engine/settings.h"

#include <algorithm>
#include <ostream>

namespace listener {

using plugin::Command;
using plugin::Error;
using plugin::Result;
using plugin::Task;
namespace exits = plugin::exits;

namespace {

constexpr int unaccountedFor = exits::software;

struct Finding {
    std::string mailbox, folder;
    std::size_t standing = 0;
    std::vector<std::uint64_t> unaccounted{};
    bool mended = false;
};

Task<Result<std::vector<Finding>>> look(plugin::Host& host, MailboxSettings settings, bool mend) {
    const auto ledger = makeLedger(host.database(), host.clock());
    auto followed = co_await followDetour(*ledger, settings);
    if (!followed) co_return followed.error();
    const auto mailbox = makeShadowMailbox(settings, host);
    const std::stop_token stop;
    auto opened = co_await mailbox->open(stop);
    if (!opened) co_return opened.error();
    std::vector<Finding> findings;
    auto patterns = settings.folders;
    auto folders = co_await mailbox->folders(std::move(patterns), stop);
    if (!folders) co_return folders.error();
    for (const auto& folder : *folders) {
        if (folder == settings.after.target || folder == settings.afterQuarantine.target) continue;
        auto seen = co_await examine(*ledger, *mailbox, settings.alias, folder, stop);
        if (!seen) co_return seen.error();
        if (!*seen) continue;
        auto& [standing, unaccounted, record] = **seen;
        Finding finding{settings.alias, folder, standing.size(), unaccounted};
        if (mend && !unaccounted.empty()) {
            auto recorded = co_await recordAsMissing(*ledger, record, std::move(unaccounted), record.cursor, host.clock().wall());
            if (!recorded) co_return recorded.error();
            finding.mended = true;
        }
        findings.push_back(std::move(finding));
    }
    co_await mailbox->close(stop);
    co_return findings;
}

std::string list(const std::vector<std::uint64_t>& ordinals, const char* between) {
    std::string text;
    for (const auto ordinal : ordinals) text.append(text.empty() ? "" : between).append(std::to_string(ordinal));
    return text;
}

void show(Command::Call& call, const std::vector<Finding>& findings) {
    if (call.json) {
        std::vector<std::string> items;
        for (const auto& one : findings) {
            Object item;
            item.text("mailbox", one.mailbox).text("folder", one.folder).number("standing", one.standing);
            items.push_back(item.raw("unaccounted", "[" + list(one.unaccounted, ",") + "]").raw("mended", one.mended ? "true" : "false").str());
        }
        return printArray(call.out, items);
    }
    Table table({"MAILBOX", "FOLDER", "STANDING", "UNACCOUNTED", "UIDS"});
    for (const auto& one : findings)
        table.add({one.mailbox, one.folder, std::to_string(one.standing), std::to_string(one.unaccounted.size()),
                   one.unaccounted.empty() ? "-" : list(one.unaccounted, ",")});
    table.print(call.out);
}

}  // namespace

int runLedgerCheck(Command::Call& call) {
    std::optional<std::string> only;
    bool mend = false;
    for (std::size_t i = 0; i < call.arguments.size(); ++i) {
        const auto& word = call.arguments[i];
        if (word == "--check") continue;
        if (word == "--mend")
            mend = true;
        else if (word == "--mailbox" && i + 1 < call.arguments.size())
            only = call.arguments[++i];
        else {
            call.error << "postern: ledger --check: unexpected argument " << word << "\n";
            return exits::usage;
        }
    }
    const auto snapshot = call.host.configuration();
    const auto known = snapshot->aliases("mailbox");
    if (only && std::find(known.begin(), known.end(), *only) == known.end()) {
        call.error << "postern: there is no mailbox " << *only << " in the configuration\n";
        return exits::config;
    }
    std::vector<Finding> findings;
    bool failed = false;
    for (const auto& alias : known) {
        auto settings = mailboxSettings(*snapshot, alias);
        if ((only && *only != alias) || (!only && !settings.enabled)) continue;
        auto found = wait(call, look(call.host, std::move(settings), mend));
        if (!found) {
            call.error << "postern: mailbox " << alias << ": " << plugin::describe(found.error()) << "\n";
            failed = true;
            continue;
        }
        for (auto& one : *found) findings.push_back(std::move(one));
    }
    show(call, findings);
    if (failed) return exits::tempFail;
    const bool fine = std::all_of(findings.begin(), findings.end(), [](const Finding& one) { return one.unaccounted.empty(); });
    if (mend && !fine) call.error << "these messages are fetched and delivered with the next look into their mailbox\n";
    return fine ? exits::ok : unaccountedFor;
}

}  // namespace listener
