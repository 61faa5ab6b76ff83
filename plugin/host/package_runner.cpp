#include "plugin/host/package_runner.h"

#include "plugin/contract/bug.h"
#include "plugin/contract/exit_status.h"

#include <algorithm>
#include <array>

namespace plugin::host {

int worse(int one, int other) {
    constexpr std::array order{exits::ok, exits::tempFail, exits::config};
    const auto rank = [&](int status) { return std::find(order.begin(), order.end(), status) - order.begin(); };
    return rank(other) > rank(one) ? other : one;
}

PackageRunner::PackageRunner(Packages& packages, Log& log, Metrics& metrics, std::function<void()> changed)
    : log_(log), metrics_(metrics), changed_(std::move(changed)) {
    for (auto& each : packages.all) {
        if (!each.enabled) continue;
        shared_->all.push_back(One{each.description.name, each.package.get()});
        if (each.error) fail(shared_->all.back(), *each.error);
    }
}

void PackageRunner::fail(One& one, const Error& error) {
    {
        const std::lock_guard lock(shared_->mutex);
        one.phase = Phase::failed;
        one.status = exitStatus(error);
        one.problem = "package " + one.name + ": " + codeName(error.code) + " " + error.what;
    }
    log_.error("host.packages", describe(error), {{"package", one.name}, {"code", codeName(error.code)}});
    metrics_.add("postern_errors_total", {{"mailbox", ""}, {"code", codeName(error.code)}}, 1);
}

void PackageRunner::migrate(Database& database) {
    for (auto& one : shared_->all)
        if (one.phase == Phase::idle && one.package != nullptr)
            if (auto migrated = database.migrate(one.package->schemaOwner(), one.package->migrations()); !migrated) fail(one, migrated.error());
}

void PackageRunner::start(Host& host, Mode mode) {
    for (std::size_t i = 0; i < shared_->all.size(); ++i) {
        auto& one = shared_->all[i];
        if (one.phase != Phase::idle) continue;
        {
            const std::lock_guard lock(shared_->mutex);
            one.phase = Phase::running;  // before it begins: `ended` may be called before start() answers
        }
        const auto ended = [shared = shared_, i, mode, changed = changed_](int status) {
            {
                const std::lock_guard lock(shared->mutex);
                auto& mine = shared->all[i];
                mine.phase = Phase::ended;
                mine.status = status;
                if (mode == Mode::service && !shared->stopping)
                    mine.problem = "package " + mine.name + " ended by itself with status " + std::to_string(status);
            }
            changed();
        };
        try {
            if (auto started = one.package->start(host, mode, ended); !started) fail(one, started.error());
        } catch (...) {  // told and counted as what it means here
            fail(one, Error{Reaction::askOperator, Code::packageStart, "it threw: " + causeOf(std::current_exception())});
        }
    }
    changed_();
}

bool PackageRunner::runs(const One& one) const {
    const std::lock_guard lock(shared_->mutex);
    return one.phase == Phase::running;
}

void PackageRunner::reload() {
    for (auto& one : shared_->all) {
        if (!runs(one)) continue;
        try {
            one.package->reload();
        } catch (...) {  // what it did until then goes on
            tellBug(log_, metrics_, "host.packages", "a package failed to take over the configuration", std::current_exception(),
                    {{"package", one.name}});
        }
    }
}

void PackageRunner::stop() {
    {
        const std::lock_guard lock(shared_->mutex);
        shared_->stopping = true;
    }
    for (auto& one : shared_->all)
        if (runs(one)) one.package->stop();
}

std::vector<std::string> PackageRunner::running() const {
    const std::lock_guard lock(shared_->mutex);
    std::vector<std::string> names;
    for (const auto& one : shared_->all)
        if (one.phase == Phase::running) names.push_back(one.name);
    return names;
}

std::vector<std::string> PackageRunner::problems() const {
    const std::lock_guard lock(shared_->mutex);
    std::vector<std::string> problems;
    for (const auto& one : shared_->all)
        if (!one.problem.empty()) problems.push_back(one.problem);
    return problems;
}

int PackageRunner::status() const {
    const std::lock_guard lock(shared_->mutex);
    int status = 0;
    for (const auto& one : shared_->all) status = worse(status, one.status);
    return status;
}

}  // namespace plugin::host
