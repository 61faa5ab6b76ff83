#pragma once

#include "plugin/contract/clock.h"
#include "plugin/contract/configuration.h"
#include "plugin/contract/database.h"
#include "plugin/contract/disk.h"
#include "plugin/contract/log.h"
#include "plugin/contract/loop.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace auth {
class Access;
}

namespace plugin {

/// What the program lends to a package. Everything outlives the package's work. Thread-safe but for the loops, which say it themselves.
class Host {
public:
    virtual ~Host() = default;
    virtual std::shared_ptr<const Configuration> configuration() const = 0;  ///< the snapshot in force; another one after a reload
    virtual std::vector<Loop*> loops() = 0;                                  ///< one or more; a mailbox stays on one
    virtual Clock& clock() = 0;
    virtual Random& random() = 0;
    virtual Disk& disk() = 0;
    virtual Database& database() = 0;  ///< migrated for every loaded package
    virtual Log& log() = 0;
    virtual Metrics& metrics() = 0;
    virtual auth::Access& access() = 0;
    virtual std::string dataDirectory() const = 0;  ///< server.data, absolute; has staging/
    virtual std::string version() const = 0;
    virtual std::string instance() const = 0;  ///< server.name, else the machine's name
    /// When the database was found missing or damaged although this instance had one before: what has been delivered is not known.
    virtual std::optional<Wall> stateLost() const = 0;
};

}  // namespace plugin
