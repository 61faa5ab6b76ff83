#pragma once

#include "plugin/contract/database.h"
#include "plugin/contract/result.h"

#include <chrono>
#include <memory>
#include <string>

namespace plugin {

/// How a database file is opened.
struct SqliteOptions {
    std::string path{};
    /// A VFS registered with SQLite; "" = the system's. With a name, no file is touched but through it.
    std::string vfs{};
    /// For commands that only show. The file has to exist; write() is a bug; migrate() only compares.
    bool readOnly = false;
    /// Nobody else opens the file while we do, and there is one connection for reading and writing: WAL without shared memory, which is
    /// what the simulator's VFS has. Else other processes may read at any time and write in short transactions.
    bool exclusive = false;
    /// How long a transaction waits for one of another process. Blocks a worker thread.
    std::chrono::milliseconds busyTimeout{10'000};
    unsigned readers = 2;  ///< read connections at most, each opened when first needed
};

/// Opens the database, or makes it: file mode 0600 (also -wal and -shm, which take the mode of the file), WAL, synchronous = FULL, our
/// application_id. Blocks. `fresh`, if given, is set to whether the file held no database before.
/// The database has no thread of its own: it works on the pool of the loops that call it. Destroy it when these have become idle.
/// Errors: storeDiskFull (retryLater), storeDamaged, storeNewer (askOperator), storeUnavailable (either).
Result<std::unique_ptr<Database>> makeSqliteDatabase(SqliteOptions options, bool* fresh = nullptr);

/// Reads the whole file (SQLite's quick_check), after bringing it to the state of the last commit; for use after an unclean stop and before
/// makeSqliteDatabase. Blocks, about a second per 500 MB in the page cache. With a VFS: nobody else has the file open. Errors: storeDamaged for what
/// does not hold together, else as above; a missing file is storeUnavailable.
Result<void> quickCheck(const std::string& path, const std::string& vfs = {});

/// Whether `owner` has ever migrated the database of an existing file. Reads alone; blocks. Errors as above.
Result<bool> hasTablesOf(const std::string& path, const std::string& owner);

}  // namespace plugin
