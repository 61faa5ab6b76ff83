#pragma once

#include "plugin/contract/clock.h"
#include "plugin/contract/database.h"
#include "plugin/contract/log.h"
#include "plugin/host/data_directory.h"

#include <memory>
#include <optional>
#include <string>

namespace plugin::host {

/// The database of a data directory, and what is known of its past.
struct State {
    std::unique_ptr<Database> database;
    /// Instance::stateLost: the moment the database in use was begun in place of one that was lost. It is told at every start from then on;
    /// a package remembers in its own tables which moment it has dealt with. So no crash can make anybody forget it.
    std::optional<Wall> stateLost{};
};

/// Under the lock. Finds out whether this directory's database is the one it should be, and opens it:
///   - none, and never had one: a new one;
///   - none although instance.json says there was one, or one that does not hold together (checked after an unclean stop, or found when
///     opening): lost. It is moved aside as postern.db.damaged-<time>, the loss is noted durably, then an empty one is begun;
///   - else as it is.
/// Afterwards instance.json says "not clean" until markClean(). Blocks. Errors: 7xxx.
Result<State> openState(const DataDirectory& directory, Clock& clock, Random& random, Log& log);

/// The file a database was opened from, seen from outside: SQLite itself goes on in a file that has lost its name.
class DatabaseFile {
public:
    /// Blocks, as lost() does. After openState().
    explicit DatabaseFile(const DataDirectory& directory);
    /// What has become of it: storeStateLost when it was removed or another file has its name. Nothing: it is there, or cannot be looked at.
    std::optional<Error> lost() const;

private:
    std::string path_;
    std::uint64_t device_ = 0, inode_ = 0;  // 0: was never seen
};

/// The last thing a process does that ended in order, with the database closed.
Result<void> markClean(const DataDirectory& directory);

/// Whether a data directory holds a database. Blocks.
bool hasDatabase(const std::string& dataDirectory);

/// Whether the database of a data directory, which has one, holds tables of `owner`: a command may have made it for its own. Blocks. Errors: 7xxx.
Result<bool> hasTablesOf(const std::string& dataDirectory, const std::string& owner);

/// For commands, with or without a daemon. read: the database as it is, never written; null where there is none yet.
Result<State> openStateToRead(const std::string& dataDirectory);
/// write: beside a daemon; without one and without a database, as openState does it (taking the lock for as long as `directory` lives).
Result<State> openStateToWrite(DataDirectory& directory, Clock& clock, Random& random, Log& log);

}  // namespace plugin::host
