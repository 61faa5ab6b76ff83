#include "plugin/host/problem_report.h"

#include <Poco/JSON/Array.h>
#include <Poco/JSON/Object.h>

#include <algorithm>
#include <ostream>

namespace plugin::host {

namespace {

const char* severityName(Problem::Severity severity) { return severity == Problem::Severity::error ? "error" : "warning"; }

Poco::Dynamic::Var textOrNull(const std::string& text) { return text.empty() ? Poco::Dynamic::Var{} : Poco::Dynamic::Var{text}; }

/// The key as a word of its own: "server.dat" does not stand in "server.data".
bool mentions(const std::string& what, const std::string& key) {
    for (auto at = what.find(key); at != std::string::npos; at = what.find(key, at + 1)) {
        const auto after = at + key.size();
        if (after == what.size() || what.find_first_of(" :,;\"'`)", after) == after) return true;
    }
    return false;
}

std::string counted(std::ptrdiff_t count, const std::string& what) { return std::to_string(count) + " " + what + (count == 1 ? "" : "s"); }

}  // namespace

std::string reportLine(const Problem& problem) {
    std::string line = problem.place.file;
    if (problem.place.line > 0) line += ":" + std::to_string(problem.place.line);
    if (!line.empty()) line += ": ";
    line += std::string(severityName(problem.severity)) + " " + codeName(problem.code) + " ";
    if (!problem.key.empty() && !mentions(problem.what, problem.key)) line += problem.key + ": ";
    line += problem.what;
    if (const auto* entry = findCode(problem.code); entry != nullptr && !entry->next.empty()) {
        line += line.ends_with('.') || line.ends_with('?') ? "  Next: " : ".  Next: ";
        line += entry->next;
    }
    return line;
}

void writeJson(const std::vector<Problem>& problems, std::ostream& out) {
    Poco::JSON::Array array;
    for (const auto& problem : problems) {
        Poco::JSON::Object object(Poco::JSON_PRESERVE_KEY_ORDER);
        const auto* entry = findCode(problem.code);
        object.set("severity", severityName(problem.severity));
        object.set("code", codeName(problem.code));
        object.set("key", textOrNull(problem.key));
        object.set("file", textOrNull(problem.place.file));
        object.set("line", problem.place.line > 0 ? Poco::Dynamic::Var{problem.place.line} : Poco::Dynamic::Var{});
        object.set("message", problem.what);
        object.set("next", textOrNull(entry == nullptr ? std::string{} : std::string(entry->next)));
        array.add(object);
    }
    array.stringify(out, 2);
    out << '\n';
}

std::string summary(const std::vector<Problem>& problems) {
    const auto errors =
        std::count_if(problems.begin(), problems.end(), [](const Problem& each) { return each.severity == Problem::Severity::error; });
    return counted(errors, "error") + ", " + counted(static_cast<std::ptrdiff_t>(problems.size()) - errors, "warning");
}

}  // namespace plugin::host
