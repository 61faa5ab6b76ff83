#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace plugin::host {

/// What everybody may write before or after a command's own arguments.
struct CommonOptions {
    std::optional<std::string> config{};  ///< --config
    bool json = false;                    ///< --json
    bool help = false;                    ///< --help
};

struct RunArguments {
    bool once = false;
    bool daemon = false;
    std::optional<std::string> pidfile{};
};
struct CheckArguments {};
struct TokenArguments {
    std::string credential{};
    std::optional<std::string> user{}, scope{}, protocol{};
    bool reveal = false;
};
struct LoginArguments {
    std::string credential{};
    std::optional<std::string> user{};  ///< --user: who is expected to sign in
};
/// What a process asks for by a connector's name.
struct OauthArguments {
    std::string connector{};  ///< server-login, user-login, refresh-token
    std::string credential{};
    std::optional<std::string> scope{}, usePrompt{}, refreshTokenFile{};
    bool reveal = false;
};
struct VersionArguments {};
struct CredentialsArguments {
    std::string name{};   ///< "" = all
    bool forget = false;  ///< --forget: what is stored of its grant
};
struct SealArguments {};
struct HelpArguments {
    std::string command{};  ///< "" = the whole program
};
/// A command of a package, whose arguments it judges itself.
struct PackageArguments {
    std::string command{};
    std::vector<std::string> arguments{};  ///< as written, without the common options
};

struct CommandLine {
    CommonOptions common{};
    std::variant<RunArguments, CheckArguments, TokenArguments, LoginArguments, OauthArguments, CredentialsArguments, SealArguments, VersionArguments,
                 HelpArguments, PackageArguments>
        command{};
};

/// Exit status 64; `what` is one line, with the nearest command or option where one is near.
struct UsageError {
    std::string what;
};

/// A command of a package, as far as usage and parsing need it (plugin::Command has more).
struct CommandInfo {
    std::string name{};
    std::string usage{};    ///< one line after "postern "
    std::string summary{};  ///< one line
};

/// First look, before any package is loaded: the common options, the command's name and what is left, unjudged. Options are written whole
/// (no abbreviations), as "--option value" or "--option=value"; "--" ends the common options and stays among the arguments.
struct Scanned {
    CommonOptions common{};
    std::string command{};  ///< "" if there is none
    std::vector<std::string> arguments{};
};
std::variant<Scanned, UsageError> scanCommandLine(const std::vector<std::string>& arguments);

/// The whole of it; `arguments` without the program's name. Pure.
std::variant<CommandLine, UsageError> parseCommandLine(const std::vector<std::string>& arguments, const std::vector<CommandInfo>& packages);

/// Whether the program itself has that command, so that no package need be loaded to know what is meant.
bool isOwnCommand(const std::string& name);

/// The text of `help`, several lines. `command` "": all commands.
std::string usageText(const std::vector<CommandInfo>& packages, const std::string& command = {});

}  // namespace plugin::host
