#include "plugin/host/state.h"

#include "plugin/contract/text.h"
#include "plugin/host/timestamp.h"
#include "plugin/store/sqlite_database.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

namespace plugin::host {

namespace {

constexpr const char* databaseName = "postern.db";

std::string newId(Random& random) {
    std::array<std::uint8_t, 16> octets{};
    random.fill(octets);
    return hexText(octets);
}

/// An empty file is no database: SQLite would take it for a new one.
bool isThere(const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && status.st_size > 0;
}

/// Moves what is left of the database aside, the companions first: a log without its database would be mixed into the next one.
Result<std::string> moveAside(const DataDirectory& directory, Wall now) {
    auto stamp = timestamp(now);
    std::erase(stamp, ':');
    const auto aside = std::string(databaseName) + ".damaged-" + stamp;
    for (const char* companion : {"-wal", "-shm", "-journal", ""}) {
        const auto from = directory.file(databaseName + std::string(companion));
        if (::rename(from.c_str(), directory.file(aside + companion).c_str()) != 0 && errno != ENOENT)
            return fileError(errno, from, "cannot be moved aside");
    }
    if (auto durable = syncDirectory(directory.path()); !durable) return durable.error();
    return aside;
}

Result<std::unique_ptr<Database>> openDatabase(const std::string& path, bool readOnly = false, bool* fresh = nullptr) {
    SqliteOptions options;
    options.path = path;
    options.readOnly = readOnly;
    return makeSqliteDatabase(std::move(options), fresh);
}

/// Notes the loss before anything takes the place of what was lost.
Result<void> noteLoss(const DataDirectory& directory, Instance& instance, Wall now) {
    const auto later = [](Wall time) { return time + std::chrono::milliseconds(1); };
    instance.stateLost = instance.stateLost ? std::max(now, later(*instance.stateLost)) : now;  // two losses never look like one
    instance.clean = false;
    return directory.write(instance);
}

Result<std::unique_ptr<Database>> begunAgain(const DataDirectory& directory, Instance& instance, const std::string& why, Wall now, Log& log) {
    auto aside = moveAside(directory, now);
    if (!aside) return aside.error();
    if (auto noted = noteLoss(directory, instance, now); !noted) return noted.error();
    const bool kept = isThere(directory.file(*aside));
    const Error loss{Reaction::askOperator, Code::storeStateLost, why + (kept ? "; what is left of it is kept as " + *aside : "")};
    log.error("host.state", describe(loss), {{"code", codeName(loss.code)}});
    return openDatabase(directory.file(databaseName));
}

}  // namespace

Result<State> openState(const DataDirectory& directory, Clock& clock, Random& random, Log& log) {
    bool unreadable = false;
    auto known = directory.instance(unreadable);
    if (!known) return known.error();
    const auto now = std::chrono::floor<std::chrono::milliseconds>(clock.wall());
    const bool before = *known || unreadable;
    auto instance = known->value_or(Instance{newId(random), now});
    const auto path = directory.file(databaseName);
    if (unreadable) log.warning("host.state", "instance.json cannot be understood; it is written anew", {{"directory", directory.path()}});

    std::string loss;
    if (!isThere(path)) {
        if (before) loss = path + " is missing or empty";
    } else if (!instance.clean) {
        if (auto checked = quickCheck(path); !checked) {
            if (checked.error().code != Code::storeDamaged) return checked.error();
            loss = checked.error().what;
        }
    }
    State state;
    if (loss.empty()) {
        bool fresh = false;
        auto opened = openDatabase(path, false, &fresh);
        if (opened) {
            state.database = std::move(*opened);
            if (fresh && before) {
                log.error("host.state", "the database is empty although this instance had one", {{"code", codeName(Code::storeStateLost)}});
                if (auto noted = noteLoss(directory, instance, now); !noted) return noted.error();
            }
        } else if (opened.error().code == Code::storeDamaged) {
            loss = opened.error().what;
        } else {
            return opened.error();
        }
    }
    if (!loss.empty()) {
        auto opened = begunAgain(directory, instance, loss, now, log);
        if (!opened) return opened.error();
        state.database = std::move(*opened);
    }
    // The instance is noted after its first database is there: a crash in between is no loss.
    instance.clean = false;
    if (auto written = directory.write(instance); !written) return written.error();
    state.stateLost = instance.stateLost;
    return state;
}

DatabaseFile::DatabaseFile(const DataDirectory& directory) : path_(directory.file(databaseName)) {
    struct stat status {};
    if (::stat(path_.c_str(), &status) != 0) return;
    device_ = status.st_dev;
    inode_ = status.st_ino;
}

std::optional<Error> DatabaseFile::lost() const {
    struct stat status {};
    const bool found = ::stat(path_.c_str(), &status) == 0;
    if (!found && errno != ENOENT && errno != ENOTDIR) return std::nullopt;
    if (found && status.st_dev == device_ && status.st_ino == inode_) return std::nullopt;
    if (inode_ == 0) return std::nullopt;
    return Error{Reaction::askOperator, Code::storeStateLost,
                 path_ + (found ? " was replaced by another file while the service ran" : " was removed while the service ran")};
}

Result<void> markClean(const DataDirectory& directory) {
    bool unreadable = false;
    auto known = directory.instance(unreadable);
    if (!known) return known.error();
    if (!*known) return {};
    (*known)->clean = true;
    return directory.write(**known);
}

bool hasDatabase(const std::string& dataDirectory) { return isThere(dataDirectory + "/" + databaseName); }

Result<bool> hasTablesOf(const std::string& dataDirectory, const std::string& owner) {
    return plugin::hasTablesOf(dataDirectory + "/" + databaseName, owner);
}

Result<State> openStateToRead(const std::string& dataDirectory) {
    State state;
    const auto path = dataDirectory + "/" + databaseName;
    if (!isThere(path)) return state;
    auto directory = DataDirectory::open(dataDirectory);
    if (!directory) return directory.error();
    bool unreadable = false;
    auto known = directory->instance(unreadable);
    if (!known) return known.error();
    if (*known) state.stateLost = (*known)->stateLost;
    auto opened = openDatabase(path, true);
    if (!opened) return opened.error();
    state.database = std::move(*opened);
    return state;
}

Result<State> openStateToWrite(DataDirectory& directory, Clock& clock, Random& random, Log& log) {
    const auto path = directory.file(databaseName);
    if (!isThere(path)) {
        if (auto locked = directory.lock(); !locked) return locked.error();
        return openState(directory, clock, random, log);
    }
    State state;
    bool unreadable = false;
    auto known = directory.instance(unreadable);
    if (!known) return known.error();
    if (*known) state.stateLost = (*known)->stateLost;
    auto opened = openDatabase(path);
    if (!opened) return opened.error();
    state.database = std::move(*opened);
    return state;
}

}  // namespace plugin::host
