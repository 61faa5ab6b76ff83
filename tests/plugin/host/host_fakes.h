#pragma once

#include "plugin/contract/clock.h"
#include "plugin/contract/log.h"
#include "tests/servers/temporary_directory.h"

#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <sstream>
#include <string>
#include <vector>

namespace fakes {

/// A folder of its own, gone at the end.
class Folder {
public:
    std::string operator/(const std::string& name) const { return (directory_ / name).string(); }
    std::string path() const { return directory_.path().string(); }

private:
    servers::TemporaryDirectory directory_{};
};

inline void write(const std::string& path, const std::string& content) { std::ofstream(path, std::ios::binary) << content; }
inline std::string content(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
}

class Clock final : public plugin::Clock {
public:
    plugin::Steady steady() const override { return now_; }
    plugin::Wall wall() const override { return wall_; }
    void advance(std::chrono::milliseconds by) { now_ += by, wall_ += by; }

private:
    plugin::Steady now_{std::chrono::hours(1)};
    plugin::Wall wall_{std::chrono::sys_days(std::chrono::year(2026) / 11 / 22) + std::chrono::hours(17) + std::chrono::milliseconds(123)};
};

class Random final : public plugin::Random {
public:
    void fill(std::span<std::uint8_t> bytes) override {
        for (auto& byte : bytes) byte = next_++;
    }

private:
    std::uint8_t next_ = 0;
};

class Log final : public plugin::Log {
public:
    bool enabled(plugin::Level) const override { return true; }
    void write(plugin::Level, std::string_view, std::string_view message, const std::vector<plugin::Field>&) override {
        const std::lock_guard lock(mutex_);
        text_.append(message).append("\n");
    }
    std::string text() const {
        const std::lock_guard lock(mutex_);
        return text_;
    }

private:
    mutable std::mutex mutex_{};
    std::string text_{};
};

/// Counts what is counted.
class Counters final : public plugin::Metrics {
public:
    void describe(std::string_view, Kind, std::string_view) override {}
    void add(std::string_view, const plugin::Labels&, double) override { ++added; }
    void set(std::string_view, const plugin::Labels&, double) override {}
    int addCollector(std::function<void()>) override { return 0; }
    void removeCollector(int) override {}
    std::atomic<int> added{0};
};

}  // namespace fakes
