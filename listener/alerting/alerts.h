#pragma once

#include "listener/alerting/channel.h"
#include "listener/alerting/condition.h"
#include "listener/alerting/journal.h"
#include "listener/alerting/messenger.h"
#include "listener/alerting/tracker.h"

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace listener {

/// All outlive the Alerts, and every turn of its loop that comes before close() has ended.
struct AlertParts {
    plugin::Database& database;  ///< with listenerMigrations() applied
    auth::Access& access;
    Programs& programs;
    plugin::Clock& clock;
    plugin::Log& log;
    plugin::Metrics& metrics;
    std::string instance;  ///< who tells: server.name, or the machine's name
};

/// Tells administrators what they have to know, over every channel: of each condition that it begins, once, and that it ends, once, whatever happens
/// in between, restarts included. What cannot be sent is tried again for ever. At least once: after a crash between the sending and the note of it,
/// it is sent again, with the same Idempotency-Key. Belongs to one loop.
class Alerts {
public:
    /// Begins nothing.
    Alerts(AlertParts parts, std::vector<AlertSettings> channels);
    ~Alerts();
    Alerts(const Alerts&) = delete;
    Alerts& operator=(const Alerts&) = delete;

    /// Which conditions are true now; about once a second, one call at a time. Answers when what is new is durable; it is sent in the background.
    /// Where the database fails nothing is lost, the next call tries again. What is true and cannot be known yet (Condition::known) has to be among
    /// them from the first call on: what was raised before a restart and is not among them is over.
    plugin::Task<void> observe(std::vector<Condition> now);
    /// Other channels from now on. One that is new is told what is true; one that is no more is owed nothing.
    void configure(std::vector<AlertSettings> channels);
    /// Ends the sending; what is under way may go on for `patience`. What is still owed is sent after the next start. Nothing is called afterwards.
    plugin::Task<void> close(std::chrono::milliseconds patience);

private:
    void restore(Journal::Kept kept);
    std::unique_ptr<Messenger> messengerOf(const AlertSettings& settings);
    void add(const AlertSettings& settings);
    void tellWhatIsTrue(AlertChannel& channel);
    void begin(const std::shared_ptr<AlertChannel>& channel);
    void wakeAll();
    void show();

    AlertParts parts_;
    std::vector<AlertSettings> wanted_;
    Journal journal_;
    Tracker tracker_{};
    plugin::Loop* loop_ = nullptr;  // set: what was kept is loaded, the channels are open
    std::map<std::string, std::shared_ptr<AlertChannel>> channels_{};
    std::vector<std::shared_ptr<plugin::Shared<plugin::Nothing>>> ends_{};  // of their runs, those no longer configured included
    bool troubled_ = false;
};

}  // namespace listener
