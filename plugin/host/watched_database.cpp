#include "plugin/host/watched_database.h"

namespace plugin::host {

std::optional<std::string> WatchedDatabase::failure() const {
    const std::lock_guard lock(shared_->mutex);
    return shared_->failure;
}

Task<Result<void>> WatchedDatabase::write(Function function) {
    auto written = database_->write(std::move(function));
    return noting(shared_, std::move(written));
}

Task<Result<void>> WatchedDatabase::noting(std::shared_ptr<Shared> shared, Task<Result<void>> write) {
    auto written = co_await write;
    const auto ofTheStore = [](Code code) {
        return code == Code::storeUnavailable || code == Code::storeDiskFull || code == Code::storeDamaged || code == Code::storeStateLost;
    };
    if (!written && !ofTheStore(written.error().code)) co_return written;  // the function's own refusal: the store is well, or not asked
    const std::lock_guard lock(shared->mutex);
    if (written)
        shared->failure.reset();
    else
        shared->failure = "store: " + codeName(written.error().code) + " " + written.error().what;
    co_return written;
}

}  // namespace plugin::host
