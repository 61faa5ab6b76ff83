#pragma once

#include "plugin/host/command_line.h"
#include "plugin/host/configuration_files.h"
#include "plugin/host/package_loader.h"
#include "plugin/host/validation.h"

#include <iosfwd>
#include <string>
#include <vector>

namespace plugin::host {

/// What every command begins with: the files, the packages they ask for, and the rules both are judged by.
struct Setup {
    Surroundings surroundings{};
    ConfigurationSource source{};
    LoadedFiles files{};
    std::string packagePath{};  ///< absolute
    Packages packages{};
    Rules rules{};
};

/// `program`: absolute path of the running program. Reads the configuration and loads the packages; connects nowhere. What is wrong with the
/// files is told by validate() and runCheck(), what is wrong with packages stands in them.
Setup prepare(const CommonOptions& options, const std::string& program);

/// Broken packages, as `check` shows them.
std::vector<Problem> packageProblems(const Packages& packages);

/// Names, usages and summaries for the command line.
std::vector<CommandInfo> commandInfos(const Packages& packages);

/// The configuration if it is valid; otherwise every problem has been written to `error`, as `check` writes them. Warnings do not count and
/// are handed on in `warnings`.
std::shared_ptr<const Configuration> validConfiguration(const Setup& setup, std::ostream& error, std::vector<Problem>* warnings = nullptr);

/// The same files read and judged again, by the rules of the packages that are loaded.
Validated reread(const Setup& setup);

/// This program's version.
std::string version();

}  // namespace plugin::host
