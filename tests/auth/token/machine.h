#pragma once

#include "auth/access.h"
#include "fakes.h"
#include "plugin/runtime/runtime.h"

#include <catch2/catch.hpp>

#include <atomic>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

using Settings = std::map<std::string, plugin::Configuration::Setting, std::less<>>;

inline void add(Settings& settings, const std::string& name, const std::string& id, const std::string& secret, const std::string& authentication,
                const std::string& url, const std::string& scopes = "mail") {
    const auto set = [&](const std::string& part, const std::string& value) {
        settings["credential." + name + "." + part] = {value, {"test", 1}, true};
    };
    set("client_id", id);
    set("client_secret", secret.starts_with("${") ? "$" + secret : secret);
    set("authentication", authentication);
    set("token_endpoint", url);
    set("scopes", scopes);
}

/// Real loops, each on its thread, with the real Access.
class Machine {
public:
    explicit Machine(Settings settings, unsigned loops = 1)
        : access_(auth::makeAccess({std::make_shared<const plugin::Configuration>(std::move(settings)), *clock_, *random_, log, metrics})) {
        for (unsigned i = 0; i < loops; ++i) {
            loops_.push_back(plugin::makeEpollLoop(*clock_, *workers_, [this](std::exception_ptr) { ++bugs; }));
            threads_.emplace_back([loop = loops_.back().get()] { loop->run(); });
        }
    }
    Machine(const Machine&) = delete;
    Machine& operator=(const Machine&) = delete;
    ~Machine() {
        for (auto& loop : loops_) loop->quit();
        for (auto& thread : threads_) thread.join();
        workers_.reset();
        loops_.clear();
        CHECK(bugs == 0);
    }

    std::future<plugin::Result<auth::Token>> begin(const std::string& credential, std::size_t loop = 0,
                                                   std::chrono::milliseconds patience = std::chrono::seconds(20)) {
        return on(*loops_[loop], access_->tokens().token({credential, {}, {}}, clock_->steady() + patience, {}));
    }
    plugin::Result<auth::Token> token(const std::string& credential, std::chrono::milliseconds patience = std::chrono::seconds(20)) {
        return begin(credential, 0, patience).get();
    }
    plugin::Result<auth::Token> token(auth::Identity identity) {
        return on(*loops_.front(), access_->tokens().token(std::move(identity), clock_->steady() + std::chrono::seconds(20), {})).get();
    }
    std::optional<std::string> otherPlacement(const std::string& credential) {
        return on(*loops_.front(), access_->otherPlacement(credential, {})).get();
    }
    auth::TokenSource& tokens() { return access_->tokens(); }
    /// Every loop has done what it was given before.
    void settle() {
        for (auto& loop : loops_)
            for (int turn = 0; turn < 3; ++turn) {
                std::promise<void> reached;
                loop->post([&reached] { reached.set_value(); });
                reached.get_future().wait();
            }
    }

    fakes::Log log{};
    fakes::Metrics metrics{};
    std::atomic<int> bugs{0};

private:
    template <class T>
    static plugin::Task<void> fulfil(plugin::Task<T> task, std::shared_ptr<std::promise<T>> promise) {
        auto value = co_await task;
        promise->set_value(std::move(value));
    }
    template <class T>
    static std::future<T> on(plugin::Loop& loop, plugin::Task<T> task) {
        auto promise = std::make_shared<std::promise<T>>();
        auto boxed = std::make_shared<plugin::Task<void>>(fulfil(std::move(task), promise));
        loop.post([&loop, boxed] { loop.spawn(std::move(*boxed)); });
        return promise->get_future();
    }

    std::unique_ptr<plugin::Clock> clock_ = plugin::makeSystemClock();
    std::unique_ptr<plugin::Random> random_ = plugin::makeSystemRandom();
    std::unique_ptr<auth::Access> access_;
    std::unique_ptr<plugin::WorkerPool> workers_ = plugin::makeWorkerPool(2, [this](std::exception_ptr) { ++bugs; });
    std::vector<std::unique_ptr<plugin::EpollLoop>> loops_{};
    std::vector<std::thread> threads_{};
};
