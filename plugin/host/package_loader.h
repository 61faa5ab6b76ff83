#pragma once

#include "plugin/contract/configuration.h"
#include "plugin/contract/package.h"
#include "plugin/contract/result.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace plugin::host {

/// What <folder>/package.properties says. Only these keys, all but `keys` mandatory; `name` is the folder's name.
struct PackageDescription {
    std::string name;
    std::string library;  ///< a file name beside it
    std::string version;
    std::string description;
    std::vector<std::string> keys{};  ///< first parts of its keys ("mailbox"), so that they are known even when the library is not; may be empty
};

/// One folder of package.path, and what became of it. A package that did not load stays here to be shown: health, readiness, `version`.
struct LoadedPackage {
    PackageDescription description;
    std::string folder;
    std::unique_ptr<Package> package{};  ///< null: disabled or broken
    std::optional<Error> error{};        ///< why it is broken: 8xxx, askOperator
    bool enabled = true;
};

/// The packages of this process. Their code stays loaded until the process ends, whatever happens to this object.
struct Packages {
    std::vector<LoadedPackage> all{};  ///< by name
    bool broken() const;               ///< any that is enabled and has not loaded
    std::vector<Key> keys() const;
    std::vector<Command> commands() const;
    /// First parts of keys that belong to packages which are disabled or broken. One whose description does not tell could own any key:
    /// then those of `written` (first parts of the keys people wrote) that nobody has declared.
    std::vector<std::string> foreign(const std::vector<std::string>& written, const std::vector<Key>& declared) const;
};

/// `packages` beside the program, else <prefix>/lib/postern/packages, where the program is <prefix>/bin/postern. `program` is absolute.
std::string packagePath(const std::string& program);

/// Loads what lies in the sub-folders of `path`. `enabled` answers for package.<name>.enabled; a disabled one is not opened. Never throws for
/// what a package does wrong: missing or unreadable properties or library (packageMissing, packageBroken), another ABI (packageForeign), a
/// missing symbol, a factory or constructor that throws (packageBroken). A `path` that cannot be read is one packageMissing under the name "*".
/// The ABI is compared before anything of the package is called but the initialisation of its statics, which comes with dlopen(3).
Packages loadPackages(const std::string& path, const std::function<bool(const std::string& name)>& enabled);

/// The text this program was built with.
std::string_view hostAbi();

}  // namespace plugin::host
