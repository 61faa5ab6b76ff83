#pragma once

#include "listener/alerting/alerts.h"
#include "listener/engine/mailboxes.h"
#include "listener/engine/outlets.h"
#include "listener/engine/worker.h"
#include "plugin/contract/host.h"
#include "plugin/contract/package.h"

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

namespace listener {

/// All mailboxes of the configuration, their outlets and their ledger, on the loops of the host.
class Engine {
public:
    /// How long rounds may go on after stop() before the network is let go of. The service has 10 s in all.
    static constexpr std::chrono::seconds patience{6};
    /// And how long after a reload that changes or removes their mailbox.
    static constexpr std::chrono::seconds patienceToChange{60};

    /// Blocks nothing, begins nothing. `host` and `programs` outlive the engine. `make`: other sessions than real ones, for tests.
    Engine(plugin::Host& host, Programs& programs, MailboxMaker make = {});
    ~Engine();

    /// Begins work; `ended` as plugin::Package::start says.
    void start(plugin::Mode mode, std::function<void(int status)> ended);
    /// Any thread, in mode service: Host::configuration() answers another snapshot. A mailbox for which it makes no difference goes on with its
    /// session; a changed one is stopped after its round and started anew; a removed one is stopped, its rows stay.
    void reload();
    /// Any thread.
    void stop();
    /// Any thread: each mailbox as it is now, by alias.
    std::vector<MailboxStatus::View> present() const;

private:
    /// A mailbox at work, with what it works with and its own way to be asked to end.
    struct Post {
        Post(std::string fingerprint, std::vector<std::shared_ptr<Outlet>> outlets, std::unique_ptr<Worker> worker, const Stops& all);
        std::string fingerprint;
        std::vector<std::shared_ptr<Outlet>> outlets;  // one that is configured no more goes when the last mailbox that uses it has ended
        std::unique_ptr<Worker> worker;
        std::stop_source finish{}, giveUp{};
        std::stop_callback<std::function<void()>> whenAllFinish, whenAllGiveUp;
        std::shared_ptr<plugin::Shared<bool>> end{};  // null: it does not run
    };
    void mailboxHasWork(const std::string& mailbox);
    void wakeMailboxesWithWork();
    std::string fingerprintOf(const std::string& alias) const;
    std::shared_ptr<Post> fill(const std::string& alias);
    void begin(Post& post, plugin::Mode mode);
    plugin::Task<void> followConfiguration();
    plugin::Task<void> takeOver();
    plugin::Task<void> replace(std::string alias, std::shared_ptr<Post> old);
    plugin::Task<void> supervise(plugin::Mode mode, std::function<void(int status)> ended);
    plugin::Task<bool> mailboxesEnded();
    plugin::Task<plugin::Result<void>> blockAfterLoss();
    plugin::Task<void> watchOperator(std::shared_ptr<plugin::Event> over);
    plugin::Task<void> wakeSignedIn();
    plugin::Task<void> watchDates(std::shared_ptr<plugin::Event> over);
    plugin::Task<void> watchAlerts(std::shared_ptr<plugin::Event> over);
    std::vector<Condition> conditions();
    plugin::Task<void> recordVerified();
    void showStatus();

    plugin::Host& host_;
    std::shared_ptr<const plugin::Configuration> configuration_;
    std::unique_ptr<Ledger> ledger_;
    Outlets outlets_;
    Alerts alerts_;
    SignInPacer pacer_{};
    RequestLimits limits_;
    WorkerParts parts_;
    std::stop_source finish_{}, giveUp_{};
    mutable std::mutex mutex_{};                            // posts_ as a whole: the home loop changes it, others read it; withWork_
    std::map<std::string, std::shared_ptr<Post>> posts_{};  // by alias
    std::set<std::string> withWork_{};                      // mailboxes that have to be looked into soon
    std::map<std::string, std::int64_t> signIns_{};         // of mailboxes that wait for one: the version of the grant last seen
    std::atomic<bool> fetchedAgain_{false};                 // for the outbox, after it had its turn
    std::size_t filled_ = 0;
    bool datesKnown_ = false;   // of the home loop: they have been looked at
    plugin::Event reloaded_{};  // of the home loop
    int collector_ = 0;
};

}  // namespace listener
