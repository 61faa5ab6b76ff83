#include "plugin/host/application.h"

#include "plugin/contract/exit_status.h"
#include "plugin/host/check_command.h"
#include "plugin/host/command_line.h"
#include "plugin/host/commands.h"
#include "plugin/host/sealed_check.h"
#include "plugin/host/service.h"
#include "plugin/host/setup.h"

#include <Poco/Exception.h>

#include <filesystem>
#include <iostream>
#include <variant>

namespace plugin::host {

namespace {

template <class... Functions>
struct Overloaded : Functions... {
    using Functions::operator()...;
};
template <class... Functions>
Overloaded(Functions...) -> Overloaded<Functions...>;

int misused(const UsageError& wrong, const Packages& packages, std::ostream& error) {
    error << wrong.what << '\n';
    for (const auto& each : packages.all)  // the command may be one of theirs
        if (each.error) error << describe(*each.error) << '\n';
    return exits::usage;
}

int dispatch(const std::vector<std::string>& arguments, const std::string& program, std::ostream& out, std::ostream& error) {
    const auto scanned = scanCommandLine(arguments);
    if (const auto* wrong = std::get_if<UsageError>(&scanned)) return misused(*wrong, {}, error);
    auto setup = prepare(std::get<Scanned>(scanned).common, program);
    const auto parsed = parseCommandLine(arguments, commandInfos(setup.packages));
    if (const auto* wrong = std::get_if<UsageError>(&parsed)) return misused(*wrong, setup.packages, error);
    const auto& line = std::get<CommandLine>(parsed);
    const bool json = line.common.json;
    return std::visit(Overloaded{[&](const RunArguments& run) { return runService(setup, run, error); },
                                 [&](const CheckArguments&) {
                                     return runCheck({setup.source, setup.rules, packageProblems(setup.packages), probeSource, probeDirectory, json,
                                                      sealedProblems},
                                                     out, error);
                                 },
                                 [&](const TokenArguments& token) { return runTokenCommand(setup, token, json, out, error); },
                                 [&](const KeystoresArguments& keystores) { return runKeystoresCommand(setup, keystores, json, out, error); },
                                 [&](const LoginArguments& login) { return runLoginCommand(setup, login, json, out, error); },
                                 [&](const OauthArguments& oauth) { return runOauthCommand(setup, oauth, json, out, error); },
                                 [&](const CredentialsArguments& credentials) { return runCredentialsCommand(setup, credentials, json, out, error); },
                                 [&](const SealArguments&) { return runSealCommand(setup, std::cin, out, error); },
                                 [&](const VersionArguments&) { return runVersionCommand(setup, json, out); },
                                 [&](const HelpArguments& help) {
                                     out << usageText(commandInfos(setup.packages), help.command);
                                     return 0;
                                 },
                                 [&](const PackageArguments& package) { return runPackageCommand(setup, package, json, out, error); }},
                      line.command);
}

}  // namespace

Application::Application(std::vector<std::string> arguments) : arguments_(std::move(arguments)) { setUnixOptions(true); }

int Application::main(const std::vector<std::string>&) {
    std::error_code failure;
    const auto program = std::filesystem::read_symlink("/proc/self/exe", failure).string();
    return runCommandLine(arguments_, failure ? commandPath() : program, std::cout, std::cerr);
}

int runCommandLine(const std::vector<std::string>& arguments, const std::string& program, std::ostream& out, std::ostream& error) {
    const auto failed = [&](const std::string& cause) {
        const auto* entry = findCode(Code::internalBug);
        error << codeName(Code::internalBug) << " the program failed: " << cause << ". Next: " << entry->next << std::endl;
        return exits::software;
    };
    try {
        const int status = dispatch(arguments, program, out, error);
        out.flush();
        return status;
    } catch (const Poco::Exception& exception) {
        return failed(exception.displayText());
    } catch (const std::exception& exception) {
        return failed(exception.what());
    }
}

}  // namespace plugin::host
