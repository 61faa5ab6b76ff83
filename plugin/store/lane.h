#pragma once

#include "plugin/contract/loop.h"
#include "plugin/store/sqlite_connection.h"

#include <deque>
#include <memory>
#include <mutex>
#include <vector>

namespace plugin::sqlite {

/// A function and those who wait for its end.
struct Job {
    Database::Function function{};
    std::shared_ptr<Shared<Result<void>>> answer = std::make_shared<Shared<Result<void>>>();
    bool writes = true;
};

/// Thread-safe. A queue of functions whose work is done on the pool of whichever loop brings some while fewer than `width` jobs of the
/// pool serve the queue: no thread of its own. Shared with those jobs, which finish what is queued even when the database goes away.
class Lane : public std::enable_shared_from_this<Lane> {
public:
    virtual ~Lane() = default;
    void add(Loop& loop, Job job);

protected:
    explicit Lane(unsigned width) : width_(width) {}
    /// Takes at least one job off a queue that has some.
    virtual std::vector<Job> take(std::deque<Job>& queue) = 0;
    /// Works them and sets every answer. Never throws.
    virtual void work(std::vector<Job>& jobs) noexcept = 0;

private:
    void drain() noexcept;

    const unsigned width_;
    std::mutex mutex_{};
    std::deque<Job> queue_{};
    unsigned serving_ = 0;
};

/// All writing, one transaction at a time. What has queued up while the last one was made durable shares the next one.
class WriteLane final : public Lane {
public:
    explicit WriteLane(SqliteOptions options) : Lane(1), options_(std::move(options)) {}
    /// Blocking, between the lane's transactions. Throws StoreError. The function begins and ends its own transactions.
    void alone(const std::function<void(Connection&)>& function);

private:
    std::vector<Job> take(std::deque<Job>& queue) override;
    void work(std::vector<Job>& jobs) noexcept override;
    std::vector<Outcome> transaction(const std::vector<Job>& jobs);
    void together(Connection& connection, const std::vector<Job>& jobs, std::vector<Outcome>& outcomes);
    Connection& opened();
    void endTransaction() noexcept;

    const SqliteOptions options_;
    std::mutex using_{};
    std::unique_ptr<Connection> connection_{};  ///< none: not yet open, or given up
};

/// Reading beside the writer: each job has its own view.
class ReadLane final : public Lane {
public:
    explicit ReadLane(SqliteOptions options) : Lane(options.readers == 0 ? 1 : options.readers), options_(std::move(options)) {}

private:
    std::vector<Job> take(std::deque<Job>& queue) override;
    void work(std::vector<Job>& jobs) noexcept override;
    std::unique_ptr<Connection> connection();
    void giveBack(std::unique_ptr<Connection> connection);

    const SqliteOptions options_;
    std::mutex idleMutex_{};
    std::vector<std::unique_ptr<Connection>> idle_{};
};

/// Runs a reading function in a view of its own. Never throws.
Outcome readWith(Connection& connection, const Database::Function& function) noexcept;

}  // namespace plugin::sqlite
