#include "plugin/host/database_on_demand.h"

#include "plugin/contract/loop.h"

namespace plugin::host {

Result<Database*> DatabaseOnDemand::opened() {
    const std::lock_guard lock(mutex_);
    if (!database_) {
        auto opening = open_();
        if (!opening) return opening.error();
        database_ = std::move(*opening);
    }
    return database_.get();
}

Task<Result<void>> DatabaseOnDemand::write(Function function) {
    auto& loop = co_await thisLoop();
    auto opening = offload(loop, [this] { return opened(); });
    auto database = co_await opening;
    if (!database) co_return database.error();
    auto writing = (*database)->write(std::move(function));
    co_return co_await writing;
}

Task<Result<void>> DatabaseOnDemand::read(Function function) {
    auto& loop = co_await thisLoop();
    auto opening = offload(loop, [this] { return opened(); });
    auto database = co_await opening;
    if (!database) co_return database.error();
    auto reading = (*database)->read(std::move(function));
    co_return co_await reading;
}

Result<void> DatabaseOnDemand::migrate(std::string_view, const std::vector<Migration>&) {
    throw std::logic_error("a database on demand is migrated by whoever opens it");
}

}  // namespace plugin::host
