#include "listener/engine/commands.h"

#include "listener/engine/command_support.h"
#include "listener/engine/ledger_check.h"
#include "listener/engine/move_command.h"
#include "listener/engine/outbox_commands.h"
#include "listener/engine/settings.h"
#include "listener/engine/trouble.h"
#include "listener/engine/validate.h"
#include "listener/ledger/ledger.h"
#include "plugin/contract/text.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <ostream>
#include <set>
#include <utility>

namespace listener {

using plugin::Command;
using plugin::jsonText;
using plugin::Result;
using plugin::utcText;
namespace exits = plugin::exits;

namespace {

// ---- mailboxes

int restart(Command::Call& call, Ledger& ledger) {
    std::string alias, start;
    bool all = false;
    for (std::size_t i = 1; i < call.arguments.size(); ++i) {
        const auto& argument = call.arguments[i];
        if (argument == "--all")
            all = true;
        else if (argument == "--start" && i + 1 < call.arguments.size())
            start = call.arguments[++i];
        else if (!argument.starts_with("-") && alias.empty())
            alias = argument;
        else
            return misused(call, "mailboxes restart: unexpected argument " + argument);
    }
    if (alias.empty() != all) return misused(call, "mailboxes restart wants one mailbox, or --all");
    const auto parsed = parseStart(start);
    if (!parsed)
        return misused(call, "mailboxes restart wants --start now, --start all or --start since:YYYY-MM-DD: from where the mailbox is read then");
    const auto known = call.host.configuration()->aliases("mailbox");
    if (!all && std::find(known.begin(), known.end(), alias) == known.end()) {
        call.error << "postern: there is no mailbox " << alias << " in the configuration\n";
        return exits::config;
    }
    std::vector<std::string> names = all ? known : std::vector{alias};
    for (const auto& each : names)
        if (auto done = wait(call, ledger.restart(each, *parsed)); !done) return failed(call, done.error());
    for (const auto& each : names)
        call.error << "mailbox " << each << " starts again (" << start << "); a running service notices within a second or two\n";
    return exits::ok;
}

/// The configuration still says what the detour leads away from.
bool inForce(const plugin::Configuration& snapshot, const MailboxSummary& row) {
    return row.detour && snapshot.text("mailbox." + row.mailbox + ".protocol") == row.detour->insteadOf;
}

std::set<std::string> configured(const plugin::Configuration& snapshot) {
    const auto names = snapshot.aliases("mailbox");
    return {names.begin(), names.end()};
}

/// What the service says of each mailbox, by alias; nothing where none runs in this process.
std::map<std::string, MailboxStatus::View> viewsOf(const Present& present) {
    std::map<std::string, MailboxStatus::View> views;
    for (const auto& view : (present ? present() : std::nullopt).value_or(std::vector<MailboxStatus::View>{})) views[view.alias] = view;
    return views;
}

std::string wordsOn(const plugin::Configuration& snapshot, const MailboxSummary& row, const MailboxStatus::View& view, bool isConfigured) {
    if (!isConfigured) return jsonOf(view, snapshot, nullptr);
    auto settings = mailboxSettings(snapshot, row.mailbox);
    if (inForce(snapshot, row)) static_cast<void>(readBy(settings, row.detour->protocol));  // else it is told by what is configured
    return jsonOf(view, snapshot, &settings);
}

/// A row for each folder of each mailbox, or of one; one without a folder for those that were not met yet. Errors: of the ledger;
/// configUnknownReference.
Result<std::vector<MailboxSummary>> mailboxRows(Command::Call& call, Ledger& ledger, const plugin::Configuration& snapshot, const std::string& only) {
    auto rows = wait(call, ledger.summaries());
    if (!rows) return rows;
    auto unmet = configured(snapshot);
    for (const auto& row : *rows) unmet.erase(row.mailbox);
    for (const auto& alias : unmet) rows->push_back({.mailbox = alias});
    if (!only.empty()) std::erase_if(*rows, [&](const auto& row) { return row.mailbox != only; });
    if (!only.empty() && rows->empty())
        return plugin::Error{plugin::Reaction::askOperator, plugin::Code::configUnknownReference,
                             "there is no mailbox " + plugin::printable(only, 64) + ", neither in the configuration nor in the ledger"};
    std::sort(rows->begin(), rows->end(), [](const auto& a, const auto& b) { return std::tie(a.mailbox, a.folder) < std::tie(b.mailbox, b.folder); });
    return rows;
}

int showMailboxes(Command::Call& call, Ledger& ledger, const Present& present) {
    const auto only = call.arguments.empty() ? std::string{} : call.arguments.front();
    if (call.arguments.size() > 1 || only.starts_with("-")) return misused(call, "mailboxes: unexpected argument " + call.arguments.back());
    const auto snapshot = call.host.configuration();
    auto summaries = mailboxRows(call, ledger, *snapshot, only);
    if (!summaries) return failed(call, summaries.error());
    if (call.json) {
        const auto known = configured(*snapshot);
        const auto views = viewsOf(present);
        std::vector<std::string> items;
        for (const auto& row : *summaries) {
            Object item;
            item.text("mailbox", row.mailbox).text("folder", row.folder).text("protocol", row.protocol);
            item.raw("configured", known.contains(row.mailbox) ? "true" : "false");
            item.number("delivered", row.delivered)
                .number("other", row.other)
                .number("before_start", row.beforeStart)
                .number("open_batches", row.openBatches);
            item.number("due_actions", row.dueActions).number("uidvalidity", row.validity).number("cursor", row.cursor);
            item.time("last_delivery", row.lastDelivery).time("last_verified", row.lastVerified);
            item.raw("blocked", row.blocked.empty() ? "null" : jsonText(row.blocked));
            item.raw("read_by", inForce(*snapshot, row) ? jsonText(row.detour->protocol) : "null");
            const auto view = views.find(row.mailbox);
            items.push_back(item.raw("now", view == views.end() ? "null" : wordsOn(*snapshot, row, view->second, known.contains(row.mailbox))).str());
        }
        printArray(call.out, items);
        return exits::ok;
    }
    Table table(
        {"MAILBOX", "FOLDER", "PROTOCOL", "DELIVERED", "BEFORE START", "UNDER WAY", "ACTIONS DUE", "LAST DELIVERY", "LAST VERIFIED", "BLOCKED"});
    for (const auto& row : *summaries)
        table.add({row.mailbox, row.folder, row.protocol, std::to_string(row.delivered), std::to_string(row.beforeStart),
                   std::to_string(row.openBatches), std::to_string(row.dueActions), row.lastDelivery ? utcText(*row.lastDelivery) : "-",
                   row.lastVerified ? utcText(*row.lastVerified) : "-", row.blocked.empty() ? "-" : row.blocked});
    table.print(call.out);
    std::string last;
    for (const auto& row : *summaries)
        if (inForce(*snapshot, row) && row.mailbox != std::exchange(last, row.mailbox))
            call.out << "mailbox " << row.mailbox << " is read by " << row.detour->protocol << ", not by " << row.detour->insteadOf
                     << " as configured: " << plugin::printable(row.detour->why) << "\n";
    return exits::ok;
}

int runMailboxes(Command::Call& call, const Present& present) {
    const auto ledger = makeLedger(call.host.database(), call.host.clock());
    const bool restarting = !call.arguments.empty() && call.arguments.front() == "restart";
    return restarting ? restart(call, *ledger) : showMailboxes(call, *ledger, present);
}

// ---- ledger

/// Nothing: understood; else what is wrong.
std::optional<std::string> parseQuery(const std::vector<std::string>& arguments, LedgerQuery& query) {
    for (std::size_t i = 0; i < arguments.size(); i += 2) {
        const auto& option = arguments[i];
        if (option != "--mailbox" && option != "--state" && option != "--find" && option != "--limit") return "ledger: unexpected argument " + option;
        if (i + 1 == arguments.size()) return "ledger: " + option + " wants a value";
        const auto& value = arguments[i + 1];
        if (option == "--mailbox") query.mailbox = value;
        if (option == "--find") query.find = value;
        if (option == "--state") {
            query.state = messageStateOf(value);
            if (!query.state) return "ledger: --state is one of pending delivered filtered quarantined dead missing";
        }
        if (option == "--limit") {
            const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), query.limit);
            if (error != std::errc{} || end != value.data() + value.size() || query.limit == 0) return "ledger: --limit wants a number above 0";
        }
    }
    return std::nullopt;
}

