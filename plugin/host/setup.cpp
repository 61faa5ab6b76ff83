#include "plugin/host/setup.h"

#include "auth/access.h"
#include "plugin/host/host_keys.h"
#include "plugin/host/problem_report.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <ostream>
#include <set>

namespace plugin::host {

namespace {

/// A key before anything is validated: which packages to load decides which keys are known.
std::string written(const LoadedFiles& files, const std::string& key) {
    for (const auto& entry : files.properties.entries)
        if (entry.key == key) return entry.value;
    return {};
}

std::vector<std::string> firstParts(const LoadedFiles& files) {
    std::set<std::string> parts;
    for (const auto& entry : files.properties.entries) parts.insert(entry.key.substr(0, entry.key.find('.')));
    return {parts.begin(), parts.end()};
}

}  // namespace

Setup prepare(const CommonOptions& options, const std::string& program) {
    Setup setup;
    setup.surroundings.workingDirectory = std::filesystem::current_path().string();
    setup.surroundings.option = options.config;
    if (const char* environment = std::getenv("POSTERN_CONFIG"))
        setup.surroundings.environment = environment;  // NOLINT(concurrency-mt-unsafe): before any thread
    setup.source = findConfiguration(setup.surroundings);
    setup.files = loadConfiguration(setup.source);
    const auto given = written(setup.files, "package.path");
    setup.packagePath =
        given.empty() ? packagePath(program) : (std::filesystem::path(setup.surroundings.workingDirectory) / given).lexically_normal().string();
    setup.packages =
        loadPackages(setup.packagePath, [&](const std::string& name) { return written(setup.files, "package." + name + ".enabled") != "false"; });

    setup.rules.workingDirectory = setup.surroundings.workingDirectory;
    setup.rules.checks = {checkHostKeys, auth::check};
    for (auto& keys : {hostKeys(), auth::keys(), setup.packages.keys()}) setup.rules.keys.insert(setup.rules.keys.end(), keys.begin(), keys.end());
    for (const auto& each : setup.packages.all)
        if (each.package)
            setup.rules.checks.push_back([package = each.package.get()](const Configuration& configuration, std::vector<Problem>& problems) {
                package->check(configuration, problems);
            });
    setup.rules.foreign = setup.packages.foreign(firstParts(setup.files), setup.rules.keys);
    return setup;
}

std::vector<Problem> packageProblems(const Packages& packages) {
    std::vector<Problem> problems;
    for (const auto& each : packages.all)
        if (each.error) problems.push_back(Problem{Problem::Severity::error, each.error->code, "package." + each.description.name, each.error->what});
    return problems;
}

std::vector<CommandInfo> commandInfos(const Packages& packages) {
    std::vector<CommandInfo> infos;
    for (auto& command : packages.commands()) infos.push_back({command.name, command.usage, command.summary});
    return infos;
}

std::shared_ptr<const Configuration> validConfiguration(const Setup& setup, std::ostream& error, std::vector<Problem>* warnings) {
    auto checked = validate(setup.files.properties, setup.rules);
    if (checked.valid()) {
        if (warnings != nullptr) *warnings = std::move(checked.problems);
        return checked.configuration;
    }
    for (const auto& problem : checked.problems) error << reportLine(problem) << '\n';
    error << (setup.source.path.empty() ? "" : setup.source.path + ": ") << summary(checked.problems) << '\n';
    return nullptr;
}

Validated reread(const Setup& setup) {
    const auto files = loadConfiguration(setup.source);
    auto rules = setup.rules;
    rules.foreign = setup.packages.foreign(firstParts(files), rules.keys);
    return validate(files.properties, rules);
}

std::string version() { return POSTERN_VERSION; }

}  // namespace plugin::host
