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
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace listener {

/// What all workers share. Everything outlives them.
struct WorkerParts {
    auth::Access& access;
    Ledger& ledger;
    OutboxLedger& outbox;
    OutboxFiles& files;
    std::function<void()> outboxChanged;  ///< any thread
    plugin::Disk& disk;
    plugin::Log& log;
    plugin::Metrics& metrics;
    plugin::Random& random;
    SignInPacer& pacer;
    std::string stagingPath;
    std::chrono::milliseconds retention;
    std::string version;
    /// A new session with a mailbox; constructing it does no I/O.
    std::function<std::unique_ptr<Mailbox>(const MailboxSettings&)> makeMailbox;
};

/// The life of one mailbox: signs in, works its folders, waits, and starts again after failures. Runs on one loop.
///
///   starting ──(signed in)──► working ──(verified)──► watching ──(news: those folders; reconcile: all)──► working
///                                                  └► waiting ──(interval: all)──► working         where the server does not push
///                                                               (Pace, where the protocol has no push at all)
///   any state ──(failure)──► waiting (back-off) ──► starting
class Worker {
public:
    /// `loop`: where it runs; all its coroutines stay there.
    Worker(const WorkerParts& parts, plugin::Loop& loop, MailboxSettings settings, std::vector<Outlet*> outlets);

    /// Runs until stopped (service), or until nothing is unaccounted or something failed (once).
    /// Answers whether the mailbox was verified and nothing of it is pending. Throws nothing.
    plugin::Task<bool> run(plugin::Mode mode, Stops stops);

    const MailboxSettings& settings() const { return settings_; }
    plugin::Loop& loop() { return loop_; }
    MailboxStatus& status() { return status_; }
    /// Any thread: an operator changed something in the ledger; look again now.
    void operatorActed();
    /// With which it is signed in by the protocol it is read with now. Any thread.
    std::string credential() const;
    /// When it was last verified by the wall clock; 1970: not since the start. Any thread.
    plugin::Wall lastVerified() const { return lastVerified_.load(); }
    /// Any thread: folders in which messages stand of which the ledger knows nothing, and how many.
    std::map<std::string, std::size_t> unaccounted() const;

private:
    enum class Ended { finished, lookAgain };
    /// What a look into folders found.
    struct Look {
        std::vector<std::string> answered{};     ///< folders worth watching
        std::optional<plugin::Error> trouble{};  ///< of single folders; the session is good
        std::size_t delivered = 0;               ///< or owed by the outbox
        bool complete = true;                    ///< false: told to stop on the way
    };
    plugin::Task<plugin::Result<Ended>> session(plugin::Mode mode);
    plugin::Task<plugin::Result<Ended>> workUntilStopped(Mailbox& mailbox, plugin::Mode mode);
    plugin::Task<plugin::Result<std::vector<std::string>>> watchedFolders(Mailbox& mailbox);
    plugin::Task<plugin::Result<void>> resolveAfter(Mailbox& mailbox);
    plugin::Task<plugin::Result<void>> resolve(Mailbox& mailbox, std::string& target, const char* key);
    plugin::Task<plugin::Result<Look>> workFolders(Mailbox& mailbox, std::vector<std::string> folders, plugin::Mode mode);
    plugin::Task<plugin::Result<RoundEnd>> turnOf(Mailbox& mailbox, std::string folder, plugin::Mode mode);
    plugin::Task<plugin::Result<std::vector<std::string>>> pause(Mailbox& mailbox, std::vector<std::string> folders, plugin::Deadline until);
    plugin::Steady lookAfter(const plugin::Error& error);
    plugin::Task<plugin::Result<void>> checkBlocked();
    plugin::Task<plugin::Result<void>> dropOldDetour();
    plugin::Task<plugin::Result<bool>> takesAnotherWay();
    plugin::Task<plugin::Result<bool>> fallsBack(plugin::Error error);
    plugin::Task<plugin::Result<void>> tellExpected(Mailbox& mailbox);
    plugin::Task<plugin::Result<Ended>> guarded(plugin::Mode mode);
    plugin::Task<void> rest(std::chrono::milliseconds time);
    bool isNoFailure(const plugin::Error& error) const;
    void note(const plugin::Error& error, std::chrono::milliseconds wait);
    plugin::Task<plugin::Result<void>> keepAccounts(Mailbox& mailbox, std::vector<std::string> folders);
    plugin::Task<plugin::Result<void>> keepAccount(Mailbox& mailbox, std::string folder);
    void wellAgain();
    std::chrono::milliseconds untilNextLook(const Mailbox& mailbox, std::size_t folders);
    std::uint64_t arrivalsOf(const std::string& folder) const;

    const WorkerParts& parts_;
    plugin::Loop& loop_;
    MailboxSettings settings_;
    MailboxSettings current_;    ///< by the protocol it is read with now; written under the lock, on the loop
    MailboxSettings working_{};  ///< for the rounds of this session: the target of after-actions by its name
    std::vector<Outlet*> outlets_;
    std::map<std::string, Unreadable> unreadable_{};  ///< by folder
    MailboxStatus status_;
    Backoff backoff_;
    Pace pace_;
    Stops stops_{};
    std::shared_ptr<plugin::Event> acted_ = std::make_shared<plugin::Event>();
    std::shared_ptr<std::stop_source> wake_ = std::make_shared<std::stop_source>();  ///< of the watch at hand
    std::map<std::string, std::uint64_t> arrivals_{};                                ///< delivered since the start, by folder
    std::vector<std::string> watched_{};                                             ///< those that answered at the last whole look
    unsigned fruitless_ = 0;                                                         ///< so many times in a row there was news and nothing to deliver
    bool unwatched_ = false;                                                         ///< people know that a folder cannot be watched
    plugin::Steady nextWhole_{}, lookedWhole_{};
    plugin::Steady signedIn_{};
    bool tokenEnded_ = false;  ///< when the last session ended, what it was signed in with had ended too
    std::optional<plugin::Code> lastCode_{};
    std::atomic<plugin::Wall> lastVerified_{};
    std::optional<plugin::Steady> accountsDue_{};
    mutable std::mutex mutex_{};
    std::map<std::string, std::size_t> unaccounted_{};
};

}  // namespace listener