int runLedger(Command::Call& call) {
    if (std::find(call.arguments.begin(), call.arguments.end(), "--check") != call.arguments.end()) return runLedgerCheck(call);
    LedgerQuery query;
    if (const auto wrong = parseQuery(call.arguments, query)) return misused(call, *wrong);
    const auto ledger = makeLedger(call.host.database(), call.host.clock());
    auto rows = wait(call, ledger->rows(query));
    if (!rows) return failed(call, rows.error());
    if (call.json) {
        std::vector<std::string> items;
        for (const auto& row : *rows) {
            Object item;
            item.text("id", row.id)
                .text("mailbox", row.mailbox)
                .text("folder", row.folder)
                .text("protocol", row.protocol)
                .text("position", row.position);
            item.text("state", nameOf(row.state))
                .time("received", row.received)
                .time("settled", row.settled)
                .number("size", row.size)
                .text("sha256", plugin::hexText(row.sha256));
            item.raw("message_id", row.messageId ? jsonText(*row.messageId) : "null");
            items.push_back(item.text("sinks", row.sinks).text("waiting", row.waiting).text("after", row.after).str());
        }
        printArray(call.out, items);
        return exits::ok;
    }
    Table table({"ID", "MAILBOX", "FOLDER", "POSITION", "STATE", "RECEIVED", "SIZE", "SINKS", "WAITING", "AFTER"});
    for (const auto& row : *rows)
        table.add({row.id, row.mailbox, row.folder, row.position, std::string(nameOf(row.state)), utcText(row.received), std::to_string(row.size),
                   row.sinks, row.waiting.empty() ? "-" : row.waiting, row.after.empty() ? "-" : row.after});
    table.print(call.out);
    return exits::ok;
}

}  // namespace

