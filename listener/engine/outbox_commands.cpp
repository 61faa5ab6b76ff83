#include "listener/engine/outbox_commands.h"

#include "listener/delivery/outbox_files.h"
#include "listener/engine/command_support.h"
#include "listener/engine/settings.h"
#include "listener/ledger/outbox.h"
#include "plugin/contract/text.h"

#include <algorithm>
#include <ostream>

namespace listener {

using plugin::Command;
using plugin::jsonText;
using plugin::utcText;
namespace exits = plugin::exits;

namespace {

constexpr std::size_t abandonedAtOnce = 1000;  // the service writes in between

bool isSink(Command::Call& call, const std::string& name) {
    const auto known = call.host.configuration()->aliases("sink");
    if (std::find(known.begin(), known.end(), name) != known.end()) return true;
    call.error << "postern: there is no sink " << name << " in the configuration\n";
    return false;
}

// ---- outbox

int showOutbox(Command::Call& call, OutboxLedger& outbox) {
    auto totals = wait(call, outbox.totals());
    if (!totals) return failed(call, totals.error());
    auto bytes = wait(call, outbox.keptBytes());
    if (!bytes) return failed(call, bytes.error());
    if (call.json) {
        std::vector<std::string> items;
        for (const auto& one : *totals) {
            Object item;
            item.text("sink", one.sink)
                .number("waiting", one.waiting)
                .number("dead", one.dead)
                .number("set_aside", one.aside)
                .time("oldest", one.oldest);
            item.raw("disabled", one.disabled.empty() ? "null" : jsonText(one.disabled));
            items.push_back(item.raw("last_refusal", one.lastRefusal.empty() ? "null" : jsonText(plugin::printable(one.lastRefusal))).str());
        }
        Object all;
        std::string sinks;
        for (const auto& item : items) sinks.append(sinks.empty() ? "" : ", ").append(item);
        call.out << all.number("bytes", *bytes).raw("sinks", "[" + sinks + "]").str() << "\n";
        return exits::ok;
    }
    Table table({"SINK", "WAITING", "OLDEST", "GIVEN UP", "SET ASIDE", "STATE", "LAST REFUSAL"});
    for (const auto& one : *totals)
        table.add({one.sink, std::to_string(one.waiting), one.oldest ? utcText(*one.oldest) : "-", std::to_string(one.dead),
                   std::to_string(one.aside), one.disabled.empty() ? "-" : "disabled", one.lastRefusal.empty() ? "-" : one.lastRefusal});
    table.print(call.out);
    call.out << *bytes << " bytes are kept\n";
    return exits::ok;
}

int resume(Command::Call& call, OutboxLedger& outbox) {
    if (call.arguments.size() != 2) return misused(call, "outbox resume wants the name of a sink");
    const auto& sink = call.arguments[1];
    if (!isSink(call, sink)) return exits::config;
    const auto resumed = wait(call, outbox.resume(sink));
    if (!resumed) return failed(call, resumed.error());
    call.error << "sink " << sink << (*resumed ? " is tried again; a running service notices within a second or two\n" : " was not disabled\n");
    return exits::ok;
}

int abandon(Command::Call& call, OutboxLedger& outbox) {
    if (call.arguments.size() != 2) return misused(call, "outbox abandon wants the name of a sink that is not configured");
    const auto& sink = call.arguments[1];
    const auto known = call.host.configuration()->aliases("sink");
    if (std::find(known.begin(), known.end(), sink) != known.end()) {
        call.error << "postern: sink " << sink << " is configured, and what waits is tried again; sink." << sink << ".retry.give_up ends that\n";
        return exits::config;
    }
    std::uint64_t all = 0;
    for (;;) {
        const auto some = wait(call, outbox.abandon(sink, abandonedAtOnce));
        if (!some) return failed(call, some.error());
        if (*some == 0) break;
        all += *some;
    }
    if (call.json)
        call.out << Object{}.number("messages", all).str() << "\n";
    else
        call.out << all << " messages are given up for sink " << sink << "; `postern replay` and `postern outbox discard` reach them\n";
    return exits::ok;
}

// ---- which messages

std::optional<std::string> addCondition(std::string_view text, ReplayQuery& query) {
    const auto equals = text.find('=');
    const auto key = text.substr(0, equals);
    const std::string value(equals == std::string_view::npos ? "" : text.substr(equals + 1));
    if (value.empty()) return "a condition is written key=value, not " + std::string(text);
    if (key == "mailbox") {
        query.mailbox = value;
    } else if (key == "folder") {
        query.folder = value;
    } else if (key == "state") {
        query.state = messageStateOf(value);
        if (!query.state) return "state is one of pending delivered filtered quarantined dead missing";
    } else if (key == "since" || key == "until") {
        const auto day = parseStart("since:" + value);
        if (!day) return std::string(key) + " wants a day, as 2026-11-01 (00:00 UTC)";
        (key == "since" ? query.since : query.until) = day->since;
    } else {
        return "a condition is one of mailbox= folder= state= since= until=, not " + std::string(text);
    }
    return std::nullopt;
}

/// Delivery ids, or --query and conditions, from the `first` argument on. `sink`: where to, if that may be said. Nothing: understood; else what is
/// wrong.
std::optional<std::string> parseMessages(const std::vector<std::string>& arguments, std::size_t first, ReplayQuery& query, std::string* sink) {
    bool byQuery = false;
    for (std::size_t i = first; i < arguments.size(); ++i) {
        const auto& word = arguments[i];
        if (word == "--to" && sink != nullptr) {
            if (++i == arguments.size()) return "--to wants the name of a sink";
            *sink = arguments[i];
        } else if (word == "--query") {
            byQuery = true;
        } else if (word.starts_with("-")) {
            return "unexpected argument " + word;
        } else if (byQuery) {
            if (auto wrong = addCondition(word, query)) return wrong;
        } else if (!isDeliveryId(word)) {
            return word + " is no delivery id: 32 characters of a to z and 2 to 7 (`postern ledger --find TEXT` shows them)";
        } else {
            query.ids.push_back(word);
        }
    }
    if (sink != nullptr && sink->empty()) return "wants --to and the name of a sink";
    if (byQuery == !query.ids.empty()) return "wants delivery ids, or --query and conditions (mailbox= folder= state= since= until=)";
    if (byQuery && !query.mailbox && !query.folder && !query.state && !query.since && !query.until)
        return "wants at least one condition after --query";
    return std::nullopt;
}

int discard(Command::Call& call, OutboxLedger& outbox) {
    ReplayQuery query;
    if (const auto wrong = parseMessages(call.arguments, 1, query, nullptr)) return misused(call, "outbox discard: " + *wrong);
    const auto wanted = query.ids.size();
    const auto done = wait(call, outbox.discard(std::move(query)));
    if (!done) return failed(call, done.error());
    OutboxFiles(call.host.disk(), call.host.clock(), call.host.random(), call.host.dataDirectory()).remove(done->freed);
    if (call.json)
        call.out << Object{}.number("messages", done->messages).number("bytes", done->bytes).str() << "\n";
    else
        call.out << "the bytes of " << done->messages << " messages are kept no longer: " << done->bytes << "\n";
    if (wanted > done->messages)
        call.error << wanted - done->messages << " ids are left as they are: not known, not kept, or neither dead nor set aside\n";
    return wanted > done->messages ? exits::tempFail : exits::ok;
}

int runOutbox(Command::Call& call) {
    const auto outbox = makeOutboxLedger(call.host.database(), call.host.clock());
    if (call.arguments.empty()) return showOutbox(call, *outbox);
    if (call.arguments.front() == "resume") return resume(call, *outbox);
    if (call.arguments.front() == "discard") return discard(call, *outbox);
    if (call.arguments.front() == "abandon") return abandon(call, *outbox);
    return misused(call, "outbox wants nothing, or resume or abandon and the name of a sink, or discard and which messages");
}

// ---- replay

int runReplay(Command::Call& call) {
    ReplayQuery query;
    std::string sink;
    if (const auto wrong = parseMessages(call.arguments, 0, query, &sink)) return misused(call, "replay: " + *wrong);
    if (!isSink(call, sink)) return exits::config;
    const auto wanted = query.ids.size();
    const auto snapshot = call.host.configuration();
    for (const auto& alias : snapshot->aliases("mailbox")) query.after.emplace(alias, mailboxSettings(*snapshot, alias).after);
    const auto outbox = makeOutboxLedger(call.host.database(), call.host.clock());
    const auto done = wait(call, outbox->replay(std::move(query), sink));
    if (!done) return failed(call, done.error());
    if (call.json) {
        Object item;
        call.out << item.number("kept", done->kept)
                        .number("to_fetch", done->toFetch)
                        .number("unreachable", done->unreachable)
                        .number("under_way", done->underWay)
                        .str()
                 << "\n";
    } else {
        call.out << done->kept + done->toFetch << " messages go to sink " << sink << " once more, " << done->toFetch
                 << " of which are fetched from their mailbox first\n";
    }
    const auto found = done->kept + done->toFetch + done->unreachable + done->underWay;
    if (done->underWay > 0) call.error << done->underWay << " messages are on their way to their own sinks: ask again when they have arrived\n";
    if (done->unreachable > 0)
        call.error << done->unreachable << " messages cannot be had: they are no longer where they were, and their bytes are not kept\n";
    if (wanted > found) call.error << wanted - found << " ids are not known\n";
    return done->unreachable > 0 || done->underWay > 0 || wanted > found ? exits::tempFail : exits::ok;
}

}  // namespace

std::vector<Command> outboxCommands() {
    const auto resumeWrites = [](const std::vector<std::string>& arguments) {
        return arguments.empty() ? Command::Store::read : Command::Store::write;
    };
    const auto writes = [](const auto&) { return Command::Store::write; };
    return {
        {"outbox", "outbox [resume SINK|abandon SINK|discard ID...|discard --query KEY=VALUE...]",
         "what waits for which sink; try a sink again that was disabled; keep bytes of dead messages, or of some set aside, no longer", resumeWrites,
         runOutbox},
        {"replay", "replay ID...|--query KEY=VALUE... --to SINK",
         "deliver messages once more, under the same ids; conditions: mailbox folder state since until", writes, runReplay},
    };
}

}  // namespace listener
