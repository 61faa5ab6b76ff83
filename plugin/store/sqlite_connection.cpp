#include "plugin/store/sqlite_connection.h"

#include "plugin/store/sqlite_error.h"

#include <sqlite3.h>

#include <limits>

namespace plugin::sqlite {
namespace {

/// An empty text or blob is not NULL, which is what a null pointer would bind.
constexpr char nothing[1] = {};

struct Finalizer {
    sqlite3_stmt* statement = nullptr;
    ~Finalizer() { sqlite3_finalize(statement); }
};

int length(std::size_t size) {
    if (size > static_cast<std::size_t>(std::numeric_limits<int>::max()))
        throw std::logic_error("a statement or a value past 2 GiB for the database");
    return static_cast<int>(size);
}

}  // namespace

PreparedStatement::PreparedStatement(Connection& connection, std::string sql) : connection_(connection), sql_(std::move(sql)) {
    check(sqlite3_prepare_v3(connection.handle(), sql_.data(), length(sql_.size()), SQLITE_PREPARE_PERSISTENT, &statement_, nullptr));
    if (statement_ == nullptr) throw std::logic_error("an empty SQL statement");
}

PreparedStatement::~PreparedStatement() { sqlite3_finalize(statement_); }

void PreparedStatement::check(int code) const {
    if (code != SQLITE_OK) raise(connection_.handle(), code, connection_.path());
}

Statement& PreparedStatement::bind(int parameter, std::int64_t value) {
    check(sqlite3_bind_int64(statement_, parameter + 1, value));
    return *this;
}

Statement& PreparedStatement::bind(int parameter, std::string_view text) {
    check(sqlite3_bind_text(statement_, parameter + 1, text.data() != nullptr ? text.data() : nothing, length(text.size()), SQLITE_STATIC));
    return *this;
}

Statement& PreparedStatement::bindBlob(int parameter, std::span<const std::uint8_t> bytes) {
    const void* data = bytes.data() != nullptr ? static_cast<const void*>(bytes.data()) : nothing;
    check(sqlite3_bind_blob(statement_, parameter + 1, data, length(bytes.size()), SQLITE_STATIC));
    return *this;
}

Statement& PreparedStatement::bindNull(int parameter) {
    check(sqlite3_bind_null(statement_, parameter + 1));
    return *this;
}

bool PreparedStatement::step() {
    const int code = sqlite3_step(statement_);
    if (code == SQLITE_ROW) return true;
    if (code != SQLITE_DONE) raise(connection_.handle(), code, connection_.path());
    reset();
    return false;
}

void PreparedStatement::reset() {
    sqlite3_reset(statement_);  // repeats the error of the last step(), which has been thrown already
    sqlite3_clear_bindings(statement_);
}

bool PreparedStatement::isNull(int column) const { return sqlite3_column_type(statement_, column) == SQLITE_NULL; }
std::int64_t PreparedStatement::integer(int column) const { return sqlite3_column_int64(statement_, column); }

std::string_view PreparedStatement::text(int column) const {
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
    if (text == nullptr) return {};
    return {text, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

std::span<const std::uint8_t> PreparedStatement::blob(int column) const {
    const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_, column));
    if (data == nullptr) return {};
    return {data, static_cast<std::size_t>(sqlite3_column_bytes(statement_, column))};
}

namespace {

// Of several processes that open a new file at once all but one are told that it is busy: for this SQLite does not wait by itself.
constexpr std::chrono::milliseconds walPause{20};

struct Journal {
    int code = SQLITE_OK;  ///< SQLITE_DONE: it is as it says
    std::string mode{};
};

Journal switchToWal(sqlite3* handle) {
    Finalizer pragma;
    Journal journal;
    journal.code = sqlite3_prepare_v2(handle, "PRAGMA journal_mode = WAL", -1, &pragma.statement, nullptr);
    if (journal.code == SQLITE_OK) journal.code = sqlite3_step(pragma.statement);
    if (journal.code != SQLITE_ROW) return journal;
    if (const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(pragma.statement, 0)); text != nullptr) journal.mode = text;
    // Only this writes it down: what failed here would keep a journal that FULL does not make safe.
    journal.code = sqlite3_step(pragma.statement);
    return journal;
}

}  // namespace

