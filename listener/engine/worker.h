#pragma once

#include "auth/access.h"
#include "listener/engine/pacing.h"
#include "listener/engine/round.h"
#include "listener/engine/settings.h"
#include "listener/engine/status.h"
#include "plugin/contract/loop.h"
#include "plugin/contract/package.h"

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace listener {

/// What all workers share. Everything outlives them.
struct WorkerParts {
    auth::Access& access;
    Ledger& ledger;
    plugin::Disk& disk;
    plugin::Log& log;
    plugin::Metrics& metrics;
    plugin::Random& random;
    SignInPacer& pacer;
    std::string stagingPath;
    std::string version;
    /// A new session with a mailbox; constructing it does no I/O.
    std::function<std::unique_ptr<Mailbox>(const MailboxSettings&)> makeMailbox;
};

/// The life of one mailbox: signs in, works its folders, waits, and starts again after failures. Runs on one loop.
///
///   starting ──(signed in)──► working ──(verified)──► waiting ──(interval)──► working
///   any state ──(failure)──► waiting (back-off) ──► starting
class Worker {
public:
    /// `loop`: where it runs; all its coroutines stay there.
    Worker(const WorkerParts& parts, plugin::Loop& loop, MailboxSettings settings, std::vector<Sink*> sinks);

    /// Runs until stopped (service), or until nothing is unaccounted or something failed (once).
    /// Answers whether the mailbox was verified and nothing of it is pending. Throws nothing.
    plugin::Task<bool> run(plugin::Mode mode, Stops stops);

    const MailboxSettings& settings() const { return settings_; }
    plugin::Loop& loop() { return loop_; }
    MailboxStatus& status() { return status_; }
    /// Any thread: an operator changed something in the ledger; look again now.
    void operatorActed();
    /// When it was last verified by the wall clock; 1970: not since the start. Any thread.
    plugin::Wall lastVerified() const { return lastVerified_.load(); }

private:
    enum class Ended { finished, lookAgain };
    plugin::Task<plugin::Result<Ended>> session(plugin::Mode mode);
    plugin::Task<plugin::Result<Ended>> workUntilStopped(Mailbox& mailbox, plugin::Mode mode);
    plugin::Task<plugin::Result<bool>> workFolders(Mailbox& mailbox);
    plugin::Task<plugin::Result<void>> checkBlocked();
    plugin::Task<plugin::Result<Ended>> guarded(plugin::Mode mode);
    plugin::Task<void> rest(std::chrono::milliseconds time);
    void note(const plugin::Error& error, std::chrono::milliseconds wait);

    const WorkerParts& parts_;
    plugin::Loop& loop_;
    MailboxSettings settings_;
    std::vector<Sink*> sinks_;
    MailboxStatus status_;
    Backoff backoff_;
    Stops stops_{};
    std::shared_ptr<plugin::Event> acted_ = std::make_shared<plugin::Event>();
    std::optional<plugin::Code> lastCode_{};
    std::atomic<plugin::Wall> lastVerified_{};
};

}  // namespace listener