std::vector<Command> commands(Present present) {
    const auto mendWrites = [](const std::vector<std::string>& arguments) {
        return std::find(arguments.begin(), arguments.end(), "--mend") != arguments.end() ? Command::Store::write : Command::Store::read;
    };
    const auto restartWrites = [](const std::vector<std::string>& arguments) {
        return !arguments.empty() && arguments.front() == "restart" ? Command::Store::write : Command::Store::read;
    };
    std::vector<Command> all{
        {"mailboxes", "mailboxes [ALIAS] | mailboxes restart ALIAS|--all --start now|all|since:YYYY-MM-DD",
         "what is known of each mailbox; or forget positions and start again", restartWrites,
         [present = std::move(present)](Command::Call& call) { return runMailboxes(call, present); }, true},
        {"ledger", "ledger [--mailbox M] [--state S] [--find TEXT] [--limit N] | ledger --check [--mailbox M] [--mend]",
         "messages and what became of them, newest first; or compare the mailboxes with what is known", mendWrites, runLedger},
    };
    const auto moveWrites = [](const std::vector<std::string>& arguments) {
        return std::find(arguments.begin(), arguments.end(), "--plan") != arguments.end() ? Command::Store::read : Command::Store::write;
    };
    all.push_back({"move", "move MAILBOX --to imap|ews|graph [--plan] [--anyway]", "read a mailbox by another protocol, and deliver nothing twice",
                   moveWrites, runMove});
    for (auto& each : outboxCommands()) all.push_back(std::move(each));
    for (auto& each : validationCommands()) all.push_back(std::move(each));
    return all;
}

}  // namespace listener
