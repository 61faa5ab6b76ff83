#include "plugin/runtime/runtime.h"

#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace plugin {

namespace {

class Pool final : public WorkerPool {
public:
    Pool(unsigned threads, std::function<void(std::exception_ptr)> failed) : failed_(std::move(failed)) {
        threads_.reserve(threads);
        for (unsigned i = 0; i < threads; ++i) threads_.emplace_back([this] { work(); });
    }
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;
    ~Pool() override {
        {
            const std::lock_guard lock(mutex_);
            ending_ = true;
        }
        wake_.notify_all();
        for (auto& thread : threads_) thread.join();
    }

    void run(std::function<void()> job) override {
        {
            const std::lock_guard lock(mutex_);
            jobs_.push_back(std::move(job));
        }
        wake_.notify_one();
    }

private:
    void work() {
        std::unique_lock lock(mutex_);
        for (;;) {
            wake_.wait(lock, [this] { return ending_ || !jobs_.empty(); });
            if (jobs_.empty()) return;
            auto job = std::move(jobs_.front());
            jobs_.pop_front();
            lock.unlock();
            try {
                job();
                job = nullptr;  // what the job owns goes away outside the lock
            } catch (...) {
                failed_(std::current_exception());
            }
            lock.lock();
        }
    }

    std::function<void(std::exception_ptr)> failed_;
    std::mutex mutex_{};
    std::condition_variable wake_{};
    std::deque<std::function<void()>> jobs_{};
    bool ending_ = false;
    std::vector<std::thread> threads_{};
};

}  // namespace

std::unique_ptr<WorkerPool> makeWorkerPool(unsigned threads, std::function<void(std::exception_ptr)> failed) {
    return std::make_unique<Pool>(threads, std::move(failed));
}

}  // namespace plugin
