#include "plugin/host/package_loader.h"

#include "plugin/contract/abi.h"
#include "plugin/contract/log.h"
#include "plugin/host/properties_reader.h"
#include "plugin/host/small_files.h"

#include <Poco/ClassLoader.h>
#include <Poco/Exception.h>
#include <Poco/SharedLibrary.h>

#include <algorithm>
#include <array>
#include <filesystem>

namespace plugin::host {

namespace {

using Abi = const char* (*)();
using Loader = Poco::ClassLoader<Package>;

/// Kept for good: the code of a package is never unloaded, and Poco's manifests live as long as their loader.
Loader& loader() {
    static auto* kept = new Loader;
    return *kept;
}

Error broken(const std::string& what) { return {Reaction::askOperator, Code::packageBroken, what}; }

Result<PackageDescription> readDescription(const std::filesystem::path& folder) {
    const auto file = (folder / "package.properties").string();
    auto text = readSmallFile(file);
    if (!text) return broken(text.error().what);
    if (!*text) return broken(file + " is missing");
    auto properties = merge({parseProperties(**text, file)});
    if (!properties.problems.empty()) {
        const auto& first = properties.problems.front();
        return broken(file + ":" + std::to_string(first.place.line) + ": " + first.what);
    }
    PackageDescription found;
    const std::array known{std::pair{"name", &found.name}, std::pair{"library", &found.library}, std::pair{"version", &found.version},
                           std::pair{"description", &found.description}};
    for (auto& entry : properties.entries) {
        if (entry.key == "keys") {
            found.keys = parseList(entry.value);
            continue;
        }
        const auto key = std::find_if(known.begin(), known.end(), [&](const auto& each) { return entry.key == each.first; });
        if (key == known.end()) return broken(file + ":" + std::to_string(entry.place.line) + ": unknown key " + printable(entry.key));
        *key->second = std::move(entry.value);
    }
    for (const auto& [key, value] : known)
        if (value->empty()) return broken(file + ": " + key + " is missing");
    if (found.name != folder.filename().string())
        return broken(file + ": name is " + printable(found.name) + ", its folder is " + folder.filename().string());
    if (found.library.find('/') != std::string::npos) return broken(file + ": library is a file name beside it, without a folder");
    return found;
}

/// Poco's text without the path it repeats.
std::string cause(const Poco::Exception& exception) {
    return printable(exception.message().empty() ? exception.displayText() : exception.message(), 400);
}

Result<std::unique_ptr<Package>> make(const std::string& library) {
    Poco::SharedLibrary probe;
    probe.load(library, Poco::SharedLibrary::SHLIB_LOCAL);
    if (!probe.hasSymbol("posternPackageAbi")) return broken(library + " is no package: it does not export posternPackageAbi");
    const std::string_view theirs = reinterpret_cast<Abi>(probe.getSymbol("posternPackageAbi"))();
    if (theirs != hostAbi())
        return Error{Reaction::askOperator, Code::packageForeign,
                     library + " was built for \"" + printable(theirs) + "\", this program is \"" + std::string(hostAbi()) + "\""};
    if (!probe.hasSymbol("pocoBuildManifest")) return broken(library + " is no package: it does not export pocoBuildManifest");
    loader().loadLibrary(library);  // the same handle again
    const auto* manifest = loader().findManifest(library);
    if (manifest == nullptr || manifest->size() != 1)
        return broken(library + " declares " + std::to_string(manifest == nullptr ? 0 : manifest->size()) + " packages, not one");
    return std::unique_ptr<Package>(manifest->begin()->create());
}

Result<std::unique_ptr<Package>> load(const std::filesystem::path& library) {
    std::error_code error;
    if (!std::filesystem::is_regular_file(library, error))
        return Error{Reaction::askOperator, Code::packageMissing, library.string() + " is not there"};
    try {
        return make(library.string());
    } catch (const Poco::Exception& exception) {
        return broken(library.string() + " cannot be loaded: " + cause(exception));
    } catch (const std::exception& exception) {
        return broken(library.string() + " cannot be loaded: " + printable(exception.what(), 400));
    } catch (...) {  // told as broken; a package may throw anything
        return broken(library.string() + " cannot be loaded: it threw something that is no std::exception");
    }
}

LoadedPackage loadFolder(const std::filesystem::path& folder, const std::function<bool(const std::string&)>& enabled) {
    LoadedPackage found;
    found.folder = folder.string();
    found.description.name = folder.filename().string();
    found.enabled = enabled(found.description.name);
    if (!found.enabled) {
        if (auto description = readDescription(folder); description) found.description = std::move(*description);
        return found;
    }
    auto description = readDescription(folder);
    if (!description) {
        found.error = description.error();
        return found;
    }
    found.description = std::move(*description);
    auto package = load(folder / found.description.library);
    if (package && *package)
        found.package = std::move(*package);
    else
        found.error = package ? broken(found.folder + ": its factory gave nothing") : package.error();
    return found;
}

}  // namespace

bool Packages::broken() const {
    return std::any_of(all.begin(), all.end(), [](const LoadedPackage& each) { return each.error.has_value(); });
}

std::vector<Key> Packages::keys() const {
    std::vector<Key> keys;
    for (const auto& each : all)
        if (each.package)
            for (auto& key : each.package->keys()) keys.push_back(std::move(key));
    return keys;
}

std::vector<Command> Packages::commands() const {
    std::vector<Command> commands;
    for (const auto& each : all)
        if (each.package)
            for (auto& command : each.package->commands()) commands.push_back(std::move(command));
    return commands;
}

std::vector<std::string> Packages::foreign(const std::vector<std::string>& written, const std::vector<Key>& declared) const {
    std::vector<std::string> parts;
    for (const auto& each : all) {
        if (each.package) continue;
        parts.insert(parts.end(), each.description.keys.begin(), each.description.keys.end());
        if (!each.description.keys.empty()) continue;
        for (const auto& part : written)
            if (std::none_of(declared.begin(), declared.end(), [&](const Key& key) { return key.pattern.starts_with(part + "."); }))
                parts.push_back(part);
    }
    return parts;
}

std::string packagePath(const std::string& program) {
    const auto folder = std::filesystem::path(program).parent_path();
    std::error_code error;
    if (const auto beside = folder / "packages"; std::filesystem::is_directory(beside, error)) return beside.string();
    return (folder.parent_path() / "lib/postern/packages").string();
}

Packages loadPackages(const std::string& path, const std::function<bool(const std::string& name)>& enabled) {
    Packages packages;
    std::vector<std::filesystem::path> folders;
    std::error_code error;
    std::error_code ignored;  // what cannot be looked at is no folder
    for (std::filesystem::directory_iterator at(path, error), end; !error && at != end; at.increment(error))
        if (const auto name = at->path().filename().string(); !name.starts_with(".") && at->is_directory(ignored)) folders.push_back(at->path());
    if (error) {
        LoadedPackage none;
        none.description.name = "*";
        none.folder = path;
        none.error = Error{Reaction::askOperator, Code::packageMissing, path + " cannot be read: " + error.message()};
        packages.all.push_back(std::move(none));
        return packages;
    }
    std::sort(folders.begin(), folders.end());
    for (const auto& folder : folders) packages.all.push_back(loadFolder(folder, enabled));
    return packages;
}

std::string_view hostAbi() { return POSTERN_ABI; }

}  // namespace plugin::host
