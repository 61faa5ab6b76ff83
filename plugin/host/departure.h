#pragma once

#include "auth/token/token_source.h"
#include "plugin/contract/clock.h"
#include "plugin/contract/loop.h"
#include "plugin/host/logging.h"
#include "plugin/host/package_runner.h"
#include "plugin/host/signals.h"

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace plugin::host {

/// The end of `run`, from the moment it is made: whatever holds it up, the process leaves after 10 s with 75, or at once when it is told again. While
/// a refresh token is on its way it has some 65 s, and then what it takes to store what came. Used by the main thread.
class Departure {
public:
    /// All outlive it, but for `tokens` and `loop`, which are left alone after finishRefreshes().
    struct Parts {
        Clock& clock;
        HostLog& log;
        Signals& signals;
        const PackageRunner& packages;
        auth::TokenSource& tokens;
        Loop& loop;
        std::function<void()> tidy;  ///< before the process leaves late; from another thread
    };
    explicit Departure(Parts parts);
    Departure(const Departure&) = delete;
    Departure& operator=(const Departure&) = delete;
    ~Departure();  ///< all has ended in time

    void awaitPackages();
    /// What comes in place of a refresh token that is on its way, or has not been stored yet, would be lost with us, and a person had to sign in
    /// again. Tells of what is lost all the same.
    void finishRefreshes();

private:
    bool lookForRefreshes();
    void giveTimeToKeep();
    void noteUnsaved(const std::vector<Error>& lost);
    std::string unsaved();
    bool isOver();
    void guard();
    [[noreturn]] void leave(bool again);

    const Parts parts_;
    const Deadline refreshedBy_;
    std::atomic<Deadline> leaveBy_;
    std::atomic<bool> refreshing_{false};
    std::mutex mutex_{};
    bool over_ = false;      // under mutex_
    std::string unsaved_{};  // under mutex_: what could not be stored, and is tried again
    std::thread guard_;
};

}  // namespace plugin::host
