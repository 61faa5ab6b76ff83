#pragma once

#include "plugin/contract/result.h"
#include "plugin/contract/task.h"

#include <cstdint>
#include <functional>
#include <span>
#include <stdexcept>
#include <string_view>
#include <vector>

namespace plugin {

/// Thrown by statements inside a Database function and caught by Database alone, which rolls back and answers the Error.
class StoreError : public std::runtime_error {
public:
    explicit StoreError(Error error) : std::runtime_error(error.what), error_(std::move(error)) {}
    const Error& error() const noexcept { return error_; }

private:
    Error error_;
};

/// A prepared statement, valid inside its transaction function. Parameters and columns count from 0.
/// Text and blobs given to bind are not copied: they live until step() has answered false, or reset(). All members throw StoreError, and
/// std::logic_error for SQL that does not fit or a broken constraint. Preparing a text again in the same function resets its statement.
class Statement {
public:
    virtual ~Statement() = default;
    virtual Statement& bind(int parameter, std::int64_t value) = 0;
    virtual Statement& bind(int parameter, std::string_view text) = 0;
    virtual Statement& bindBlob(int parameter, std::span<const std::uint8_t> bytes) = 0;
    virtual Statement& bindNull(int parameter) = 0;
    virtual bool step() = 0;   ///< true: a row is there; false: done, and reset
    virtual void reset() = 0;  ///< and forgets what was bound
    virtual bool isNull(int column) const = 0;
    virtual std::int64_t integer(int column) const = 0;
    virtual std::string_view text(int column) const = 0;               ///< until the next step() or reset()
    virtual std::span<const std::uint8_t> blob(int column) const = 0;  ///< likewise

    void run() {
        while (step()) {
        }
    }
};

/// One transaction, as a function sees it. Blocking; never leaves the function.
class Transaction {
public:
    virtual ~Transaction() = default;
    /// Prepared once and kept by its text: use constants, never text glued from values.
    virtual Statement& prepare(std::string_view sql) = 0;
    virtual std::int64_t lastInsertId() = 0;
    virtual std::int64_t changes() = 0;  ///< rows changed by the last statement
};

/// One step of a package's schema, applied once, in order; never changed after a release.
struct Migration {
    int number;
    std::string_view sql;  ///< tables begin with the package's prefix
};

/// Thread-safe. The functions run on the worker pool: they own what they touch, or what they touch outlives the task.
class Database {
public:
    using Function = std::function<Result<void>(Transaction&)>;
    virtual ~Database() = default;
    /// Answers when the transaction is durable. Functions that wait at the same time share one commit (group commit); one that fails is
    /// rolled back alone. An Error returned by the function rolls back too. Errors: 7xxx.
    virtual Task<Result<void>> write(Function function) = 0;
    /// A consistent view; nothing is written.
    virtual Task<Result<void>> read(Function function) = 0;
    /// Blocking, before use: brings the tables of `owner` up to date.
    virtual Result<void> migrate(std::string_view owner, const std::vector<Migration>& migrations) = 0;
};

}  // namespace plugin
