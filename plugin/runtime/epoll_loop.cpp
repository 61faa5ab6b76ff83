#include "plugin/runtime/runtime.h"

#include "plugin/contract/handle.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <map>
#include <mutex>
#include <system_error>
#include <unordered_map>
#include <vector>

namespace plugin {

namespace {

/// errno as an exception where there is none.
Handle required(Handle handle, const char* what) {
    if (!handle) throw std::system_error(errno, std::generic_category(), what);
    return handle;
}

/// Timers by time, each found by its id. Equal times fire in the order they were set.
class Timers {
public:
    Loop::TimerId add(Deadline when, std::function<void()> function) {
        const auto id = ++last_;
        byTime_.emplace(std::pair{when, id}, std::move(function));
        times_.emplace(id, when);
        return id;
    }
    void remove(Loop::TimerId id) {
        const auto found = times_.find(id);
        if (found == times_.end()) return;
        byTime_.erase({found->second, id});
        times_.erase(found);
    }
    bool empty() const { return byTime_.empty(); }
    Deadline next() const { return byTime_.begin()->first.first; }
    std::function<void()> take() {
        auto first = byTime_.begin();
        auto function = std::move(first->second);
        times_.erase(first->first.second);
        byTime_.erase(first);
        return function;
    }

private:
    Loop::TimerId last_ = 0;
    std::map<std::pair<Deadline, Loop::TimerId>, std::function<void()>> byTime_{};
    std::unordered_map<Loop::TimerId, Deadline> times_{};
};

class RealLoop final : public EpollLoop {
public:
    RealLoop(Clock& clock, WorkerPool& workers, std::function<void(std::exception_ptr)> failed)
        : clock_(clock),
          workers_(workers),
          failed_(std::move(failed)),
          epoll_(required(Handle(::epoll_create1(EPOLL_CLOEXEC)), "epoll_create1")),
          wake_(required(Handle(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)), "eventfd")) {
        epoll_event event{};
        event.events = EPOLLIN | EPOLLET;
        event.data.u64 = 0;  // watched descriptors count from 1
        if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event) != 0) throw std::system_error(errno, std::generic_category(), "epoll_ctl");
    }
    ~RealLoop() override { abandonTasks(); }

    Clock& clock() override { return clock_; }
    void ready(std::coroutine_handle<> waiter) override { ready_.push_back(waiter); }
    void post(std::function<void()> function) override {
        {
            const std::lock_guard lock(mutex_);
            posted_.push_back(std::move(function));
            if (posted_.size() > 1) return;  // the loop has been woken for the first one
        }
        const std::uint64_t one = 1;
        // A full counter (EAGAIN) wakes as well; nothing else can go wrong with an eventfd of ours.
        while (::write(wake_.get(), &one, sizeof one) < 0 && errno == EINTR) {
        }
    }
    TimerId at(Deadline when, std::function<void()> function) override { return timers_.add(when, std::move(function)); }
    void cancel(TimerId timer) override { timers_.remove(timer); }
    void work(std::function<void()> job) override { workers_.run(std::move(job)); }
    std::unique_ptr<Descriptor> watch(int fd) override;
    void failed(std::exception_ptr bug) noexcept override { failed_(std::move(bug)); }

    void run() override {
        while (!quit_) {
            runReady();
            runPosted();
            if (quit_) break;
            waitForEvents();
            runTimers();
        }
        quit_ = false;
    }
    void quit() override {
        post([this] { quit_ = true; });
    }

private:
    class Watched;

    void runReady() {
        // One round: what becomes ready meanwhile waits for the next, so that timers and descriptors get their turn.
        running_.swap(ready_);
        for (const auto handle : running_) handle.resume();
        running_.clear();
    }
    void runPosted() {
        std::vector<std::function<void()>> posted;
        {
            const std::lock_guard lock(mutex_);
            posted.swap(posted_);
        }
        for (auto& function : posted) guarded(function);
    }
    void runTimers() {
        const auto now = clock_.steady();
        while (!timers_.empty() && timers_.next() <= now) {
            auto function = timers_.take();
            guarded(function);
        }
    }
    void guarded(const std::function<void()>& function) {
        try {
            function();
        } catch (...) {
            failed(std::current_exception());
        }
    }
    int timeout() {
        if (!ready_.empty()) return 0;
        if (timers_.empty()) return -1;
        const auto now = clock_.steady();
        if (timers_.next() <= now) return 0;  // first, since the difference to a deadline in the far past overflows
        return static_cast<int>(std::min<std::int64_t>(std::chrono::ceil<std::chrono::milliseconds>(timers_.next() - now).count(), 60'000));
    }
    void waitForEvents();

    Clock& clock_;
    WorkerPool& workers_;
    std::function<void(std::exception_ptr)> failed_;
    Handle epoll_;
    Handle wake_;
    std::vector<std::coroutine_handle<>> ready_{}, running_{};
    Timers timers_{};
    std::uint64_t lastWatch_ = 0;
    std::unordered_map<std::uint64_t, Watched*> watched_{};  // by number: a reused descriptor is another one
    std::mutex mutex_{};
    std::vector<std::function<void()>> posted_{};
    bool quit_ = false;
};

class RealLoop::Watched final : public Descriptor {
public:
    Watched(RealLoop& loop, int fd) : loop_(loop), fd_(fd), number_(++loop.lastWatch_) {
        epoll_event event{};
        event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
        event.data.u64 = number_;
        if (::epoll_ctl(loop_.epoll_.get(), EPOLL_CTL_ADD, fd_, &event) != 0) throw std::system_error(errno, std::generic_category(), "epoll_ctl");
        loop_.watched_.emplace(number_, this);
    }
    Watched(const Watched&) = delete;
    Watched& operator=(const Watched&) = delete;
    ~Watched() override {
        loop_.watched_.erase(number_);
        ::epoll_ctl(loop_.epoll_.get(), EPOLL_CTL_DEL, fd_, nullptr);
    }

private:
    RealLoop& loop_;
    int fd_;
    std::uint64_t number_;
};

std::unique_ptr<Descriptor> RealLoop::watch(int fd) { return std::make_unique<Watched>(*this, fd); }

void RealLoop::waitForEvents() {
    std::array<epoll_event, 128> events;
    const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), timeout());
    for (int i = 0; i < count; ++i) {
        const auto& event = events[static_cast<std::size_t>(i)];
        if (event.data.u64 == 0) {
            std::uint64_t woken = 0;
            while (::read(wake_.get(), &woken, sizeof woken) < 0 && errno == EINTR) {
            }
            continue;
        }
        const auto found = watched_.find(event.data.u64);
        if (found == watched_.end()) continue;
        if (event.events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) found->second->readable.set();
        if (event.events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) found->second->writable.set();
    }
}

}  // namespace

std::unique_ptr<EpollLoop> makeEpollLoop(Clock& clock, WorkerPool& workers, std::function<void(std::exception_ptr)> failed) {
    return std::make_unique<RealLoop>(clock, workers, std::move(failed));
}

}  // namespace plugin
