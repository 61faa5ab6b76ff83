#pragma once

#include "auth/token/token_source.h"
#include "plugin/contract/loop.h"
#include "plugin/host/signals.h"

#include <atomic>
#include <chrono>
#include <functional>
#include <iosfwd>
#include <thread>

namespace plugin::host {

/// How long a refresh may take: two requests, with either client secret, and what it takes to store what came.
constexpr std::chrono::seconds timeToRefresh{65};

/// What the end of a command has to do with. All outlive it.
struct Ending {
    auth::TokenSource& tokens;
    Loop& loop;  ///< runs
    Signals& signals;
    std::ostream& error;
    std::chrono::seconds patience = timeToRefresh;
    std::function<void()> tidy{};  ///< called before the process ends at once; from the thread that looks for signals
};

/// Begins no refresh any more, waits for those that are under way, and stores what could not be stored yet: a process that ends without would lose
/// refresh tokens that providers have rotated. Tells what it waits for, and what is lost; another signal ends the process at once, with 75. Blocks.
void finishRefreshes(const Ending& ending);

/// The process ends now, with 75.
/// losesToken   a refresh token is on its way, which is told
[[noreturn]] void endAtOnce(bool losesToken, std::ostream& error);

/// Whether somebody wants the command to end.
bool isEnd(Signals::Arrived arrived);

/// For commands whose main thread looks for no signals: while this exists SIGINT, SIGTERM and SIGHUP end the process, with 75, as soon as no refresh
/// is under way.
class Interruption {
public:
    explicit Interruption(const Ending& ending);
    Interruption(const Interruption&) = delete;
    Interruption& operator=(const Interruption&) = delete;
    ~Interruption();

private:
    void look();

    Ending ending_;
    std::atomic<bool> over_{false};
    std::thread thread_;
};

}  // namespace plugin::host
