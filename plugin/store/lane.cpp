#include "plugin/store/lane.h"

namespace plugin::sqlite {
namespace {

/// Enough that the price of a commit is shared by all who wait; few enough that the first of them is not kept waiting for the last.
constexpr std::size_t maxJobsPerCommit = 64;

void answer(Job& job, Outcome& outcome) {
    if (outcome.bug)
        job.answer->fail(std::move(outcome.bug));
    else
        job.answer->set(std::move(outcome.result));
}

}  // namespace

void Lane::add(Loop& loop, Job job) {
    {
        const std::lock_guard lock(mutex_);
        queue_.push_back(std::move(job));
        if (serving_ == width_) return;
        ++serving_;
    }
    loop.work([self = shared_from_this()] { self->drain(); });
}

void Lane::drain() noexcept {
    while (true) {
        std::vector<Job> jobs;
        {
            const std::lock_guard lock(mutex_);
            if (queue_.empty()) {
                --serving_;
                return;
            }
            jobs = take(queue_);
        }
        work(jobs);
    }
}

// Writing

std::vector<Job> WriteLane::take(std::deque<Job>& queue) {
    std::vector<Job> jobs;
    // A reading function (one connection for both) has the connection for itself.
    do {
        jobs.push_back(std::move(queue.front()));
        queue.pop_front();
    } while (jobs.back().writes && !queue.empty() && queue.front().writes && jobs.size() < maxJobsPerCommit);
    return jobs;
}

void WriteLane::work(std::vector<Job>& jobs) noexcept {
    std::vector<Outcome> outcomes;
    {
        const std::lock_guard lock(using_);
        outcomes = transaction(jobs);
    }
    for (std::size_t i = 0; i < jobs.size(); ++i) answer(jobs[i], outcomes[i]);
}

std::vector<Outcome> WriteLane::transaction(const std::vector<Job>& jobs) {
    std::vector<Outcome> outcomes(jobs.size());
    Outcome failed;
    try {
        auto& connection = opened();
        if (jobs.front().writes)
            together(connection, jobs, outcomes);
        else
            outcomes.front() = readWith(connection, jobs.front().function);
    } catch (const StoreError& failure) {
        failed.result = failure.error();
    } catch (...) {  // a bug: handed on to the coroutines that wait
        failed.bug = std::current_exception();
    }
    endTransaction();
    if (failed.failed())
        for (auto& outcome : outcomes)
            if (!outcome.failed()) outcome = failed;
    return outcomes;
}

void WriteLane::together(Connection& connection, const std::vector<Job>& jobs, std::vector<Outcome>& outcomes) {
    const bool single = jobs.size() == 1;  // its savepoint would be the transaction itself
    std::size_t failures = 0;
    connection.prepare("BEGIN IMMEDIATE").run();
    connection.resetUsed();
    for (std::size_t i = 0; i < jobs.size(); ++i) {
        if (!single) connection.prepare("SAVEPOINT job").run();
        outcomes[i] = attempt(connection, jobs[i].function);
        // After a full disk or an I/O error SQLite may have rolled back everything: then nobody has written anything.
        if (!connection.inTransaction()) {
            if (!outcomes[i].result) throw StoreError(outcomes[i].result.error());
            throw std::logic_error("a function ended the transaction it was given");
        }
        if (outcomes[i].failed()) {
            ++failures;
            if (!single) connection.prepare("ROLLBACK TO job").run();
        }
        if (!single) connection.prepare("RELEASE job").run();
        connection.resetUsed();
    }
    if (failures == jobs.size()) return;  // rolled back by endTransaction()
    connection.prepare("COMMIT").run();
}

Connection& WriteLane::opened() {
    if (!connection_) {
        auto connection = std::make_unique<Connection>(options_, Connection::Use::write);
        // A log found here may hold commits whose sync failed, and what the kernel then thinks of as clean is never written again. Carry it
        // over into the file, so that new commits stand on synced ground. Readers in the way make it less thorough, not wrong.
        if (!options_.readOnly) connection->execute("PRAGMA wal_checkpoint(PASSIVE)");
        connection_ = std::move(connection);
    }
    return *connection_;
}

void WriteLane::endTransaction() noexcept {
    if (!connection_) return;
    connection_->resetUsed();
    if (!connection_->rollback()) connection_.reset();
}

void WriteLane::alone(const std::function<void(Connection&)>& function) {
    const std::lock_guard lock(using_);
    try {
        function(opened());
    } catch (...) {  // goes on to the caller; only the transaction is ended here
        endTransaction();
        throw;
    }
    endTransaction();
}

// Reading

std::vector<Job> ReadLane::take(std::deque<Job>& queue) {
    std::vector<Job> jobs;
    jobs.push_back(std::move(queue.front()));
    queue.pop_front();
    return jobs;
}

void ReadLane::work(std::vector<Job>& jobs) noexcept {
    Outcome outcome;
    try {
        auto reader = connection();
        outcome = readWith(*reader, jobs.front().function);
        if (!reader->inTransaction()) giveBack(std::move(reader));
    } catch (const StoreError& failure) {
        outcome.result = failure.error();
    } catch (...) {  // a bug: handed on to the coroutine that waits
        outcome.bug = std::current_exception();
    }
    answer(jobs.front(), outcome);
}

std::unique_ptr<Connection> ReadLane::connection() {
    {
        const std::lock_guard lock(idleMutex_);
        if (!idle_.empty()) {
            auto reader = std::move(idle_.back());
            idle_.pop_back();
            return reader;
        }
    }
    return std::make_unique<Connection>(options_, Connection::Use::read);
}

void ReadLane::giveBack(std::unique_ptr<Connection> connection) {
    const std::lock_guard lock(idleMutex_);
    idle_.push_back(std::move(connection));
}

Outcome readWith(Connection& connection, const Database::Function& function) noexcept {
    Outcome outcome;
    try {
        connection.prepare("BEGIN").run();
        connection.resetUsed();
        outcome = attempt(connection, function);
    } catch (const StoreError& failure) {
        outcome.result = failure.error();
    } catch (...) {  // a bug: handed on to the coroutine that waits
        outcome.bug = std::current_exception();
    }
    connection.rollback();  // also what a reading function should not have written
    return outcome;
}

}  // namespace plugin::sqlite
