#pragma once

#include "plugin/contract/database.h"

#include <functional>
#include <memory>
#include <mutex>

namespace plugin::host {

/// A database that is opened when it is first needed: most commands never do. Thread-safe. An error of opening is the answer, and the next one
/// who needs it tries again.
class DatabaseOnDemand final : public Database {
public:
    using Open = std::function<Result<std::unique_ptr<Database>>()>;
    explicit DatabaseOnDemand(Open open) : open_(std::move(open)) {}

    Task<Result<void>> write(Function function) override;
    Task<Result<void>> read(Function function) override;
    /// Whoever opens it migrates it: this is a bug.
    Result<void> migrate(std::string_view owner, const std::vector<Migration>& migrations) override;

private:
    Result<Database*> opened();

    Open open_;
    std::mutex mutex_{};
    std::unique_ptr<Database> database_{};
};

}  // namespace plugin::host
