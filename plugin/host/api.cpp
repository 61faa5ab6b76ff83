#include "plugin/host/api.h"

#include "auth/access.h"
#include "auth/explain.h"
#include "plugin/contract/bug.h"
#include "plugin/contract/exit_status.h"
#include "plugin/host/credentials_command.h"
#include "plugin/host/keystores_command.h"

#include <sstream>
#include <stdexcept>
#include <utility>

namespace plugin::host {

using admin::ApiAnswer;
using admin::apiError;

namespace {

constexpr int found = 200, badRequest = 400, notFound = 404, failed = 500, unavailable = 503;

Command::Store reads(const std::vector<std::string>&) { return Command::Store::read; }
std::string nameIn(const Command::Call& call) { return call.arguments.empty() ? std::string{} : call.arguments.front(); }

template <class T>
int told(Command::Call& call, const Result<T>& shown) {
    if (shown) return exits::ok;
    call.failure = shown.error();
    return exitStatus(shown.error());
}

/// The program's own, as `commands.cpp` runs them beside a service.
std::vector<Command> ownCommands() {
    return {{"credentials", "", "", reads,
             [](Command::Call& call) {
                 return told(call, showCredentials(call.host.configuration(), &call.host.database(), nameIn(call), *call.host.loops().front(),
                                                   call.json, call.out));
             },
             true},
            {"keystores", "", "", reads,
             [](Command::Call& call) {
                 return told(call, showKeystores(*call.host.configuration(), call.host.access().secrets(), {nameIn(call)}, call.host.clock().wall(),
                                                 call.json, call.out));
             },
             true}};
}

/// 404 is for what is not there alone; 500 for what somebody has to mend; the rest passes.
int httpStatus(const Error& failure, bool named) {
    if (named && failure.code == Code::configUnknownReference) return notFound;
    const int status = exitStatus(failure);
    return status == exits::software || status == exits::config ? failed : unavailable;
}

ApiAnswer diagnosis(const admin::ApiQuestion& question) {
    const auto text = question.parameters.find("text");
    if (!question.name.empty()) return apiError(notFound, Code::adminRequest, "there is nothing at this address");
    if (question.parameters.size() != 1 || text == question.parameters.end() || text->second.empty())
        return apiError(badRequest, Code::adminRequest, "a diagnosis wants one parameter, text: what the provider said");
    std::string body;
    for (const auto& each : auth::explain(text->second)) body += (body.empty() ? "[" : ",\n ") + auth::diagnosis::jsonOf(each);
    return {found, (body.empty() ? "[" : body) + "]\n"};
}

}  // namespace

Api::Api(Host& host, std::vector<Command> commands, SlowAnswers::Limits ofKeystores)
    : host_(host), keystores_(ofKeystores, [this](const std::exception_ptr& bug) {
          tellBug(host_.log(), host_.metrics(), "host.api", "keystores could not be read for those who asked, and wait no more", bug);
      }) {
    for (auto& each : ownCommands()) commands.push_back(std::move(each));
    for (auto& each : commands)
        if (each.served) commands_.insert_or_assign(each.name, std::move(each));
}

ApiAnswer Api::answer(const admin::ApiQuestion& question) {
    if (question.what == "diagnosis") return diagnosis(question);
    const auto command = commands_.find(question.what);
    if (command == commands_.end()) return apiError(notFound, Code::adminRequest, "there is nothing at this address");
    if (!question.parameters.empty()) return apiError(badRequest, Code::adminRequest, question.what + " takes no parameters");
    if (question.what != "keystores") return run(command->second, question.name);
    auto answer = keystores_.ask(question.name, [this, &asked = command->second, name = question.name] { return run(asked, name); });
    if (answer) return std::move(*answer);
    return apiError(unavailable, Code::adminBusy, "the keystores are still being read: a program that gives a password of theirs takes its time",
                    "ask again in a few seconds; `postern keystores` names a program that is not done in time");
}

ApiAnswer Api::run(const Command& command, const std::string& name) {
    std::ostringstream out, error;
    Command::Call call{host_, name.empty() ? std::vector<std::string>{} : std::vector{name}, true, out, error};
    if (name.starts_with('-') || command.store(call.arguments) != Command::Store::read)  // an option, or something that acts
        return apiError(notFound, Code::adminRequest, "there is nothing at this address");
    const int status = command.run(call);
    if (auto shown = std::move(out).str(); !shown.empty()) return {found, std::move(shown)};
    if (call.failure) return apiError(httpStatus(*call.failure, !name.empty()), call.failure->code, call.failure->what);
    if (status == exits::usage) return apiError(badRequest, Code::adminRequest, command.name + " is not asked like that");
    throw std::logic_error(command.name + " has shown nothing, and does not say why: " + printable(error.view()));
}

}  // namespace plugin::host
