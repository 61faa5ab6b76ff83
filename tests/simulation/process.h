#pragma once

#include "auth/access.h"
#include "listener/engine/engine.h"
#include "plugin/contract/host.h"
#include "tests/simulation/sim_disk.h"
#include "tests/simulation/sim_loop.h"
#include "tests/simulation/sim_network.h"
#include "tests/simulation/sim_vfs.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace simulation {

/// Keeps what was logged, to see that no secret is in it.
class KeptLog final : public plugin::Log {
public:
    explicit KeptLog(bool trace, const plugin::Clock& clock) : trace_(trace), clock_(clock) {}
    bool enabled(plugin::Level) const override { return true; }
    void write(plugin::Level level, std::string_view logger, std::string_view message, const std::vector<plugin::Field>& fields) override;
    const std::string& text() const { return text_; }
    const std::string& shown() const { return shown_; }  ///< of it what people see

private:
    bool trace_;
    const plugin::Clock& clock_;
    std::string text_{}, shown_{};
};

/// Keeps the last value of each gauge, by name and labels.
class KeptMetrics final : public plugin::Metrics {
public:
    void describe(std::string_view, Kind, std::string_view) override {}
    void add(std::string_view, const plugin::Labels&, double) override {}
    void set(std::string_view name, const plugin::Labels& labels, double value) override;
    int addCollector(std::function<void()> collect) override { return collectors_.emplace(++last_, std::move(collect)), last_; }
    void removeCollector(int id) override { collectors_.erase(id); }
    double gauge(const std::string& name);
    double last(const std::string& name) const;  ///< as it was collected last; -1: never

private:
    std::map<std::string, double> gauges_{};
    std::map<int, std::function<void()>> collectors_{};
    int last_ = 0;
};

/// The configuration these lines are. Throws what is wrong with them.
std::shared_ptr<const plugin::Configuration> configured(const std::string& lines);

/// What outlives the processes of a history.
struct World {
    WorldClock& clock;
    Dice& dice;
    SimVfs& files;
    SimDisk& disk;
    KeptLog& log;
    std::shared_ptr<const plugin::Configuration> configuration;
    std::function<void(SimNetwork&)> servers;  ///< lets the servers listen
    listener::Programs* programs = nullptr;    ///< what the sinks of type exec run
    listener::MailboxMaker mailboxes{};        ///< instead of real sessions
};

/// One life of the real engine on simulated ground: from start to its end, or to its death at any effect.
class Process final : public plugin::Host {
public:
    /// `dead` is set by whoever counts effects: from then on nothing happens any more. It outlives the process.
    Process(World& world, bool& dead);
    ~Process() override;

    /// Opens the database and begins; an error is a process that could not start.
    std::optional<plugin::Error> start(plugin::Mode mode);
    /// Works until `until`, its end, or its death.
    void run(
        plugin::Steady until, const std::function<bool()>& enough = [] { return false; });
    void stop() { engine_->stop(); }
    void reload() { engine_->reload(); }  ///< the world has another configuration
    bool ended() const { return status_.has_value(); }
    std::optional<int> status() const { return status_; }
    std::exception_ptr bug() const { return loop_ ? loop_->bug() : nullptr; }
    /// Runs one task of the ledger or the like beside the engine.
    template <class T>
    T wait(plugin::Task<T> task) {
        auto answer = plugin::start(*loop_, std::move(task));
        while (!answer->isSet() && loop_->step(clock().steady() + std::chrono::hours(1))) {
        }
        return std::move(answer->get());
    }

    SimNetwork& network() { return *network_; }
    SimLoop& loop() { return *loop_; }
    KeptMetrics& kept() { return metrics_; }
    bool& dead;

    std::shared_ptr<const plugin::Configuration> configuration() const override { return world_.configuration; }
    std::vector<plugin::Loop*> loops() override { return {loop_.get()}; }
    plugin::Clock& clock() override { return world_.clock; }
    plugin::Random& random() override { return world_.dice; }
    plugin::Disk& disk() override { return world_.disk; }
    plugin::Database& database() override { return *database_; }
    plugin::Log& log() override { return world_.log; }
    plugin::Metrics& metrics() override { return metrics_; }
    auth::Access& access() override { return *access_; }
    std::string dataDirectory() const override { return "/data"; }
    std::string version() const override { return "simulated"; }
    std::string instance() const override { return "simulated"; }
    std::optional<plugin::Wall> stateLost() const override { return std::nullopt; }

private:
    World& world_;
    KeptMetrics metrics_{};
    std::unique_ptr<SimLoop> loop_;
    std::unique_ptr<SimNetwork> network_;
    std::unique_ptr<plugin::Database> database_{};
    std::unique_ptr<auth::Access> access_{};
    std::unique_ptr<listener::Engine> engine_{};
    std::optional<int> status_{};
};

}  // namespace simulation
