#pragma once

#include "plugin/contract/database.h"

#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace plugin::host {

/// A database that remembers whether its last transaction for writing failed for a reason of its own: disk, permissions, damage.
/// Thread-safe. A failed write counts until one succeeds.
class WatchedDatabase final : public Database {
public:
    explicit WatchedDatabase(std::unique_ptr<Database> database) : database_(std::move(database)) {}

    /// For readiness: what is wrong, in one line.
    std::optional<std::string> failure() const;

    Task<Result<void>> write(Function function) override;
    Task<Result<void>> read(Function function) override { return database_->read(std::move(function)); }
    Result<void> migrate(std::string_view owner, const std::vector<Migration>& migrations) override { return database_->migrate(owner, migrations); }

private:
    struct Shared {  // with transactions that outlive us
        std::mutex mutex{};
        std::optional<std::string> failure{};
    };
    static Task<Result<void>> noting(std::shared_ptr<Shared> shared, Task<Result<void>> write);

    std::unique_ptr<Database> database_;
    std::shared_ptr<Shared> shared_ = std::make_shared<Shared>();
};

}  // namespace plugin::host
