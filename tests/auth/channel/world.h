#pragma once

#include "auth/channel/channel.h"
#include "auth/secret_source.h"
#include "plugin/runtime/runtime.h"

#include <catch2/catch.hpp>

#include <exception>
#include <filesystem>
#include <fstream>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

/// The real loop, clock and workers in the test's thread, and a Dialer with the truststores a test gives.
class World {
public:
    /// truststores: alias → path; settings: key → value
    explicit World(const std::map<std::string, std::string>& truststores = {}, const std::map<std::string, std::string>& settings = {})
        : dialer(auth::makeDialer(configuration(truststores, settings), *secrets, log)) {}

    ~World() { workers.reset(); }  // before the loop its jobs answer to

    template <class T>
    T run(plugin::Task<T> task) {
        std::optional<T> answer;
        loop->spawn(into(std::move(task), &answer, loop.get()));
        loop->run();
        if (bug) std::rethrow_exception(std::exchange(bug, {}));
        return std::move(*answer);
    }
    void run(plugin::Task<void> task) {
        loop->spawn(untilDone(std::move(task), loop.get()));
        loop->run();
        if (bug) std::rethrow_exception(std::exchange(bug, {}));
    }

    plugin::Deadline in(std::chrono::milliseconds time) const { return clock->steady() + time; }
    /// Long enough for anything that does happen.
    plugin::Deadline soon() const { return in(std::chrono::seconds(20)); }

    plugin::Result<std::unique_ptr<auth::Channel>> dial(auth::Target target) { return run(dialer->dial(std::move(target), soon(), {})); }
    plugin::Result<std::unique_ptr<auth::Channel>> dial(auth::Target target, plugin::Deadline deadline) {
        return run(dialer->dial(std::move(target), deadline, {}));
    }

    struct Lines final : plugin::Log {
        bool enabled(plugin::Level) const override { return true; }
        void write(plugin::Level, std::string_view, std::string_view message, const std::vector<plugin::Field>& fields) override {
            std::string line(message);
            for (const auto& field : fields) line.append(" ").append(field.key).append("=").append(field.value);
            const std::lock_guard lock(mutex);
            lines.push_back(std::move(line));
        }
        std::size_t count(std::string_view part) const {
            const std::lock_guard lock(mutex);
            std::size_t found = 0;
            for (const auto& line : lines) found += line.find(part) != std::string::npos ? 1U : 0U;
            return found;
        }
        mutable std::mutex mutex{};
        std::vector<std::string> lines{};
    };

    std::exception_ptr bug{};
    Lines log{};
    std::unique_ptr<plugin::Clock> clock = plugin::makeSystemClock();
    std::unique_ptr<plugin::WorkerPool> workers = plugin::makeWorkerPool(2, [](std::exception_ptr) { std::terminate(); });
    std::unique_ptr<plugin::EpollLoop> loop = plugin::makeEpollLoop(*clock, *workers, [this](std::exception_ptr failure) {
        bug = failure;
        loop->quit();
    });
    std::unique_ptr<auth::SecretReader> secrets = auth::makeSecretReader();
    std::unique_ptr<auth::Dialer> dialer;

private:
    static std::shared_ptr<const plugin::Configuration> configuration(const std::map<std::string, std::string>& truststores,
                                                                      const std::map<std::string, std::string>& others) {
        std::map<std::string, plugin::Configuration::Setting, std::less<>> settings;
        for (const auto& [key, value] : others) settings[key] = {value, {}, true};
        for (const auto& [alias, path] : truststores) settings["truststore." + alias + ".path"] = {path, {}, true};
        return std::make_shared<const plugin::Configuration>(std::move(settings));
    }
    template <class T>
    static plugin::Task<void> into(plugin::Task<T> task, std::optional<T>* answer, plugin::EpollLoop* loop) {
        answer->emplace(co_await task);
        loop->quit();
    }
    static plugin::Task<void> untilDone(plugin::Task<void> task, plugin::EpollLoop* loop) {
        co_await task;
        loop->quit();
    }
};

/// A file that goes away with the test.
class TemporaryFile {
public:
    explicit TemporaryFile(const std::string& content) {
        char name[] = "/tmp/postern-test-XXXXXX";
        const int fd = ::mkstemp(name);
        REQUIRE(fd >= 0);
        ::close(fd);
        path = name;
        write(content);
    }
    TemporaryFile(const TemporaryFile&) = delete;
    TemporaryFile& operator=(const TemporaryFile&) = delete;
    ~TemporaryFile() { std::filesystem::remove(path); }
    void write(const std::string& content) const { std::ofstream(path, std::ios::binary | std::ios::trunc) << content; }
    std::string path{};
};
