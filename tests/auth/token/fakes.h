#pragma once

#include "auth/secret_source.h"
#include "plugin/contract/clock.h"
#include "plugin/contract/configuration.h"
#include "plugin/contract/log.h"

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <vector>

/// Stand-ins for what main gives. Thread-safe, since the token source asks for it.
namespace fakes {

class Clock final : public plugin::Clock {
public:
    plugin::Steady steady() const override { return plugin::Steady(std::chrono::milliseconds(now_)); }
    plugin::Wall wall() const override { return plugin::Wall(std::chrono::milliseconds(1'800'000'000'000 + now_ + set_)); }
    void advance(std::chrono::milliseconds by) { now_ += by.count(); }
    void setWall(std::chrono::milliseconds by) { set_ += by.count(); }  ///< somebody sets the clock; no time passes

private:
    std::atomic<std::int64_t> now_{1'000'000}, set_{0};
};

/// Always the middle: jitter of none.
class Random final : public plugin::Random {
public:
    void fill(std::span<std::uint8_t> bytes) override {
        for (auto& byte : bytes) byte = 0;
        if (!bytes.empty()) bytes.back() = 0x80;
    }
};

class Log final : public plugin::Log {
public:
    bool enabled(plugin::Level) const override { return true; }
    void write(plugin::Level, std::string_view logger, std::string_view message, const std::vector<plugin::Field>& fields) override {
        const std::lock_guard lock(mutex_);
        text_.append(logger).append(" ").append(message);
        for (const auto& field : fields) text_.append(" ").append(field.key).append("=").append(field.value);
        text_ += '\n';
    }
    std::string text() const {
        const std::lock_guard lock(mutex_);
        return text_;
    }

private:
    mutable std::mutex mutex_{};
    std::string text_{};
};

class Metrics final : public plugin::Metrics {
public:
    void describe(std::string_view, Kind, std::string_view) override {}
    void add(std::string_view name, const plugin::Labels& labels, double amount) override {
        const std::lock_guard lock(mutex_);
        values_[keyOf(name, labels)] += amount;
    }
    void set(std::string_view name, const plugin::Labels& labels, double value) override {
        const std::lock_guard lock(mutex_);
        values_[keyOf(name, labels)] = value;
    }
    int addCollector(std::function<void()>) override { return 0; }
    void removeCollector(int) override {}
    double value(const std::string& key) const {
        const std::lock_guard lock(mutex_);
        const auto found = values_.find(key);
        return found == values_.end() ? 0.0 : found->second;
    }

private:
    static std::string keyOf(std::string_view name, const plugin::Labels& labels) {
        std::string key(name);
        for (const auto& [label, value] : labels) key += "," + label + "=" + value;
        return key;
    }
    mutable std::mutex mutex_{};
    std::map<std::string, double> values_{};
};

/// Files and environment in memory.
class SecretReader final : public auth::SecretReader {
public:
    void put(const std::string& path, const std::string& text) {
        const std::lock_guard lock(mutex_);
        files_[path] = {text, Stamp{++changes_, 0, text.size(), 1}};
    }
    void remove(const std::string& path) {
        const std::lock_guard lock(mutex_);
        files_.erase(path);
    }
    plugin::Result<Content> file(const std::string& path) override {
        const std::lock_guard lock(mutex_);
        const auto found = files_.find(path);
        if (found == files_.end())
            return plugin::Error{plugin::Reaction::askOperator, plugin::Code::configSecretSource, "the file " + path + " cannot be read"};
        return Content{auth::Secret(found->second.text), found->second.stamp};
    }
    std::optional<Stamp> stamp(const std::string& path) override {
        const std::lock_guard lock(mutex_);
        const auto found = files_.find(path);
        if (found == files_.end()) return std::nullopt;
        return found->second.stamp;
    }
    std::optional<auth::Secret> environment(const std::string& name) override {
        const std::lock_guard lock(mutex_);
        const auto found = environment_.find(name);
        if (found == environment_.end()) return std::nullopt;
        return auth::Secret(found->second);
    }
    plugin::Result<auth::Secret> command(const std::vector<std::string>& words) override {
        const std::lock_guard lock(mutex_);
        ran_.push_back(words);
        return auth::Secret("run " + std::to_string(ran_.size()) + "\n");
    }
    void setEnvironment(const std::string& name, const std::string& value) {
        const std::lock_guard lock(mutex_);
        environment_[name] = value;
    }
    std::vector<std::vector<std::string>> ran() {
        const std::lock_guard lock(mutex_);
        return ran_;
    }

private:
    struct OneFile {
        std::string text;
        Stamp stamp;
    };
    std::mutex mutex_{};
    std::int64_t changes_ = 0;
    std::map<std::string, OneFile> files_{};
    std::map<std::string, std::string> environment_{};
    std::vector<std::vector<std::string>> ran_{};
};

inline plugin::Configuration configuration(std::initializer_list<std::pair<const char*, std::string>> lines) {
    std::map<std::string, plugin::Configuration::Setting, std::less<>> settings;
    int line = 0;
    for (const auto& [key, value] : lines) settings[key] = {value, {"test.properties", ++line}, true};
    return plugin::Configuration(std::move(settings));
}

}  // namespace fakes
