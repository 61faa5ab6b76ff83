#include "listener/engine/move_command.h"

#include "listener/engine/command_support.h"
#include "listener/engine/comparison.h"
#include "listener/engine/mailboxes.h"

#include <algorithm>

namespace listener {

using plugin::Command;
using plugin::Result;
using plugin::Task;

namespace {

constexpr int ok = 0, configuration = 78;

struct Arguments {
    std::string mailbox, protocol;
    bool plan = false;
};

std::optional<Arguments> parse(const std::vector<std::string>& words) {
    Arguments arguments;
    for (std::size_t i = 0; i < words.size(); ++i) {
        if (words[i] == "--plan")
            arguments.plan = true;
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
            item.text("folder", one.folder).number("known", one.both).number("new", one.fresh);
            items.push_back(item.number("before_start", one.beforeStart).number("not_there", one.gone).str());
        }
        return printArray(call.out, items);
    }
    Table table({"FOLDER", "KNOWN AND THERE", "NEW", "BEFORE START", "KNOWN, NOT THERE"});
    for (const auto& one : folders)
        table.add({one.folder, std::to_string(one.both), std::to_string(one.fresh), std::to_string(one.beforeStart), std::to_string(one.gone)});
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
    for (const auto* key : {"host", "port", "tls", "sasl", "disable_capabilities", "url", "fallback"}) {
        const auto found = snapshot->settings().find(prefix + key);
        if (found == snapshot->settings().end() || !found->second.given) continue;
        const std::string name = key;
        const bool isOfUrl = name == "url" || name == "fallback";
        if (isOfUrl ? !fromImap : !toImap) call.error << "and remove " << prefix << key << ", which belongs to " << configured << "\n";
    }
}

}  // namespace

int runMove(Command::Call& call) {
    const auto arguments = parse(call.arguments);
    if (!arguments) return misused(call, "move wants a mailbox, and --to imap, ews or graph; with --plan nothing is changed");
    auto& host = call.host;
    const auto known = host.configuration()->aliases("mailbox");
    if (std::find(known.begin(), known.end(), arguments->mailbox) == known.end()) {
        call.error << "postern: there is no mailbox " << arguments->mailbox << " in the configuration\n";
        return configuration;
    }
    const auto configured = mailboxSettings(*host.configuration(), arguments->mailbox);
    auto settings = configured;
    if (!readBy(settings, arguments->protocol)) {
        call.error << "postern: it is not known where mailbox " << arguments->mailbox << " can be read by " << arguments->protocol
                   << ": the credential " << configured.session.credential << " names no provider that has it (credential."
                   << configured.session.credential
                   << ".provider). Write .protocol and its server into the configuration instead: what was delivered is found again "
                      "all the same\n";
        return configuration;
    }
    const auto compared = wait(call, look(host, settings));
    if (!compared) return failed(call, compared.error());
    show(call, *compared);
    if (arguments->plan) return ok;
    const auto ledger = makeLedger(host.database(), host.clock());
    const bool back = arguments->protocol == configured.protocol;
    auto detour = back ? std::nullopt : std::optional(Detour{arguments->protocol, configured.protocol, "moved by an operator"});
    if (const auto taken = wait(call, ledger->take(arguments->mailbox, std::move(detour))); !taken) return failed(call, taken.error());
    call.error << "mailbox " << arguments->mailbox << " is read by " << arguments->protocol << (back ? ", as configured" : "")
               << "; a running service goes over within a second or two. Back: postern move " << arguments->mailbox << " --to " << configured.protocol
               << "\n";
    if (!back) tellLines(call, *arguments, configured.protocol);
    return ok;
}

}  // namespace listener
