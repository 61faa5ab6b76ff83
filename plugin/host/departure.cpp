#include "plugin/host/departure.h"

#include "plugin/contract/exit_status.h"
#include "plugin/contract/waiting.h"
#include "plugin/host/interruption.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

namespace plugin::host {

namespace {

constexpr std::chrono::seconds timeToStop{10};
constexpr std::chrono::seconds timeToKeep{3};      // what could not be stored yet is tried again for so long,
constexpr std::chrono::seconds timeToStore{10};    // each time at most as long as the store waits for others,
constexpr std::chrono::seconds timeToShutDown{3};  // and then the rest goes
constexpr std::chrono::milliseconds aMoment{20}, aWhile{500};

}  // namespace

Departure::Departure(Parts parts)
    : parts_(std::move(parts)), refreshedBy_(parts_.clock.steady() + timeToRefresh), leaveBy_(parts_.clock.steady() + timeToStop) {
    parts_.tokens.beginNoMore();
    lookForRefreshes();
    guard_ = std::thread([this] { guard(); });
}

Departure::~Departure() {
    {
        const std::lock_guard lock(mutex_);
        over_ = true;
    }
    parts_.signals.wake();
    guard_.join();
}

void Departure::awaitPackages() {
    while (!parts_.packages.running().empty()) {
        std::this_thread::sleep_for(aMoment);
        lookForRefreshes();
    }
}

void Departure::finishRefreshes() {
    while (lookForRefreshes()) std::this_thread::sleep_for(aMoment);  // not for ever: the guard leaves
    const auto until = parts_.clock.steady() + timeToKeep;
    for (;;) {
        const auto lost = waitFor(parts_.loop, parts_.tokens.keepRest());
        noteUnsaved(lost);
        if (lost.empty()) return;
        giveTimeToKeep();
        if (parts_.clock.steady() >= until) {
            for (const auto& each : lost) parts_.log.error("host", describe(each), {{"code", codeName(each.code)}});
            return;
        }
        std::this_thread::sleep_for(aWhile);
    }
}

/// One that ends late leaves time for what comes of it.
bool Departure::lookForRefreshes() {
    const bool now = parts_.tokens.refreshing();
    if (refreshing_ && !now) giveTimeToKeep();  // before the guard sees that it has ended
    refreshing_ = now;
    return now;
}

void Departure::giveTimeToKeep() { leaveBy_ = std::max(leaveBy_.load(), parts_.clock.steady() + timeToKeep + timeToStore + timeToShutDown); }

void Departure::noteUnsaved(const std::vector<Error>& lost) {
    std::string texts;
    for (const auto& each : lost) texts += (texts.empty() ? "" : "; ") + describe(each);
    const std::lock_guard lock(mutex_);
    unsaved_ = std::move(texts);
}

std::string Departure::unsaved() {
    const std::lock_guard lock(mutex_);
    return unsaved_;
}

bool Departure::isOver() {
    const std::lock_guard lock(mutex_);
    return over_;
}

void Departure::guard() {
    while (!isOver()) {
        const Deadline until = refreshing_ ? std::max(refreshedBy_, leaveBy_.load()) : leaveBy_.load();
        const auto left = std::min(std::chrono::ceil<std::chrono::milliseconds>(until - parts_.clock.steady()), aWhile);
        const bool again = left.count() > 0 && parts_.signals.wait(left) == Signals::Arrived::terminate;
        if (again || parts_.clock.steady() >= until) leave(again);
    }
}

void Departure::leave(bool again) {
    std::string names;
    for (const auto& name : parts_.packages.running()) names += (names.empty() ? "" : " ") + name;
    parts_.log.error("host", again ? "told to stop again: leaving at once" : "not everything has ended in time: leaving",
                     {{"running", names.empty() ? "the program's own threads" : names}});
    if (refreshing_)
        parts_.log.error("host",
                         "a refresh token was on its way: what the provider gives in its place is lost, and where the old one is not taken any more "
                         "somebody has to sign in again");
    else if (const auto lost = unsaved(); !lost.empty())
        parts_.log.error("host", lost);
    parts_.log.flush(aWhile);
    parts_.tidy();
    ::_exit(exits::tempFail);
}

}  // namespace plugin::host
