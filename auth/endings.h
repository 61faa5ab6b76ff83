#pragma once

#include "plugin/contract/clock.h"
#include "plugin/contract/configuration.h"

#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace plugin {
class Log;
class Metrics;
}  // namespace plugin

namespace auth {

/// A day as credential.<name>.secret_expires writes it, "2027-01-31": its first moment, UTC. Nothing: it is none.
std::optional<plugin::Wall> parseDay(std::string_view text);

/// How near the end of a secret is: 30, 14, 7 or 1 (days), the smallest that has been reached; 0: it is over. Nothing: more than 30 days.
std::optional<int> daysReached(plugin::Wall end, plugin::Wall now);

/// Tells of secrets that end soon, each stage once a process: in the log, and their end as a metric. Thread-safe.
class SecretExpiry {
public:
    SecretExpiry(plugin::CurrentConfiguration configuration, plugin::Clock& clock, plugin::Log& log, plugin::Metrics& metrics);
    void look();  ///< now and then; cheap

private:
    plugin::CurrentConfiguration configuration_;
    plugin::Clock& clock_;
    plugin::Log& log_;
    plugin::Metrics& metrics_;
    std::mutex mutex_{};
    std::map<std::string, std::pair<plugin::Wall, int>> told_{};  // by credential: the end, and the last stage
};

}  // namespace auth
