#include "listener/engine/move_command.h"

#include "listener/engine/command_support.h"
#include "listener/engine/comparison.h"
#include "listener/engine/mailboxes.h"

#include <algorithm>

namespace listener {

using plugin::Command;
using plugin::Result;
using plugin::Task;
namespace exits = plugin::exits;

namespace {

struct Arguments {
    std::string mailbox, protocol;
    bool plan = false, anyway = false;
};

std::optional<Arguments> parse(const std::vector<std::string>& words) {
    Arguments arguments;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (words[i] == "--plan")
            arguments.plan = true;
        else if (words[i] == "--anyway")
            arguments.anyway = true;
        else if (words[i] == "--to" && i + 1 < words.size())
            arguments.protocol = words[++i];
        else if (!words[i].starts_with("-") && arguments.mailbox.empty())
            arguments.mailbox = words[i];
        else
            return std::nullopt;
    }
    const bool known = arguments.protocol == "imap" || arguments.protocol == "ews" || arguments.protocol == "graph";
    return arguments.mailbox.empty() || !known ? std::nullopt : std::optional(arguments);
}

/// With a session of its own, which writes nothing down.
Task<Result<std::vector<Compared>>> look(plugin::Host& host, MailboxSettings settings) {
    const auto ledger = makeLedger(host.database(), host.clock());
    const auto mailbox = makeShadowMailbox(settings, host);
    auto opened = co_await mailbox->open(std::stop_token{});
    if (!opened) co_return opened.error();
    auto compared = co_await compareFolders(*ledger, *mailbox, std::move(settings));
    co_await mailbox->close(std::stop_token{});
    co_return compared;
}

void show(Command::Call& call, const std::vector<Compared>& folders) {
    if (call.json) {
        std::vector<std::string> items;
        for (const auto& one : folders) {
            Object item;
            item.text("folder", one.folder).number("known", one.both).number("known_by_id", one.byId).number("new", one.fresh);
            item.number("doubtful", one.doubtful);
            items.push_back(item.number("before_start", one.beforeStart).number("not_there", one.gone).str());
        }
        return printArray(call.out, items);
    }
    Table table({"FOLDER", "KNOWN AND THERE", "OF THESE BY ID", "NEW", "OF THESE DOUBTFUL", "BEFORE START", "KNOWN, NOT THERE"});
    for (const auto& one : folders)
        table.add({one.folder, std::to_string(one.both), std::to_string(one.byId), std::to_string(one.fresh), std::to_string(one.doubtful),
                   std::to_string(one.beforeStart), std::to_string(one.gone)});
    table.print(call.out);
}

/// What is to be written so that the configuration says what is done.
void tellLines(Command::Call& call, const Arguments& arguments, const std::string& configured) {
    const auto prefix = "mailbox." + arguments.mailbox + ".";
    const auto snapshot = call.host.configuration();
    call.error << "write " << prefix << "protocol = " << arguments.protocol << " into the configuration";
    if (const auto place = snapshot->place(prefix + "protocol"); !place.file.empty()) call.error << " (" << place.file << ":" << place.line << ")";
    call.error << "; until then it is read by " << arguments.protocol << " all the same\n";
    const bool toImap = arguments.protocol == "imap", fromImap = configured == "imap";
    for (const std::string name : {"host", "port", "tls", "url", "sasl", "disable_capabilities", "fallback"}) {
        const auto found = snapshot->settings().find(prefix + name);
        if (found == snapshot->settings().end() || !found->second.given) continue;
        const bool isOfUrl = name == "url" || name == "fallback";
        if (isOfUrl ? fromImap : toImap) continue;
        const bool mayStay = name == "host" || name == "port" || name == "tls" || name == "url";
        call.error << "and "
                   << (mayStay ? "write " + prefix + name + " as " + prefix + configured + "." + name + ", or remove it: it"
                               : "remove " + prefix + name + ", which")
                   << " belongs to " << configured << "\n";
    }
}

/// Whether what was delivered would be told apart from what was not.
bool mayMove(Command::Call& call, const Arguments& arguments, const std::vector<Compared>& folders) {
    std::uint64_t doubtful = 0;
    for (const auto& one : folders) doubtful += one.doubtful;
    if (doubtful == 0) return true;
    call.error << doubtful << (doubtful == 1 ? " message that would be delivered is" : " messages that would be delivered are")
               << " like known ones that are not found there: " << (doubtful == 1 ? "it" : "they") << " may have been delivered already. "
               << (arguments.plan ? "--anyway would move the mailbox all the same" : "Nothing is changed; --anyway moves the mailbox all the same")
               << "\n";
    return arguments.anyway;
}

}  // namespace

int runMove(Command::Call& call) {
    const auto arguments = parse(call.arguments);
    if (!arguments)
        return misused(
            call, "move wants a mailbox, and --to imap, ews or graph; with --plan nothing is changed, with --anyway doubts are no reason to stay");
    auto& host = call.host;
    const auto known = host.configuration()->aliases("mailbox");
    if (std::find(known.begin(), known.end(), arguments->mailbox) == known.end()) {
        call.error << "postern: there is no mailbox " << arguments->mailbox << " in the configuration\n";
        return exits::config;
    }
    const auto configured = mailboxSettings(*host.configuration(), arguments->mailbox);
    auto settings = configured;
    if (!readBy(settings, arguments->protocol)) {
        call.error << "postern: it is not known where mailbox " << arguments->mailbox << " can be read by " << arguments->protocol << ": set mailbox."
                   << arguments->mailbox << (arguments->protocol == "imap" ? ".imap.host" : "." + arguments->protocol + ".url") << " (and ."
                   << arguments->protocol << ".credential, where it is signed in with another one), or the provider of the credential\n";
        return exits::config;
    }
    const auto compared = wait(call, look(host, settings));
    if (!compared) return failed(call, compared.error());
    show(call, *compared);
    const bool may = mayMove(call, *arguments, *compared);
    if (arguments->plan) return exits::ok;
    if (!may) return exits::tempFail;
    const auto ledger = makeLedger(host.database(), host.clock());
    const bool back = arguments->protocol == configured.protocol;
    auto detour = back ? std::nullopt : std::optional(Detour{arguments->protocol, configured.protocol, "moved by an operator"});
    if (const auto taken = wait(call, ledger->take(arguments->mailbox, std::move(detour))); !taken) return failed(call, taken.error());
    call.error << "mailbox " << arguments->mailbox << " is read by " << arguments->protocol << (back ? ", as configured" : "")
               << "; a running service goes over within a second or two. Back: postern move " << arguments->mailbox << " --to " << configured.protocol
               << "\n";
    if (!back) tellLines(call, *arguments, configured.protocol);
    return exits::ok;
}

}  // namespace listener
