#include "plugin/host/configuration_files.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <system_error>
#include <utility>

namespace plugin::host {

namespace {

namespace fs = std::filesystem;

Problem unreadable(const std::string& path, std::string what) {
    return Problem{Problem::Severity::error, Code::configUnreadable, {}, std::move(what), Place{path, 0}};
}

struct Closer {
    void operator()(std::FILE* file) const noexcept { static_cast<void>(std::fclose(file)); }  // opened for reading: nothing to lose
};

struct Content {
    std::string bytes{};
    std::optional<std::string> failure{};
};

/// At most one byte more than the reader accepts, so that it can tell a file that is too large.
Content readWhole(const fs::path& path) {
    const std::unique_ptr<std::FILE, Closer> file(std::fopen(path.c_str(), "rbe"));
    if (!file) return {{}, "cannot be opened: " + std::generic_category().message(errno)};
    Content content;
    std::array<char, 64 << 10> buffer;
    while (content.bytes.size() <= largestFile) {
        const auto got = std::fread(buffer.data(), 1, buffer.size(), file.get());
        content.bytes.append(buffer.data(), got);
        if (got < buffer.size()) break;
    }
    if (std::ferror(file.get())) content.failure = "cannot be read: " + std::generic_category().message(errno);
    return content;
}

void loadOne(const std::string& shown, const fs::path& path, std::vector<Properties>& into, std::vector<std::string>& files) {
    auto content = readWhole(path);
    files.push_back(shown);
    if (content.failure)
        into.push_back(Properties{{}, {unreadable(shown, shown + " " + *content.failure)}});
    else
        into.push_back(parseProperties(content.bytes, shown));
}

std::vector<std::string> propertiesIn(const fs::path& directory, std::error_code& failure) {
    std::vector<std::string> names;
    fs::directory_iterator each(directory, failure);
    for (; !failure && each != fs::directory_iterator{}; each.increment(failure)) {
        auto name = each->path().filename().string();
        std::error_code ignored;  // what cannot be looked at is listed: opening it says why
        if (name.starts_with('.') || !name.ends_with(".properties") || each->is_directory(ignored)) continue;
        names.push_back(std::move(name));
    }
    std::sort(names.begin(), names.end());
    return names;
}

void loadDirectory(const ConfigurationSource& source, std::vector<Properties>& into, std::vector<std::string>& files) {
    std::error_code failure;
    const auto names = propertiesIn(source.files, failure);
    if (failure) into.push_back(Properties{{}, {unreadable(source.path, "the directory " + source.path + " cannot be read: " + failure.message())}});
    if (!failure && names.empty())
        into.push_back(Properties{{}, {unreadable(source.path, "the directory " + source.path + " holds no *.properties file")}});
    for (const auto& name : names) {
        const auto shown = (fs::path(source.path) / name).string();
        const auto path = fs::path(source.files) / name;
        const auto status = fs::status(path, failure);
        // A named pipe would hold us for ever. What is missing here is a link to nowhere: opening it says so.
        if (fs::exists(status) && !fs::is_regular_file(status)) {
            files.push_back(shown);
            into.push_back(Properties{{}, {unreadable(shown, shown + " is not a regular file")}});
        } else {
            loadOne(shown, path, into, files);
        }
    }
}

}  // namespace

ConfigurationSource findConfiguration(const Surroundings& surroundings) {
    const auto absolute = [&](const std::string& path) { return (fs::path(surroundings.workingDirectory) / path).string(); };
    std::error_code failure;
    if (surroundings.option) {
        auto path = absolute(*surroundings.option);
        const auto status = fs::status(path, failure);
        if (surroundings.option->empty()) return {{}, {}, {unreadable({}, "--config is given an empty path")}};
        if (status.type() == fs::file_type::not_found)
            return {{}, {}, {unreadable(*surroundings.option, "--config names " + *surroundings.option + ", which does not exist")}};
        return {*surroundings.option, std::move(path), {}};
    }
    std::vector<Problem> problems;
    std::string tried;
    const auto exists = [&](const std::string& path) {
        tried += (tried.empty() ? "" : ", ") + path;
        return fs::exists(fs::status(absolute(path), failure));
    };
    if (const auto& named = surroundings.environment; named && !named->empty()) {
        if (exists(*named)) return {*named, absolute(*named), {}};
        problems.push_back(unreadable(*named, "$POSTERN_CONFIG names " + *named + ", which does not exist"));
        problems.back().severity = Problem::Severity::warning;
    }
    for (const std::string path : {"conf", "/etc/postern"})
        if (exists(path)) return {path, absolute(path), std::move(problems)};
    problems.push_back(unreadable({}, "no configuration is found; looked for: " + tried));
    return {{}, {}, std::move(problems)};
}

LoadedFiles loadConfiguration(const ConfigurationSource& source) {
    std::vector<Properties> parts;
    parts.push_back(Properties{{}, source.problems});
    LoadedFiles loaded;
    if (!source.files.empty()) {
        std::error_code failure;
        if (fs::is_directory(source.files, failure))
            loadDirectory(source, parts, loaded.files);
        else
            loadOne(source.path, source.files, parts, loaded.files);
    }
    loaded.properties = merge(std::move(parts));
    return loaded;
}

}  // namespace plugin::host
