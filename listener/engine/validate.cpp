#include "listener/engine/validate.h"

#include "listener/engine/command_support.h"
#include "listener/engine/doctor.h"
#include "listener/engine/validate_checks.h"

#include <algorithm>

namespace listener {

using plugin::Code;
using plugin::Command;
using plugin::Error;
using plugin::Reaction;

namespace {

/// One thing to be tried: a group of the configuration and an alias of it.
struct Subject {
    std::string kind;
    std::string name;
};

Steps check(Command::Call& call, const Subject& subject) {
    auto& host = call.host;
    const auto configuration = host.configuration();
    Steps steps(subject.kind, subject.name, host.clock(), call.json ? nullptr : &call.out);
    const auto known = configuration->aliases(subject.kind);
    if (std::find(known.begin(), known.end(), subject.name) == known.end()) {
        steps.failed("configuration", Error{Reaction::askOperator, Code::configUnknownReference, "there is no " + subject.kind + " " + subject.name});
        return steps;
    }
    Seen seen;
    const auto done = subject.kind == "mailbox"      ? wait(call, checkMailbox(host, mailboxSettings(*configuration, subject.name), steps, seen))
                      : subject.kind == "credential" ? wait(call, checkCredential(host, subject.name, steps))
                                                     : wait(call, checkSink(host, subject.name, steps));
    if (!done) steps.failed("program", done.error());
    return steps;
}

int runValidate(Command::Call& call) {
    const auto& words = call.arguments;
    const bool all = words.size() == 1 && words.front() == "--all";
    const bool one = words.size() == 2 && (words[0] == "credential" || words[0] == "mailbox" || words[0] == "sink") && !words[1].starts_with("-");
    if (!all && !one) return misused(call, "validate wants credential, mailbox or sink and a name, or --all");
    std::vector<Subject> subjects;
    if (one) subjects.push_back({words[0], words[1]});
    if (all)
        for (const auto* kind : {"credential", "sink", "mailbox"})
            for (auto& name : call.host.configuration()->aliases(kind)) subjects.push_back({kind, std::move(name)});
    int status = 0;
    std::vector<std::string> items;
    for (const auto& subject : subjects) {
        const auto steps = check(call, subject);
        status = worseStatus(status, steps.status());
        items.push_back(steps.json());
    }
    if (call.json && one) call.out << items.front() << "\n";
    if (call.json && all) printArray(call.out, items);
    return status;
}

}  // namespace

std::vector<Command> validationCommands() {
    const auto reads = [](const auto&) { return Command::Store::read; };
    return {
        {"validate", "validate credential|mailbox|sink NAME | --all", "try it for real, step by step", reads, runValidate},
        {"doctor", "doctor MAILBOX [--denied OTHER]", "the same for a mailbox, with what is wrong and how to mend it", reads, runDoctor},
    };
}

}  // namespace listener
