#include "plugin/host/reload.h"

#include "plugin/host/known_keys.h"

#include <set>
#include <string>

namespace plugin::host {

std::vector<Problem> needRestart(const Configuration& before, const Configuration& after, const std::vector<Key>& keys) {
    const KnownKeys known(keys);
    std::set<std::string> names;
    for (const auto* snapshot : {&before, &after})
        for (const auto& [name, setting] : snapshot->settings()) names.insert(name);
    std::vector<Problem> problems;
    for (const auto& name : names) {
        if (before.text(name) == after.text(name)) continue;
        const auto match = known.match(name);
        if (!match || !match->key->restart) continue;
        const auto place = after.place(name).line > 0 ? after.place(name) : before.place(name);
        problems.push_back({Problem::Severity::error, Code::configNeedsRestart, name, name + " has changed: that needs a restart", place});
    }
    return problems;
}

void logProblems(Log& log, const std::vector<Problem>& problems) {
    for (const auto& problem : problems)
        log.write(problem.severity == Problem::Severity::error ? Level::error : Level::warning, "host.configuration", problem.what,
                  {{"code", codeName(problem.code)}, {"key", problem.key}, {"file", problem.place.file}, {"line", problem.place.line}});
}

}  // namespace plugin::host
