#pragma once

#include "plugin/admin/admin_server.h"
#include "plugin/contract/clock.h"
#include "plugin/contract/configuration.h"
#include "plugin/contract/log.h"
#include "plugin/host/admin_key.h"
#include "plugin/host/api.h"
#include "plugin/host/data_directory.h"
#include "plugin/host/loops.h"
#include "plugin/host/metrics.h"
#include "plugin/host/package_runner.h"
#include "plugin/host/watched_database.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace auth::login {
class CallbackDesk;
}

namespace plugin::host {

/// The admin port of `run`: open long before the service is up, so that whoever watches it sees what is missing. Used by the main thread, but for
/// open(). Lives until the workers have ended, of which one may look for its key.
class ServicePort {
public:
    /// All outlive close().
    struct Parts {
        CurrentConfiguration configuration;
        const DataDirectory& directory;
        auth::SealKeyFile& sealKey;
        Clock& clock;
        Random& random;
        Log& log;
        MetricsRegistry& metrics;
        Loops& loops;
        const PackageRunner& packages;
        std::stop_token stop;  ///< programs that give passwords are ended
    };
    /// What there is to show while the service is up. Outlives close().
    struct Work {
        Api& api;
        auth::login::CallbackDesk& callbacks;
        const WatchedDatabase& database;
    };
    explicit ServicePort(Parts parts) : parts_(std::move(parts)) {}

    /// At admin.address, if there is one. Blocks: the password of its keystore may come from a program. From any thread.
    Result<void> open();
    void up(Work work);
    /// The service is not up yet, or goes down; `why` is what readiness shows.
    void down(std::string why);
    /// Now and then: looks for a newer key and certificate, in a worker.
    void look();
    /// Answers what is asked already.
    void close();

private:
    std::optional<Work> work() const;
    std::vector<std::string> missing() const;
    admin::Brought bring(std::string query);
    admin::CallbackPath callback();
    admin::ApiAnswer ask(const admin::ApiQuestion& question) const;

    const Parts parts_;
    mutable std::mutex mutex_{};
    std::string phase_ = "starting: the store is not open yet";  // under mutex_; of no account while there is work_
    std::optional<Work> work_{};                                 // under mutex_
    std::optional<AdminKey> key_{};
    std::atomic<bool> looking_{false};
    std::unique_ptr<admin::AdminServer> server_{};
};

}  // namespace plugin::host
