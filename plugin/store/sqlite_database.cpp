#include "plugin/store/sqlite_database.h"

#include "plugin/contract/handle.h"
#include "plugin/store/lane.h"
#include "plugin/store/schema.h"
#include "plugin/store/sqlite_error.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace plugin {
namespace {

/// Makes what a function throws a value: the seam between SQLite and everything above. Bugs pass.
template <class Function>
Result<void> guarded(Function function) {
    try {
        function();
        return {};
    } catch (const StoreError& failure) {
        return failure.error();
    }
}

class SqliteDatabase final : public Database {
public:
    explicit SqliteDatabase(SqliteOptions options)
        : options_(options), writer_(std::make_shared<sqlite::WriteLane>(options)), reader_(std::make_shared<sqlite::ReadLane>(options)) {}

    Task<Result<void>> write(Function function) override {
        if (options_.readOnly) throw std::logic_error("write() on a database that was opened for reading");
        return run(writer_, std::move(function), true);
    }

    Task<Result<void>> read(Function function) override {
        if (options_.exclusive) return run(writer_, std::move(function), false);
        return run(reader_, std::move(function), false);
    }

    Result<void> migrate(std::string_view owner, const std::vector<Migration>& migrations) override {
        return guarded([&] {
            if (options_.readOnly) {
                sqlite::Connection connection(options_, sqlite::Connection::Use::read);
                sqlite::migrate(connection, owner, migrations, true);
            } else {
                writer_->alone([&](sqlite::Connection& connection) { sqlite::migrate(connection, owner, migrations, false); });
            }
        });
    }

    /// True: the file was empty. Throws StoreError.
    bool open() {
        bool empty = false;
        if (options_.readOnly) {
            sqlite::Connection connection(options_, sqlite::Connection::Use::read);
            empty = sqlite::identify(connection, true);
        } else {
            writer_->alone([&](sqlite::Connection& connection) { empty = sqlite::identify(connection, false); });
        }
        return empty;
    }

private:
    /// The lane is kept by the frame: it lives until the answer is there, whatever becomes of the database.
    static Task<Result<void>> run(std::shared_ptr<sqlite::Lane> lane, Function function, bool writes) {
        Loop& loop = co_await thisLoop();
        sqlite::Job job{.function = std::move(function), .writes = writes};
        auto answer = job.answer;
        lane->add(loop, std::move(job));
        co_await answer->wait(Deadline::max(), {});
        co_return std::move(answer->get());
    }

    const SqliteOptions options_;
    const std::shared_ptr<sqlite::WriteLane> writer_;
    const std::shared_ptr<sqlite::ReadLane> reader_;
};

[[noreturn]] void raiseSystem(const std::string& path, const char* doing) {
    const int systemError = errno;
    throw StoreError(sqlite::errorOf(SQLITE_CANTOPEN, systemError, path, doing));
}

/// The file with mode 0600 and its name durable, before SQLite sees it: -wal and -shm take their mode from it.
/// Never opens a file that exists: closing it would end the locks another connection of this process has on it.
void makeFile(const std::string& path) {
    const Handle file(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file && errno != EEXIST) raiseSystem(path, "cannot be made");
    if (!file)
        for (const char* suffix : {"", "-wal", "-shm"}) {
            const std::string name = path + suffix;
            struct stat status {};
            if (::stat(name.c_str(), &status) == 0 && (status.st_mode & 077) != 0 && ::chmod(name.c_str(), 0600) != 0)
                raiseSystem(name, "cannot be given mode 0600");
        }
    // At every start: a process that died may have left names that no power cut must undo, as that of a journal it had removed.
    const auto slash = path.rfind('/');
    const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash + 1);
    const Handle directory(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory) raiseSystem(folder, "cannot be opened");
    if (::fsync(directory.get()) != 0) raiseSystem(folder, "cannot be made durable");
}

}  // namespace

Result<std::unique_ptr<Database>> makeSqliteDatabase(SqliteOptions options, bool* fresh) {
    auto database = std::make_unique<SqliteDatabase>(options);
    bool empty = false;
    auto opened = guarded([&] {
        if (options.vfs.empty() && !options.readOnly) makeFile(options.path);
        empty = database->open();
    });
    if (!opened) return opened.error();
    if (fresh != nullptr) *fresh = empty;
    return std::unique_ptr<Database>(std::move(database));
}

Result<void> quickCheck(const std::string& path, const std::string& vfs) {
    return guarded([&] {
        SqliteOptions options;
        options.path = path;
        options.vfs = vfs;
        options.exclusive = !vfs.empty();
        sqlite::Connection connection(options, sqlite::Connection::Use::look);
        auto& check = connection.prepare("PRAGMA quick_check(1)");
        const bool answered = check.step();
        const std::string answer(answered ? check.text(0) : std::string_view("no answer"));
        if (answer != "ok") throw StoreError({Reaction::askOperator, Code::storeDamaged, path + ": " + answer});
        connection.resetUsed();
    });
}

Result<bool> hasTablesOf(const std::string& path, const std::string& owner) {
    bool has = false;
    const auto looked = guarded([&] {
        SqliteOptions options;
        options.path = path;
        options.readOnly = true;
        sqlite::Connection connection(options, sqlite::Connection::Use::read);
        has = sqlite::hasTablesOf(connection, owner);
    });
    if (!looked) return looked.error();
    return has;
}

}  // namespace plugin
