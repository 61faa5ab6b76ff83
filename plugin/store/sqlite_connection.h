#pragma once

#include "plugin/contract/database.h"
#include "plugin/store/sqlite_database.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

struct sqlite3;
struct sqlite3_stmt;

namespace plugin::sqlite {

class Connection;

/// Kept for the life of its connection. Binds are not copied (SQLITE_STATIC).
class PreparedStatement final : public Statement {
public:
    PreparedStatement(Connection& connection, std::string sql);
    PreparedStatement(const PreparedStatement&) = delete;
    PreparedStatement& operator=(const PreparedStatement&) = delete;
    ~PreparedStatement() override;

    Statement& bind(int parameter, std::int64_t value) override;
    Statement& bind(int parameter, std::string_view text) override;
    Statement& bindBlob(int parameter, std::span<const std::uint8_t> bytes) override;
    Statement& bindNull(int parameter) override;
    bool step() override;
    void reset() override;
    bool isNull(int column) const override;
    std::int64_t integer(int column) const override;
    std::string_view text(int column) const override;
    std::span<const std::uint8_t> blob(int column) const override;

    const std::string& sql() const { return sql_; }

private:
    friend class Connection;
    void check(int code) const;

    Connection& connection_;
    const std::string sql_;
    sqlite3_stmt* statement_ = nullptr;
    bool used_ = false;  ///< since the connection's last resetUsed()
};

/// One connection. One thread at a time. All members block, and throw StoreError.
class Connection {
public:
    enum class Use { write, read, look };
    Connection(const SqliteOptions& options, Use use);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection();

    PreparedStatement& prepare(std::string_view sql);
    void execute(std::string_view sql);        ///< any number of statements, not kept
    std::int64_t value(std::string_view sql);  ///< first column of the first row, 0 if none; not kept
    void resetUsed() noexcept;                 ///< ends what functions left half read
    bool inTransaction() const noexcept;
    /// Ends an open transaction, whatever it takes short of closing. False: it is still open, the connection is of no use.
    bool rollback() noexcept;
    std::int64_t lastInsertId() const noexcept;
    std::int64_t changes() const noexcept;

    sqlite3* handle() const noexcept { return handle_; }
    const std::string& path() const noexcept { return path_; }

private:
    void configure(const SqliteOptions& options, Use use);

    std::string path_;
    sqlite3* handle_ = nullptr;
    std::unordered_map<std::string_view, std::unique_ptr<PreparedStatement>> statements_{};  ///< keys: the statements' own texts
    std::vector<PreparedStatement*> used_{};
};

/// What a function of a transaction sees of its connection.
class ConnectionTransaction final : public Transaction {
public:
    explicit ConnectionTransaction(Connection& connection) : connection_(connection) {}
    Statement& prepare(std::string_view sql) override { return connection_.prepare(sql); }
    std::int64_t lastInsertId() override { return connection_.lastInsertId(); }
    std::int64_t changes() override { return connection_.changes(); }

private:
    Connection& connection_;
};

/// How a function ended: with a Result, or with an exception that its caller shall meet.
struct Outcome {
    Result<void> result{};
    std::exception_ptr bug{};
    bool failed() const { return bug || !result; }
};
/// Runs the function alone, without beginning or ending a transaction.
Outcome attempt(Connection& connection, const Database::Function& function);

}  // namespace plugin::sqlite
