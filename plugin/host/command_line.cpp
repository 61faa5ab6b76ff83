#include "plugin/host/command_line.h"

#include "plugin/host/nearest.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <string_view>
#include <utility>

namespace plugin::host {

namespace {

struct OwnCommand {
    std::string_view name, usage, summary, details;
};

constexpr std::array ownCommands{
    OwnCommand{"run", "run [--once] [--daemon] [--pidfile F]", "listen to every enabled mailbox",
               "  --once       until nothing is unaccounted, then exit: 0 all settled, 75 anything pending, 78 configuration\n"
               "  --daemon     in the background\n"
               "  --pidfile F  write the process id to F\n"},
    OwnCommand{"check", "check", "read everything, connect nowhere, list every problem (exit 0 or 78)", ""},
    OwnCommand{"token", "token CREDENTIAL [--user U] [--scope S] [--protocol P] [--reveal]", "ask for an access token",
               "  --user U      whom the token is for\n"
               "  --scope S     instead of the configured scopes, separated by blanks\n"
               "  --protocol P  imap, ews, graph or pop3: the scopes a provider has for it\n"
               "  --reveal      show the tokens; without --json the access token alone\n"},
    OwnCommand{"keystores", "keystores [ALIAS] [--certificate KEY]", "list the keys of every keystore, or of one, and whether they could be loaded",
               "  --certificate KEY  print the certificate of that key, in PEM: what is uploaded to the provider\n"},
    OwnCommand{"login", "login CREDENTIAL [--user EXPECTED]", "sign in as a person, once, and keep what the provider grants",
               "  --user EXPECTED  who has to sign in; else the user of the mailboxes that use the credential\n"},
    OwnCommand{"oauth", "oauth server-login|user-login|refresh-token CREDENTIAL [OPTIONS]", "ask for a token by connector, with a numeric status",
               "  server-login C [--scope S]                            as an application\n"
               "  user-login C [--scope S] [--use-prompt true|false]    as a person; nothing is kept\n"
               "  refresh-token C [--refresh-token-file F|-]            for a refresh token: of a file, of standard input, or the one that is kept\n"
               "  --reveal                                              show the tokens\n"},
    OwnCommand{"credentials", "credentials [NAME] [--forget]", "show what is known of every credential, or of one: grant, scopes, end, last results",
               "  --forget  forget what is stored of the grant of NAME: somebody has to sign in again\n"},
    OwnCommand{"seal", "seal", "read a secret from standard input, print ${sealed:...} for the configuration", ""},
    OwnCommand{"version", "version", "print the version", ""},
    OwnCommand{"help", "help [COMMAND]", "print this, or what a command takes", ""},
};

constexpr std::string_view commonUsage =
    "Every command takes, before or after its arguments:\n"
    "  --config P   a file, or a directory with *.properties; else $POSTERN_CONFIG, ./conf, /etc/postern\n"
    "  --json       JSON for scripts\n"
    "  --help       what the command takes\n";

const OwnCommand* findOwn(std::string_view name) {
    const auto found = std::find_if(ownCommands.begin(), ownCommands.end(), [&](const OwnCommand& each) { return each.name == name; });
    return found == ownCommands.end() ? nullptr : &*found;
}

struct Failed {
    std::string what;  // thrown inside this file alone: parsing gives up at the first bad argument, from any depth
};

bool isOption(const std::string& argument) { return argument.size() > 1 && argument.front() == '-'; }

std::string suggestion(const std::string& written, const std::vector<std::string>& known) {
    const auto meant = nearest(written, known);
    return meant.empty() ? "" : "; did you mean " + meant + "?";
}

/// Arguments taken one by one; knows "--option value" and "--option=value".
class Arguments {
public:
    explicit Arguments(std::vector<std::string> all) : all_(std::move(all)) {}

    bool empty() const { return next_ == all_.size(); }
    const std::string& peek() const { return all_[next_]; }
    std::string take() { return all_[next_++]; }

