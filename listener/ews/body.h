#pragma once

#include "listener/message/message.h"
#include "plugin/contract/loop.h"
#include "plugin/contract/result.h"
#include "plugin/contract/task.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace listener::ews {

/// One message while its octets come. Past `limit` they are counted, and no more kept than of a head; a limit of 0 keeps the head alone.
class Body {
public:
    Body(plugin::Directory& staging, std::uint64_t expected, std::optional<std::uint64_t> limit);

    /// Errors: messageStaging. `octets` outlives the task.
    plugin::Task<plugin::Result<void>> append(std::string_view octets);
    /// The whole of it is here, past the limit its head.
    plugin::Task<plugin::Result<ContentBuilder::Built>> finish();

    std::uint64_t size() const { return size_; }
    bool tooLarge() const { return limit_ && size_ > *limit_; }
    bool headIsWhole() const;  ///< an empty line has come, or as much as is looked at

private:
    std::optional<std::uint64_t> limit_;
    std::optional<ContentBuilder> builder_{};
    std::string beginning_{};  ///< where there is a limit
    std::uint64_t size_ = 0;
    std::string gathered_{};  ///< for a file: each write is a trip to the worker pool
};

}  // namespace listener::ews
