#pragma once

#include "plugin/contract/host.h"
#include "plugin/contract/package.h"
#include "plugin/host/package_loader.h"

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace plugin::host {

/// The worse of two exit statuses: anything unknown > 78 > 75 > 0.
int worse(int one, int other);

/// Starts and stops the packages of a process; one that fails does not disturb the others. Members are for the main thread, but for
/// running() and problems(), which are thread-safe.
class PackageRunner {
public:
    /// `changed` is called from any thread when a package has ended.
    PackageRunner(Packages& packages, Log& log, Metrics& metrics, std::function<void()> changed);

    /// Brings the tables of every package up to date; a package whose tables cannot be is broken from then on.
    void migrate(Database& database);
    void start(Host& host, Mode mode);
    /// Tells those that run that another snapshot is in force.
    void reload();
    void stop();
    std::vector<std::string> running() const;  ///< names of packages that have begun and not ended
    /// What readiness shows: packages that are broken, did not start, or ended by themselves.
    std::vector<std::string> problems() const;
    int status() const;  ///< the worst of all packages so far; a broken one counts as 78

private:
    enum class Phase { idle, running, ended, failed };
    struct One {
        std::string name;
        Package* package;  ///< null: broken
        Phase phase = Phase::idle;
        int status = 0;
        std::string problem{};
    };
    struct Shared {  // with the callbacks, which may outlive us in a process that leaves in haste
        mutable std::mutex mutex{};
        std::vector<One> all{};
        bool stopping = false;
    };
    void fail(One& one, const Error& error);
    bool runs(const One& one) const;

    Log& log_;
    Metrics& metrics_;
    std::function<void()> changed_;
    std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

}  // namespace plugin::host
