#pragma once

#include "listener/engine/worker.h"
#include "plugin/contract/host.h"
#include "plugin/contract/package.h"

#include <functional>
#include <memory>
#include <vector>

namespace listener {

/// All mailboxes of the configuration, their sinks and their ledger, on the loops of the host.
class Engine {
public:
    /// How long rounds may go on after stop() before the network is let go of. The service has 10 s in all.
    static constexpr std::chrono::seconds patience{6};

    /// Blocks nothing, begins nothing. `host` outlives the engine.
    explicit Engine(plugin::Host& host);
    ~Engine();

    /// Begins work; `ended` as plugin::Package::start says.
    void start(plugin::Mode mode, std::function<void(int status)> ended);
    /// Any thread.
    void stop();

private:
    plugin::Task<void> supervise(plugin::Mode mode, std::function<void(int status)> ended);
    plugin::Task<plugin::Result<void>> blockAfterLoss();
    plugin::Task<void> watchOperator(std::shared_ptr<plugin::Event> over);
    plugin::Task<void> recordVerified();
    void showStatus();

    plugin::Host& host_;
    std::shared_ptr<const plugin::Configuration> configuration_;
    std::unique_ptr<Ledger> ledger_;
    SignInPacer pacer_{};
    WorkerParts parts_;
    std::vector<std::unique_ptr<Sink>> sinks_{};
    std::vector<std::unique_ptr<Worker>> workers_{};
    std::stop_source finish_{}, giveUp_{};
    int collector_ = 0;
};

}  // namespace listener
