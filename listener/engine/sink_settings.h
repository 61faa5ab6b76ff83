#pragma once

#include "listener/delivery/exec.h"
#include "listener/delivery/http.h"
#include "listener/delivery/spool.h"
#include "plugin/contract/configuration.h"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace listener {

/// The keys of sinks.
std::vector<plugin::Key> sinkKeys();
void checkSinks(const plugin::Configuration& configuration, std::vector<plugin::Problem>& problems);

/// What every sink has, whatever its type. Values are valid: the configuration has been checked.
struct SinkSettings {
    enum class Type { spool, http, exec };
    enum class Oversize { quarantine, reference };
    std::string name;
    Type type = Type::spool;
    std::size_t concurrency = 1;                        ///< calls of Sink::deliver() at a time
    std::chrono::milliseconds timeout{};                ///< of one such call
    std::chrono::milliseconds retryMaxInterval{};       ///< the longest back-off
    std::optional<std::chrono::milliseconds> giveUp{};  ///< after the first refusal; nothing: never
    std::optional<std::uint64_t> maxSize{};             ///< octets
    Oversize oversize = Oversize::quarantine;
};

SinkSettings sinkSettings(const plugin::Configuration& configuration, const std::string& name);
SpoolSettings spoolSettings(const plugin::Configuration& configuration, const std::string& name);
HttpSettings httpSettings(const plugin::Configuration& configuration, const std::string& name);
ExecSettings execSettings(const plugin::Configuration& configuration, const std::string& name);

}  // namespace listener
