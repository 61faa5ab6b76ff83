#pragma once

#include "plugin/host/configuration_files.h"
#include "plugin/host/validation.h"
#include "plugin/host/value_form.h"

#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace plugin::host {

/// Whether the source of a secret could be read now: what is in the way, or nothing. It never answers the secret.
/// kind and argument as in ${kind:argument}; a file's path is absolute.
using SourceProbe = std::function<std::optional<std::string>(std::string_view kind, std::string_view argument)>;

/// Opens the file, looks the variable up, looks whether the program is there; runs nothing. Blocks for the disk.
std::optional<std::string> probeSource(std::string_view kind, std::string_view argument);

/// Each secret whose value names a source.
using SourceVisitor = std::function<void(const std::string& key, const SecretSource& source, const Place& place)>;
void eachSecretSource(const Configuration& configuration, const std::vector<Key>& keys, const SourceVisitor& visit);

/// Secrets that could not be read (configSecretSource). They do not keep the service from starting, since they are read at need.
std::vector<Problem> secretProblems(const Configuration& configuration, const std::vector<Key>& keys, const SourceProbe& probe);

/// Whether files could be made in a directory now: what is in the way, or nothing.
using DirectoryProbe = std::function<std::optional<std::string>(const std::string& directory)>;

/// Looks whether it is there, is a directory and may be written to by this user; makes nothing. Blocks for the disk.
std::optional<std::string> probeDirectory(const std::string& directory);

/// Warnings (configBadValue) for log.file and server.pidfile in directories where no file can be made: another user may be able to.
std::vector<Problem> fileProblems(const Configuration& configuration, const DirectoryProbe& probe);

/// What is wrong with values ${sealed:...}.
using SealedProbe = std::function<std::vector<Problem>(const Configuration& configuration, const std::vector<Key>& keys)>;

struct CheckRequest {
    ConfigurationSource source;
    Rules rules;                             ///< the host's keys and those of every package that could be loaded
    std::vector<Problem> packageProblems{};  ///< what the loader met; reported with the rest
    SourceProbe probe = probeSource;
    DirectoryProbe directories = probeDirectory;
    bool json = false;
    SealedProbe sealed{};  ///< none: they are not looked into
};

/// `postern check`: reads everything, connects nowhere, runs no command. Problems go to `out` (lines, or one JSON array), the summary for
/// people to `error`. Answers the exit status: 0 (warnings are allowed) or 78.
int runCheck(const CheckRequest& request, std::ostream& out, std::ostream& error);

}  // namespace plugin::host