    bool takeFlag(const std::string& name, bool& into) {
        if (peek().starts_with(name + "=")) throw Failed{name + " takes no value"};
        if (peek() != name) return false;
        if (into) throw Failed{name + " is given twice"};
        ++next_;
        return into = true;
    }

    bool takeValue(const std::string& name, std::optional<std::string>& into) {
        const bool joined = peek().starts_with(name + "=");
        if (peek() != name && !joined) return false;
        if (into) throw Failed{name + " is given twice"};
        auto argument = take();
        if (!joined && empty()) throw Failed{name + " needs a value"};
        into = joined ? argument.substr(name.size() + 1) : take();
        if (into->empty()) throw Failed{name + " needs a value"};
        return true;
    }

private:
    std::vector<std::string> all_;
    std::size_t next_ = 0;
};

[[noreturn]] void unknownOption(const std::string& argument, std::vector<std::string> known) {
    known.insert(known.end(), {"--config", "--json", "--help"});
    const auto name = argument.substr(0, argument.find('='));
    throw Failed{"unknown option " + name + suggestion(name, known)};
}

Scanned scan(Arguments arguments) {
    Scanned scanned;
    while (!arguments.empty()) {
        if (arguments.peek() == "--" && !scanned.command.empty()) {
            while (!arguments.empty()) scanned.arguments.push_back(arguments.take());
            break;
        }
        if (arguments.takeValue("--config", scanned.common.config) || arguments.takeFlag("--json", scanned.common.json) ||
            arguments.takeFlag("--help", scanned.common.help))
            continue;
        if (!scanned.command.empty()) {
            scanned.arguments.push_back(arguments.take());
        } else if (isOption(arguments.peek())) {
            const auto option = arguments.take();
            if (option == "--version" || option == "-h" || option == "-V")
                throw Failed{"unknown option " + option + "; did you mean " + (option == "-h" ? "--help?" : "the command version?")};
            unknownOption(option, {});
        } else {
            scanned.command = arguments.take();
        }
    }
    return scanned;
}

void refusePositional(Arguments& arguments, const std::string& command, const std::vector<std::string>& options) {
    if (arguments.peek() == "--") return static_cast<void>(arguments.take());
    if (isOption(arguments.peek())) unknownOption(arguments.peek(), options);
    throw Failed{command + " does not take " + arguments.peek()};
}

RunArguments parseRun(Arguments arguments) {
    RunArguments run;
    while (!arguments.empty())
        if (!arguments.takeFlag("--once", run.once) && !arguments.takeFlag("--daemon", run.daemon) && !arguments.takeValue("--pidfile", run.pidfile))
            refusePositional(arguments, "run", {"--once", "--daemon", "--pidfile"});
    return run;
}

/// The words beside the options, as many as there may be; none is empty. "--" ends the options.
template <class TakeOption>
std::vector<std::string> wordsBeside(Arguments& arguments, TakeOption takeOption, const std::vector<std::string>& options, std::size_t most,
                                     const std::string& tooMany) {
    std::vector<std::string> words;
    bool optionsEnded = false;
    while (!arguments.empty()) {
        if (!optionsEnded && arguments.peek() == "--") {
            optionsEnded = true;
            arguments.take();
        } else if (!optionsEnded && isOption(arguments.peek())) {
            if (!takeOption()) unknownOption(arguments.peek(), options);
        } else if (words.size() < most && !arguments.peek().empty()) {
            words.push_back(arguments.take());
        } else {
            throw Failed{tooMany};
        }
    }
    return words;
}

TokenArguments parseToken(Arguments arguments) {
    TokenArguments token;
    const auto takeOption = [&] {
        return arguments.takeValue("--user", token.user) || arguments.takeValue("--scope", token.scope) ||
               arguments.takeValue("--protocol", token.protocol) || arguments.takeFlag("--reveal", token.reveal);
    };
    auto words = wordsBeside(arguments, takeOption, {"--user", "--scope", "--protocol", "--reveal"}, 1, "token takes one credential");
    if (words.empty()) throw Failed{"token needs the name of a credential"};
    token.credential = std::move(words.front());
    constexpr std::array<std::string_view, 4> protocols{"imap", "ews", "graph", "pop3"};
    if (token.protocol && std::find(protocols.begin(), protocols.end(), *token.protocol) == protocols.end())
        throw Failed{"--protocol is imap, ews, graph or pop3"};
    return token;
}

KeystoresArguments parseKeystores(Arguments arguments) {
    KeystoresArguments keystores;
    auto words = wordsBeside(
        arguments, [&] { return arguments.takeValue("--certificate", keystores.certificate); }, {"--certificate"}, 1, "keystores takes one keystore");
    if (!words.empty()) keystores.alias = std::move(words.front());
    if (keystores.certificate && keystores.alias.empty()) throw Failed{"--certificate needs the name of a keystore too"};
    return keystores;
}

LoginArguments parseLogin(Arguments arguments) {
    LoginArguments login;
    auto words = wordsBeside(
        arguments, [&] { return arguments.takeValue("--user", login.user); }, {"--user"}, 1, "login takes one credential");
    if (words.empty()) throw Failed{"login needs the name of a credential"};
    login.credential = std::move(words.front());
    return login;
}

OauthArguments parseOauth(Arguments arguments) {
    OauthArguments oauth;
    const std::vector<std::string> connectors{"server-login", "user-login", "refresh-token"};
    const auto takeOption = [&] {
        if (arguments.peek().starts_with("--refresh-token=") || arguments.peek() == "--refresh-token")
            throw Failed{"a refresh token is no argument, everybody could read it; use --refresh-token-file F, or - for standard input"};
        return arguments.takeValue("--scope", oauth.scope) || arguments.takeValue("--use-prompt", oauth.usePrompt) ||
               arguments.takeValue("--refresh-token-file", oauth.refreshTokenFile) || arguments.takeFlag("--reveal", oauth.reveal);
    };
    auto words = wordsBeside(arguments, takeOption, {"--scope", "--use-prompt", "--refresh-token-file", "--reveal"}, 2,
                             "oauth takes one connector and one credential");
    if (words.empty()) throw Failed{"oauth needs a connector: server-login, user-login or refresh-token"};
    if (std::find(connectors.begin(), connectors.end(), words.front()) == connectors.end())
        throw Failed{"unknown connector " + words.front() + suggestion(words.front(), connectors)};
    if (words.size() == 1) throw Failed{"oauth " + words.front() + " needs the name of a credential"};
    oauth.connector = std::move(words[0]);
    oauth.credential = std::move(words[1]);
    if (oauth.scope && oauth.connector == "refresh-token") throw Failed{"oauth refresh-token takes no --scope: a refresh token has its own"};
    if (oauth.usePrompt && oauth.connector != "user-login") throw Failed{"--use-prompt is for user-login"};
    if (oauth.usePrompt && *oauth.usePrompt != "true" && *oauth.usePrompt != "false") throw Failed{"--use-prompt is true or false"};
    if (oauth.refreshTokenFile && oauth.connector != "refresh-token") throw Failed{"--refresh-token-file is for refresh-token"};
    return oauth;
}

CredentialsArguments parseCredentials(Arguments arguments) {
    CredentialsArguments credentials;
    auto words = wordsBeside(
        arguments, [&] { return arguments.takeFlag("--forget", credentials.forget); }, {"--forget"}, 1, "credentials takes one credential");
    if (!words.empty()) credentials.name = std::move(words.front());
    if (credentials.forget && credentials.name.empty()) throw Failed{"--forget needs the name of a credential"};
    return credentials;
}

std::vector<std::string> allNames(const std::vector<CommandInfo>& packages) {
    std::vector<std::string> names;
    for (const auto& each : ownCommands) names.emplace_back(each.name);
    for (const auto& each : packages) names.push_back(each.name);
    return names;
}

void requireKnown(const std::string& command, const std::vector<CommandInfo>& packages) {
    const auto names = allNames(packages);
    if (std::find(names.begin(), names.end(), command) == names.end()) throw Failed{"unknown command " + command + suggestion(command, names)};
}

void refuseAll(Arguments arguments, const std::string& command) {
    while (!arguments.empty()) refusePositional(arguments, command, {});
}

HelpArguments parseHelp(Scanned& scanned, const std::vector<CommandInfo>& packages) {
    auto& words = scanned.arguments;
    if (words.empty()) return {};
    if (isOption(words.front())) unknownOption(words.front(), {});
    if (words.size() > 1) throw Failed{"help takes one command"};
    requireKnown(words.front(), packages);
    return HelpArguments{std::move(words.front())};
}

CommandLine parse(Scanned scanned, const std::vector<CommandInfo>& packages) {
    CommandLine line;
    line.common = scanned.common;
    const auto& name = scanned.command;
    if (name.empty() && !scanned.common.help) throw Failed{"a command is missing"};
    if (!name.empty()) requireKnown(name, packages);
    if (name == "help")
        line.command = parseHelp(scanned, packages);
    else if (scanned.common.help)
        line.command = HelpArguments{name};  // whatever else stands there: who asks for help may have it wrong
    else if (name == "run")
        line.command = parseRun(Arguments(std::move(scanned.arguments)));
    else if (name == "token")
        line.command = parseToken(Arguments(std::move(scanned.arguments)));
    else if (name == "keystores")
        line.command = parseKeystores(Arguments(std::move(scanned.arguments)));
    else if (name == "login")
        line.command = parseLogin(Arguments(std::move(scanned.arguments)));
    else if (name == "oauth")
        line.command = parseOauth(Arguments(std::move(scanned.arguments)));
    else if (name == "credentials")
        line.command = parseCredentials(Arguments(std::move(scanned.arguments)));
    else if (name == "check" || name == "version" || name == "seal") {
        refuseAll(Arguments(std::move(scanned.arguments)), name);
        if (name == "check")
            line.command = CheckArguments{};
        else if (name == "seal")
            line.command = SealArguments{};
        else
            line.command = VersionArguments{};
    } else {
        line.command = PackageArguments{name, std::move(scanned.arguments)};
    }
    return line;
}

std::string row(std::string_view usage, std::string_view summary) {
    return "  postern " + std::string(usage) + "\n      " + std::string(summary) + "\n";
}

}  // namespace

std::variant<Scanned, UsageError> scanCommandLine(const std::vector<std::string>& arguments) {
    try {
        return scan(Arguments(arguments));
    } catch (Failed& failed) {
        return UsageError{std::move(failed.what)};
    }
}

std::variant<CommandLine, UsageError> parseCommandLine(const std::vector<std::string>& arguments, const std::vector<CommandInfo>& packages) {
    try {
        return parse(scan(Arguments(arguments)), packages);
    } catch (Failed& failed) {
        return UsageError{std::move(failed.what)};
    }
}

bool isOwnCommand(const std::string& name) { return findOwn(name) != nullptr; }

std::string usageText(const std::vector<CommandInfo>& packages, const std::string& command) {
    if (const auto* own = findOwn(command)) return row(own->usage, own->summary) + std::string(own->details) + "\n" + std::string(commonUsage);
    for (const auto& each : packages)
        if (each.name == command) return row(each.usage, each.summary) + "\n" + std::string(commonUsage);
    std::string text = "Usage:\n";
    for (const auto& each : ownCommands) text += row(each.usage, each.summary);
    for (const auto& each : packages) text += row(each.usage, each.summary);
    return text + "\n" + std::string(commonUsage);
}

}  // namespace plugin::host
