#pragma once

#include "plugin/host/properties_reader.h"

#include <optional>
#include <string>
#include <vector>

namespace plugin::host {

/// Where the program was started, taken once: a daemon changes its directory, a reload reads the same files again.
struct Surroundings {
    std::string workingDirectory;              ///< absolute
    std::optional<std::string> option{};       ///< --config
    std::optional<std::string> environment{};  ///< $POSTERN_CONFIG; empty counts as not set
};

struct ConfigurationSource {
    std::string path;   ///< file or directory, as a person would write it; "" if none was found
    std::string files;  ///< the same, absolute
    std::vector<Problem> problems{};
};

/// --config; without it the first that exists of $POSTERN_CONFIG, ./conf and /etc/postern. None: one problem (configUnreadable) naming
/// all that were tried. A $POSTERN_CONFIG that names nothing is a warning, since another file is then used. Blocks for the disk.
ConfigurationSource findConfiguration(const Surroundings& surroundings);

struct LoadedFiles {
    std::vector<std::string> files{};  ///< as shown in places
    Properties properties{};
};

/// Reads the file, or the directory's *.properties in the order of their names, without sub-folders and names that begin with ".", and
/// merges them. configUnreadable: what cannot be read, is no regular file in the directory, or a directory without one. Blocks for the disk.
LoadedFiles loadConfiguration(const ConfigurationSource& source);

}  // namespace plugin::host
