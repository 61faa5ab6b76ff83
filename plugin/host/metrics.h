#pragma once

#include "plugin/contract/log.h"

#include <memory>
#include <string>

namespace plugin::host {

/// Thread-safe. Collectors run one at a time, in the thread that asks for the page; they may call add and set, not addCollector or
/// removeCollector. After removeCollector has returned the collector is not running and never will.
class MetricsRegistry : public Metrics {
public:
    /// The text exposition format 0.0.4: families by name, samples by labels; counters that were never described are shown untyped.
    virtual std::string page() = 0;
};

std::unique_ptr<MetricsRegistry> makeMetricsRegistry(Log& log);

}  // namespace plugin::host
