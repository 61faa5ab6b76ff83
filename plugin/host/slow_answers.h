#pragma once

#include "plugin/admin/api.h"

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>

namespace plugin::host {

/// Answers that may take long, made one at a time on a thread of its own; who asks for one that is being made gets the same. Thread-safe.
class SlowAnswers {
public:
    struct Limits {
        std::chrono::milliseconds longest;  ///< is an answer waited for,
        std::size_t waiting;                ///< by so many at a time
    };
    using Report = std::function<void(const std::exception_ptr& bug)>;
    /// unheard   told what `make` has thrown once nobody waited for it any more
    SlowAnswers(Limits limits, Report unheard) : limits_(limits), unheard_(std::move(unheard)) {}
    SlowAnswers(const SlowAnswers&) = delete;
    SlowAnswers& operator=(const SlowAnswers&) = delete;
    ~SlowAnswers();  ///< blocks until what is being made is done

    /// Nothing: it was not made in time, or too many wait already. What `make` throws is thrown to all who wait for it.
    std::optional<admin::ApiAnswer> ask(const std::string& name, std::function<admin::ApiAnswer()> make);

private:
    struct Making {
        std::string name;
        std::size_t heard = 0;  ///< by so many, if it were done now
        bool done = false;
        admin::ApiAnswer answer{};
        std::exception_ptr failure{};
    };
    void begin(const std::string& name, std::function<admin::ApiAnswer()> make);
    void work(const std::shared_ptr<Making>& making, const std::function<admin::ApiAnswer()>& make);

    const Limits limits_;
    const Report unheard_;
    std::mutex mutex_{};
    std::condition_variable change_{};
    std::size_t waiting_ = 0;           // under mutex_
    std::shared_ptr<Making> making_{};  // under mutex_; null: nothing is being made
    std::thread thread_{};              // under mutex_; of the last one
};

}  // namespace plugin::host
