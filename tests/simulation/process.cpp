#include "tests/simulation/process.h"

#include "listener/alerting/schema.h"
#include "listener/engine/settings.h"
#include "listener/ledger/ledger.h"
#include "plugin/host/validation.h"
#include "plugin/store/sqlite_database.h"

#include <iostream>
#include <stdexcept>

namespace simulation {

void KeptLog::write(plugin::Level level, std::string_view logger, std::string_view message, const std::vector<plugin::Field>& fields) {
    std::string line(logger);
    line.append(" ").append(message);
    for (const auto& field : fields) line.append(" ").append(field.key).append("=").append(field.value);
    if (trace_) std::cerr << std::chrono::duration_cast<std::chrono::milliseconds>(clock_.steady().time_since_epoch()).count() << " " << line << "\n";
    text_.append(line).append("\n");
    if (level <= plugin::Level::information) shown_.append(line).append("\n");
}

void KeptMetrics::set(std::string_view name, const plugin::Labels& labels, double value) {
    std::string key(name);
    for (const auto& [label, text] : labels) key.append(" ").append(label).append("=").append(text);
    gauges_[key] = value;
}

double KeptMetrics::gauge(const std::string& name) {
    for (const auto& [id, collect] : collectors_) collect();
    return last(name);
}

double KeptMetrics::last(const std::string& name) const {
    const auto found = gauges_.find(name);
    return found == gauges_.end() ? -1 : found->second;
}

std::shared_ptr<const plugin::Configuration> configured(const std::string& lines) {
    plugin::host::Rules rules;
    rules.keys = listener::keys();
    for (auto& key : auth::keys()) rules.keys.push_back(std::move(key));
    rules.checks = {listener::check, auth::check};
    rules.workingDirectory = "/";
    auto validated = plugin::host::validate(plugin::host::parseProperties(lines, "simulation"), rules);
    for (const auto& problem : validated.problems)
        if (problem.severity == plugin::Problem::Severity::error) throw std::runtime_error(problem.key + ": " + problem.what);
    return validated.configuration;
}

Process::Process(World& world, bool& isDead)
    : dead(isDead),
      world_(world),
      loop_(std::make_unique<SimLoop>(world.clock, world.dice)),
      network_(std::make_unique<SimNetwork>(*loop_, world.dice)) {
    world_.servers(*network_);
    network_->setHook([this] { return dead; });
}

/// First the coroutines, where they are; then what they worked with.
Process::~Process() {
    loop_.reset();
    engine_.reset();
    access_.reset();
    database_.reset();
}

std::optional<plugin::Error> Process::start(plugin::Mode mode) {
    plugin::SqliteOptions options;
    options.path = "/data/postern.db";
    options.vfs = world_.files.name();
    options.exclusive = true;
    auto database = plugin::makeSqliteDatabase(std::move(options));
    if (!database) return database.error();
    database_ = std::move(*database);
    if (auto migrated = database_->migrate(listener::ledgerOwner, listener::listenerMigrations()); !migrated) return migrated.error();
    access_ = auth::makeAccess({world_.configuration, world_.clock, world_.dice, world_.log, metrics_, network_.get()});
    engine_ = std::make_unique<listener::Engine>(*this, *world_.programs, world_.mailboxes);
    engine_->start(mode, [this](int status) { status_ = status; });
    return std::nullopt;
}

void Process::run(plugin::Steady until, const std::function<bool()>& enough) {
    constexpr std::uint64_t tooMuch = 20'000'000;
    auto now = clock().steady();
    std::uint64_t steps = 0;
    while (!dead && !ended() && !bug() && !enough() && loop_->step(until)) {
        if (clock().steady() != now) now = clock().steady(), steps = 0;
        if (++steps > tooMuch) throw std::runtime_error("no time passes any more: something goes round and round");
    }
}

}  // namespace simulation
