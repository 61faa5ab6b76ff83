#include "plugin/host/api.h"

#include "auth/access.h"
#include "auth/explain.h"
#include "plugin/contract/text.h"
#include "plugin/host/credentials_command.h"
#include "plugin/host/keystores_command.h"

#include <charconv>
#include <optional>
#include <sstream>
#include <string_view>
#include <utility>

namespace plugin::host {

using admin::ApiAnswer;
using admin::apiError;

namespace {

constexpr int found = 200, badRequest = 400, notFound = 404, failed = 500, unavailable = 503;
constexpr int wrongUse = 64, bug = 70, configuration = 78;

Command::Store reads(const std::vector<std::string>&) { return Command::Store::read; }
std::string nameIn(const Command::Call& call) { return call.arguments.empty() ? std::string{} : call.arguments.front(); }

/// The program's own, as `commands.cpp` runs them beside a service.
std::vector<Command> ownCommands() {
    return {{"credentials", "", "", reads,
             [](Command::Call& call) {
                 return showCredentials(call.host.configuration(), &call.host.database(), nameIn(call), *call.host.loops().front(), call.json,
                                        call.out, call.error);
             },
             true},
            {"keystores", "", "", reads,
             [](Command::Call& call) {
                 return showKeystores(*call.host.configuration(), call.host.access().secrets(), {nameIn(call)}, call.host.clock().wall(), call.json,
                                      call.out, call.error);
             },
             true}};
}

/// The code a command's message begins with, "PO-1008 there is no …"; nothing: it has none.
std::optional<Code> codeIn(std::string_view text) {
    constexpr std::string_view mark = "PO-";
    constexpr std::size_t digits = 4;
    if (!text.starts_with(mark) || text.size() < mark.size() + digits) return std::nullopt;
    std::uint16_t number = 0;
    const auto* const begin = text.data() + mark.size();
    if (std::from_chars(begin, begin + digits, number).ptr != begin + digits || findCode(static_cast<Code>(number)) == nullptr) return std::nullopt;
    return static_cast<Code>(number);
}

/// What a command has said of why it has nothing to show: describe()'s code and text, without the next step, which comes from the code.
ApiAnswer refusal(int status, std::string_view said) {
    constexpr std::string_view program = "postern: ";
    if (said.starts_with(program)) said.remove_prefix(program.size());
    said = said.substr(0, said.find('\n'));
    const auto code = codeIn(said);
    if (!code) return apiError(status, status < failed ? Code::adminRequest : Code::adminBusy, said);
    said.remove_prefix(std::min(said.size(), codeName(*code).size() + 1));
    const auto next = ". Next: " + std::string(findCode(*code)->next);
    if (said.ends_with(next)) said.remove_suffix(next.size());
    return apiError(status, *code, said);
}

int httpStatus(int status, bool named) {
    if (status == wrongUse) return badRequest;
    if (status == configuration && named) return notFound;
    return status == bug || status == configuration ? failed : unavailable;
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

Api::Api(Host& host, std::vector<Command> commands, SlowAnswers::Limits ofKeystores) : host_(host), keystores_(ofKeystores) {
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
    auto shown = std::move(out).str();
    if (!shown.empty()) return {found, std::move(shown)};
    return refusal(httpStatus(status, !name.empty()), error.view());
}

}  // namespace plugin::host
