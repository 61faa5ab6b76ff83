#include "plugin/host/check_command.h"

#include "plugin/contract/exit_status.h"
#include "plugin/host/known_keys.h"
#include "plugin/host/problem_report.h"
#include "plugin/host/value_form.h"

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <ostream>
#include <system_error>
#include <tuple>
#include <utility>

namespace plugin::host {

namespace {

std::optional<std::string> probeFile(const std::string& name) {
    std::error_code failure;
    const auto status = std::filesystem::status(name, failure);
    if (std::filesystem::is_directory(status)) return "the secret's file " + name + " is a directory";
    if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) return "the secret's file " + name + " is not a regular file";
    std::FILE* file = std::fopen(name.c_str(), "rbe");
    if (file == nullptr) return "the secret's file " + name + " cannot be opened: " + std::generic_category().message(errno);
    const bool isEmpty = std::fgetc(file) == EOF;
    static_cast<void>(std::fclose(file));
    if (isEmpty) return "the secret's file " + name + " is empty";
    return std::nullopt;
}

/// Looks for it, and leaves it alone: only the service itself runs commands.
std::optional<std::string> probeProgram(std::string_view line) {
    const auto words = parseCommand(line);
    if (!words) return std::nullopt;  // its form has been told of
    if (::access(words->front().c_str(), X_OK) != 0)
        return "the program " + words->front() + " cannot be run: " + std::generic_category().message(errno);
    return std::nullopt;
}

}  // namespace

std::optional<std::string> probeSource(std::string_view kind, std::string_view argument) {
    const std::string name(argument);
    if (kind == "env") {
        if (std::getenv(name.c_str()) == nullptr)
            return "the environment variable " + name + " is not set";  // NOLINT(concurrency-mt-unsafe): before any thread
        return std::nullopt;
    }
    if (kind == "command") return probeProgram(argument);
    if (kind == "sealed") return std::nullopt;  // SealedProbe
    if (kind == "credential") {
        const char* const directory = std::getenv("CREDENTIALS_DIRECTORY");  // NOLINT(concurrency-mt-unsafe): before any thread
        if (directory == nullptr) return std::nullopt;                       // a person checks what systemd will start
        return probeFile(std::string(directory) + "/" + name);
    }
    return probeFile(name);
}

void eachSecretSource(const Configuration& configuration, const std::vector<Key>& keys, const SourceVisitor& visit) {
    const KnownKeys known(keys);
    for (const auto& [name, setting] : configuration.settings()) {
        const auto source = secretSource(setting.value);
        if (!source) continue;
        const auto match = known.match(name);
        if (match && (match->key->type == KeyType::secret || match->key->type == KeyType::maybeSecret)) visit(name, *source, setting.place);
    }
}

std::vector<Problem> secretProblems(const Configuration& configuration, const std::vector<Key>& keys, const SourceProbe& probe) {
    std::vector<Problem> problems;
    eachSecretSource(configuration, keys, [&](const std::string& name, const SecretSource& source, const Place& place) {
        if (auto bad = probe(source.kind, source.argument))
            problems.push_back(Problem{Problem::Severity::error, Code::configSecretSource, name, std::move(*bad), place});
    });
    return problems;
}

std::optional<std::string> probeDirectory(const std::string& directory) {
    std::error_code failure;
    const auto status = std::filesystem::status(directory, failure);
    if (!std::filesystem::exists(status)) return "the directory " + directory + " does not exist";
    if (!std::filesystem::is_directory(status)) return directory + " is not a directory";
    if (::access(directory.c_str(), W_OK | X_OK) != 0) return "this user cannot write into the directory " + directory;
    return std::nullopt;
}

std::vector<Problem> fileProblems(const Configuration& configuration, const DirectoryProbe& probe) {
    std::vector<Problem> problems;
    for (const auto* name : {"log.file", "server.pidfile"}) {
        const auto path = configuration.text(name);
        if (path.empty()) continue;
        if (const auto bad = probe(std::filesystem::path(path).parent_path().string()))
            problems.push_back(Problem{Problem::Severity::warning, Code::configBadValue, name, path + ": " + *bad, configuration.place(name)});
    }
    return problems;
}

int runCheck(const CheckRequest& request, std::ostream& out, std::ostream& error) {
    const auto loaded = loadConfiguration(request.source);
    auto checked = validate(loaded.properties, request.rules);
    const auto add = [&](std::vector<Problem> more) {
        checked.problems.insert(checked.problems.end(), std::make_move_iterator(more.begin()), std::make_move_iterator(more.end()));
    };
    add(secretProblems(*checked.configuration, request.rules.keys, request.probe));
    if (request.sealed) add(request.sealed(*checked.configuration, request.rules.keys));
    add(fileProblems(*checked.configuration, request.directories));
    sortByPlace(checked.problems);
    add(request.packageProblems);
    if (request.json) {
        writeJson(checked.problems, out);
    } else {
        for (const auto& problem : checked.problems) out << reportLine(problem) << '\n';
        out.flush();
        const auto files = std::to_string(loaded.files.size()) + (loaded.files.size() == 1 ? " file" : " files");
        if (!request.source.path.empty()) error << request.source.path << " (" << files << "): ";
        error << (checked.problems.empty() ? "no problems" : summary(checked.problems)) << '\n';
    }
    return checked.valid() ? exits::ok : exits::config;
}

}  // namespace plugin::host
