#pragma once

#include "plugin/contract/host.h"

#include <Poco/Environment.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace plugin::host {

/// plugin::Host, put together from parts that outlive it.
struct LentParts {
    CurrentConfiguration configuration;
    std::vector<Loop*> loops;
    Clock& clock;
    Random& random;
    Disk& disk;
    Database& database;
    Log& log;
    Metrics& metrics;
    auth::Access& access;
    std::string dataDirectory;
    std::string version;
    std::string instance;
    std::optional<Wall> stateLost{};
};

/// server.name, else the machine's name.
inline std::string instanceName(const Configuration& configuration) {
    auto named = configuration.text("server.name");
    return named.empty() ? Poco::Environment::nodeName() : named;
}

class LentHost final : public Host {
public:
    explicit LentHost(LentParts parts) : parts_(std::move(parts)) {}
    std::shared_ptr<const Configuration> configuration() const override { return parts_.configuration.get(); }
    std::vector<Loop*> loops() override { return parts_.loops; }
    Clock& clock() override { return parts_.clock; }
    Random& random() override { return parts_.random; }
    Disk& disk() override { return parts_.disk; }
    Database& database() override { return parts_.database; }
    Log& log() override { return parts_.log; }
    Metrics& metrics() override { return parts_.metrics; }
    auth::Access& access() override { return parts_.access; }
    std::string dataDirectory() const override { return parts_.dataDirectory; }
    std::string version() const override { return parts_.version; }
    std::string instance() const override { return parts_.instance; }
    std::optional<Wall> stateLost() const override { return parts_.stateLost; }

private:
    LentParts parts_;
};

}  // namespace plugin::host