Connection::Connection(const SqliteOptions& options, Use use) : path_(options.path) {
    // A look at what an unclean stop has left must be able to roll back a journal: it writes, but makes no file.
    const int access = options.readOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | (use == Use::look ? 0 : SQLITE_OPEN_CREATE);
    const int code = sqlite3_open_v2(path_.c_str(), &handle_, access | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
                                     options.vfs.empty() ? nullptr : options.vfs.c_str());
    try {
        if (code != SQLITE_OK) raise(handle_, code, path_);
        // What cannot be written is opened for reading, without a word, and stays so.
        if (!options.readOnly && sqlite3_db_readonly(handle_, "main") == 1) raise(handle_, SQLITE_READONLY, path_);
        configure(options, use);
    } catch (...) {  // goes on to whoever opens; only the handle is ended here
        sqlite3_close_v2(handle_);
        throw;
    }
}

Connection::~Connection() {
    statements_.clear();
    sqlite3_close_v2(handle_);
}

void Connection::configure(const SqliteOptions& options, Use use) {
    sqlite3_busy_timeout(handle_, static_cast<int>(options.busyTimeout.count()));
    sqlite3_db_config(handle_, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(handle_, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    execute("PRAGMA temp_store = MEMORY");  // savepoints journal in memory, not in a file
    if (use == Use::read && !options.readOnly) execute("PRAGMA query_only = 1");
    if (options.exclusive) execute("PRAGMA locking_mode = EXCLUSIVE");
    if (use != Use::write) return;
    auto journal = switchToWal(handle_);
    for (auto left = options.busyTimeout; (journal.code & 0xff) == SQLITE_BUSY && left > walPause; left -= walPause) {
        sqlite3_sleep(static_cast<int>(walPause.count()));
        journal = switchToWal(handle_);
    }
    if (journal.code != SQLITE_DONE) raise(handle_, journal.code, path_);
    if (journal.mode != "wal")
        throw StoreError(
            {Reaction::askOperator, Code::storeUnavailable, path_ + ": the file system cannot share memory, which the write-ahead log needs"});
    // FULL: a commit is durable when it has answered. The last limit lets the log shrink again after a burst.
    execute("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 1000; PRAGMA journal_size_limit = 67108864");
}

PreparedStatement& Connection::prepare(std::string_view sql) {
    auto found = statements_.find(sql);
    if (found == statements_.end()) {
        auto made = std::make_unique<PreparedStatement>(*this, std::string(sql));
        const std::string_view key = made->sql();
        found = statements_.emplace(key, std::move(made)).first;
    }
    auto& statement = *found->second;
    if (statement.used_) {
        statement.reset();
    } else {
        used_.push_back(&statement);
        statement.used_ = true;
    }
    return statement;
}

void Connection::execute(std::string_view sql) {
    while (!sql.empty()) {
        Finalizer one;
        const char* rest = nullptr;
        int code = sqlite3_prepare_v2(handle_, sql.data(), length(sql.size()), &one.statement, &rest);
        if (code != SQLITE_OK) raise(handle_, code, path_);
        sql.remove_prefix(static_cast<std::size_t>(rest - sql.data()));
        if (one.statement == nullptr) continue;  // a comment, or blanks
        while ((code = sqlite3_step(one.statement)) == SQLITE_ROW) {
        }
        if (code != SQLITE_DONE) raise(handle_, code, path_);
    }
}

std::int64_t Connection::value(std::string_view sql) {
    Finalizer one;
    int code = sqlite3_prepare_v2(handle_, sql.data(), length(sql.size()), &one.statement, nullptr);
    if (code == SQLITE_OK) code = sqlite3_step(one.statement);
    if (code == SQLITE_ROW) return sqlite3_column_int64(one.statement, 0);
    if (code != SQLITE_DONE) raise(handle_, code, path_);
    return 0;
}

void Connection::resetUsed() noexcept {
    for (auto* statement : used_) {
        statement->reset();
        statement->used_ = false;
    }
    used_.clear();
}

bool Connection::inTransaction() const noexcept { return sqlite3_get_autocommit(handle_) == 0; }

bool Connection::rollback() noexcept {
    resetUsed();
    if (inTransaction()) sqlite3_exec(handle_, "ROLLBACK", nullptr, nullptr, nullptr);
    return !inTransaction();
}

std::int64_t Connection::lastInsertId() const noexcept { return sqlite3_last_insert_rowid(handle_); }
std::int64_t Connection::changes() const noexcept { return sqlite3_changes64(handle_); }

Outcome attempt(Connection& connection, const Database::Function& function) {
    ConnectionTransaction transaction(connection);
    Outcome outcome;
    try {
        outcome.result = function(transaction);
    } catch (const StoreError& failure) {
        outcome.result = failure.error();
    } catch (...) {  // a bug: handed on to the coroutine that waits
        outcome.bug = std::current_exception();
    }
    connection.resetUsed();
    return outcome;
}

}  // namespace plugin::sqlite
