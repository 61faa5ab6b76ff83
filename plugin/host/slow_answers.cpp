#include "plugin/host/slow_answers.h"

#include <utility>

namespace plugin::host {

using admin::ApiAnswer;

namespace {

struct Counted {
    explicit Counted(std::size_t& count) : count_(count) { ++count_; }
    Counted(const Counted&) = delete;
    Counted& operator=(const Counted&) = delete;
    ~Counted() { --count_; }

private:
    std::size_t& count_;
};

}  // namespace

SlowAnswers::~SlowAnswers() {
    if (thread_.joinable()) thread_.join();
}

std::optional<ApiAnswer> SlowAnswers::ask(const std::string& name, std::function<ApiAnswer()> make) {
    const auto until = std::chrono::steady_clock::now() + limits_.longest;
    std::unique_lock lock(mutex_);
    if (waiting_ >= limits_.waiting) return std::nullopt;
    const Counted waits(waiting_);
    if (!change_.wait_until(lock, until, [&] { return !making_ || making_->name == name; })) return std::nullopt;
    if (!making_) begin(name, std::move(make));
    const auto wanted = making_;
    const Counted hears(wanted->heard);
    if (!change_.wait_until(lock, until, [&] { return wanted->done; })) return std::nullopt;
    if (wanted->failure) std::rethrow_exception(wanted->failure);
    return wanted->answer;
}

void SlowAnswers::begin(const std::string& name, std::function<ApiAnswer()> make) {
    if (thread_.joinable()) thread_.join();  // it has made its answer, and wants our lock no more
    auto making = std::make_shared<Making>(Making{name});
    thread_ = std::thread([this, making, make = std::move(make)] { work(making, make); });
    making_ = std::move(making);
}

void SlowAnswers::work(const std::shared_ptr<Making>& making, const std::function<ApiAnswer()>& make) {
    ApiAnswer answer;
    std::exception_ptr failure;
    try {
        answer = make();
    } catch (...) {  // handed on to who waits
        failure = std::current_exception();
    }
    bool unheard = false;
    {
        const std::lock_guard lock(mutex_);
        making->answer = std::move(answer);
        making->failure = failure;
        making->done = true;
        unheard = making->heard == 0;
        making_.reset();
        change_.notify_all();
    }
    if (failure && unheard) unheard_(failure);
}

}  // namespace plugin::host
