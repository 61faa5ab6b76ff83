#include "listener/request_limit.h"

#include "plugin/contract/letters.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace listener {

using plugin::Code;
using plugin::Error;
using plugin::Reaction;
using plugin::Result;
using plugin::Task;

namespace {

/// A message that is spared for the first time; and again, at least, and twice the time that is asked for.
constexpr std::chrono::hours longestFirst{1};
constexpr std::chrono::minutes shortestAgain{10};
constexpr std::chrono::hours longestAgain{24};
constexpr std::size_t mostSpared = 1'000;

}  // namespace

RequestLimit::Place& RequestLimit::Place::operator=(Place&& other) noexcept {
    if (this == &other) return *this;
    leave();
    limit_ = std::move(other.limit_);
    places_ = other.places_;
    return *this;
}

void RequestLimit::Place::leave() noexcept {
    if (const auto limit = std::move(limit_)) limit->free(places_);
}

/// In the queue, or admitted and not yet told: whatever ends the wait, nothing of it stays.
struct RequestLimit::Queued {
    std::shared_ptr<RequestLimit> limit;
    std::shared_ptr<Waiter> waiter;
    Queued(std::shared_ptr<RequestLimit> theLimit, std::shared_ptr<Waiter> theWaiter) : limit(std::move(theLimit)), waiter(std::move(theWaiter)) {}
    Queued(const Queued&) = delete;
    Queued& operator=(const Queued&) = delete;
    ~Queued() {
        if (waiter) limit->drop(waiter);
    }
};

Task<Result<RequestLimit::Place>> RequestLimit::enter(std::size_t places, std::stop_token stop) {
    Queued queued{shared_from_this(), std::make_shared<Waiter>()};
    queued.waiter->places = std::min(std::max<std::size_t>(places, 1), most);
    {
        const std::lock_guard lock(mutex_);
        waiting_.push_back(queued.waiter);
    }
    for (;;) {
        std::shared_ptr<plugin::Shared<plugin::Nothing>> turn;
        auto until = plugin::Deadline::max();
        {
            const std::lock_guard lock(mutex_);
            admit();
            if (queued.waiter->admitted) break;
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(restsUntil_ - clock_.steady());
            if (left > patience)
                co_return Error{Reaction::retryLater, Code::mailboxThrottled, "the server has had too many requests of this mailbox and wants time",
                                left};
            turn = queued.waiter->turn;
            if (left > left.zero()) until = restsUntil_;
        }
        auto waiting = turn->wait(until, stop);
        if (co_await waiting == plugin::Wake::stopped)
            co_return Error{Reaction::retryLater, Code::channelStopped, "stopped while other requests are under way"};
    }
    const auto mine = queued.waiter->places;
    queued.waiter.reset();
    co_return Place{queued.limit, mine};
}

void RequestLimit::admit() {
    const auto now = clock_.steady();
    if (now < restsUntil_) return;
    const auto allowed = now < crowdedUntil_ ? 1 : most;
    while (!waiting_.empty() && (used_ == 0 || used_ + waiting_.front()->places <= allowed)) {
        const auto next = std::move(waiting_.front());
        waiting_.pop_front();
        used_ += next->places;
        next->admitted = true;
        next->turn->set({});
    }
}

void RequestLimit::free(std::size_t places) noexcept {
    const std::lock_guard lock(mutex_);
    used_ -= places;
    admit();
}

void RequestLimit::drop(const std::shared_ptr<Waiter>& waiter) noexcept {
    const std::lock_guard lock(mutex_);
    if (waiter->admitted)
        used_ -= waiter->places;
    else
        std::erase(waiting_, waiter);
    admit();
}

void RequestLimit::crowded() {
    const std::lock_guard lock(mutex_);
    crowdedUntil_ = clock_.steady() + oneAtATime;
}

bool RequestLimit::isCrowded() const {
    const std::lock_guard lock(mutex_);
    return clock_.steady() < crowdedUntil_;
}

void RequestLimit::rest(std::chrono::milliseconds time) {
    const std::lock_guard lock(mutex_);
    restsUntil_ = std::max(restsUntil_, clock_.steady() + std::min<std::chrono::milliseconds>(time, longestRest));
    for (const auto& waiter : waiting_) std::exchange(waiter->turn, std::make_shared<plugin::Shared<plugin::Nothing>>())->set({});
}

bool RequestLimit::rests() const {
    const std::lock_guard lock(mutex_);
    return clock_.steady() < restsUntil_;
}

bool RequestLimit::restsLong() const {
    const std::lock_guard lock(mutex_);
    return restsUntil_ - clock_.steady() > patience;
}

void RequestLimit::spare(const std::string& id, std::chrono::milliseconds time) {
    const std::lock_guard lock(mutex_);
    const auto now = clock_.steady();
    const auto known = spared_.find(id);
    if (known != spared_.end()) {
        known->second = now + std::max<std::chrono::milliseconds>(2 * std::min<std::chrono::milliseconds>(time, longestAgain), shortestAgain);
        return;
    }
    if (spared_.size() >= mostSpared) std::erase_if(spared_, [now](const auto& each) { return each.second <= now; });
    if (spared_.size() < mostSpared) spared_.emplace(id, now + std::min<std::chrono::milliseconds>(time, longestFirst));
}

bool RequestLimit::spares(const std::string& id) const {
    const std::lock_guard lock(mutex_);
    const auto found = spared_.find(id);
    return found != spared_.end() && clock_.steady() < found->second;
}

void RequestLimit::spareNoMore(const std::string& id) {
    const std::lock_guard lock(mutex_);
    spared_.erase(id);
}

std::shared_ptr<RequestLimit> RequestLimits::of(std::string_view server, std::string_view application, std::string_view mailbox) {
    std::string key;
    for (const auto part : {server, application}) key.append(part).append("\n");
    key += plugin::lowerCase(mailbox);
    const std::lock_guard lock(mutex_);
    auto& limit = limits_[key];
    if (!limit) limit = std::make_shared<RequestLimit>(clock_);
    return limit;
}

}  // namespace listener
