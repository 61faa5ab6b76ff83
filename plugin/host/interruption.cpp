#include "plugin/host/interruption.h"

#include "plugin/contract/exit_status.h"
#include "plugin/contract/waiting.h"

#include <csignal>
#include <cstdlib>
#include <ostream>
#include <utility>

namespace plugin::host {

namespace {

constexpr std::chrono::milliseconds aMoment{20}, aWhile{500}, anHour{3'600'000};

/// As nohup(1) leaves it: blocked signals arrive at a descriptor though they are ignored.
bool ignoresHangUp() {
    struct sigaction now {};
    return ::sigaction(SIGHUP, nullptr, &now) == 0 && now.sa_handler == SIG_IGN;
}

[[noreturn]] void endAtOnce(const Ending& ending) {
    if (ending.tidy) ending.tidy();
    host::endAtOnce(ending.tokens.refreshing(), ending.error);
}

/// False: the time is over. Does not come back when there is another signal.
bool pause(const Ending& ending, std::chrono::milliseconds atMost, Steady until) {
    if (isEnd(ending.signals.wait(atMost))) endAtOnce(ending);
    return ending.loop.clock().steady() < until;
}

}  // namespace

bool isEnd(Signals::Arrived arrived) { return arrived == Signals::Arrived::terminate || (arrived == Signals::Arrived::hangUp && !ignoresHangUp()); }

void endAtOnce(bool losesToken, std::ostream& error) {
    error << "Ended at once.";
    if (losesToken)
        error << " A refresh token was on its way: what the provider gives in its place is lost. Where the old one is not taken any more,\n"
                 "somebody has to sign in again: `postern login CREDENTIAL`.";
    error << std::endl;
    std::_Exit(exits::tempFail);
}

void finishRefreshes(const Ending& ending) {
    ending.tokens.beginNoMore();
    const auto until = ending.loop.clock().steady() + ending.patience;
    if (ending.tokens.refreshing())
        ending.error << "A refresh token is on its way: waiting for what the provider gives in its place, about a minute at most. Another Ctrl-C "
                        "ends at once, and loses it."
                     << std::endl;
    while (ending.tokens.refreshing())
        if (!pause(ending, aMoment, until)) endAtOnce(ending);
    for (bool told = false;;) {
        const auto lost = waitFor(ending.loop, ending.tokens.keepRest());
        if (lost.empty()) return;
        if (!std::exchange(told, true))
            ending.error << "What the provider gave in place of a refresh token cannot be stored yet: it is tried again for "
                         << ending.patience.count() << " seconds. Ctrl-C ends at once, and loses it." << std::endl;
        if (pause(ending, aWhile, until)) continue;
        for (const auto& each : lost) ending.error << describe(each) << std::endl;
        return;
    }
}

Interruption::Interruption(const Ending& ending) : ending_(ending), thread_([this] { look(); }) {}

Interruption::~Interruption() {
    over_ = true;
    ending_.signals.wake();
    thread_.join();
}

void Interruption::look() {
    while (!over_) {
        if (!isEnd(ending_.signals.wait(anHour))) continue;
        finishRefreshes(ending_);
        if (over_) continue;
        if (ending_.tidy) ending_.tidy();
        std::_Exit(exits::tempFail);
    }
}

}  // namespace plugin::host
