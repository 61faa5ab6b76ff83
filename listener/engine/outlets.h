#pragma once

#include "listener/alerting/condition.h"
#include "listener/delivery/outbox_files.h"
#include "listener/delivery/program.h"
#include "listener/engine/outlet.h"
#include "listener/ledger/outbox.h"
#include "plugin/contract/host.h"

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace listener {

/// The sinks of the configuration, each with its outlet on one of the loops, and the outbox they share. Members are called on the home loop, but for
/// those that say otherwise.
class Outlets {
public:
    /// `mailboxHasWork`: as Outlet::Parts says. `host` and `programs` outlive the object.
    Outlets(plugin::Host& host, Programs& programs, std::function<void(const std::string& mailbox)> mailboxHasWork);

    OutboxLedger& ledger() { return *ledger_; }  ///< any thread
    OutboxFiles& files() { return files_; }      ///< any thread

    /// Makes an outlet of each sink; one whose settings are what they were is used on. While running the others begin, each when its forerunner has
    /// ended. Answers the names that are no more.
    std::vector<std::string> configure(const plugin::Configuration& configuration);
    std::shared_ptr<Outlet> find(const std::string& sink) const;

    /// Before anything else: files nobody needs are removed, files that are gone are to be fetched again. `lost`: as Host::stateLost().
    plugin::Task<plugin::Result<void>> prepare(std::optional<plugin::Wall> lost);
    /// Messages for sinks that are not in the configuration: into the log when they are new, and as conditions.
    plugin::Task<plugin::Result<void>> lookForOrphans();
    /// Delivers what the outbox has, from now on.
    void begin(std::stop_token finish, std::stop_token giveUp);
    /// Tries everything the outbox has once.
    plugin::Task<void> drainOnce(std::stop_token finish, std::stop_token giveUp);
    /// Until nothing is under way any more.
    plugin::Task<void> end();
    /// Now and then: how much is kept, as the ledger has it (failures on the way leave it wrong), and what waits for sinks that are no more.
    plugin::Task<void> recount();
    plugin::Task<bool> nothingWaits();
    void lookAgain();  ///< any thread: somebody changed something in the ledger

    struct View {
        std::string sink;
        Outlet::View outlet;
    };
    std::vector<View> views() const;  ///< any thread
    /// sink-refusing (at rest), sink-disabled, sink-unconfigured, outbox-growing (four fifths of outbox.max_size are used).
    std::vector<Condition> conditions() const;
    void show(plugin::Metrics& metrics) const;  ///< any thread

private:
    struct Way {
        std::string fingerprint;
        std::shared_ptr<Outlet> outlet;
        std::stop_source finish{};
        std::shared_ptr<plugin::Shared<plugin::Nothing>> end{};  ///< null: it has not begun
    };
    std::shared_ptr<Sink> makeSink(const plugin::Configuration& configuration, const SinkSettings& settings);
    plugin::Task<void> run(std::shared_ptr<Outlet> outlet, std::shared_ptr<plugin::Shared<plugin::Nothing>> forerunner, std::stop_token finish);
    void beginOne(Way& way, std::shared_ptr<plugin::Shared<plugin::Nothing>> forerunner);

    plugin::Host& host_;
    std::unique_ptr<OutboxLedger> ledger_;
    OutboxFiles files_;
    Programs& programs_;
    Outlet::Parts parts_;
    std::stop_token finish_{}, giveUp_{};
    bool running_ = false;
    std::size_t made_ = 0;
    mutable std::mutex mutex_{};                      // ways_ as a whole: the home loop changes it, metrics read it
    std::map<std::string, Way> ways_{};               // by name
    std::map<std::string, std::uint64_t> orphans_{};  ///< what waits for sinks that are not configured
    std::vector<Way> retired_{};                      ///< of former configurations: what they have begun is waited for at the end
};

}  // namespace listener
