#include "tests/simulation/sim_vfs.h"

#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <mutex>
#include <new>
#include <optional>
#include <utility>
#include <vector>

namespace simulation {
namespace {

constexpr std::size_t sectorSize = 512;

/// One change that is not durable yet.
struct Change {
    enum class Kind { make, write, resize, remove } kind;
    std::size_t offset = 0;
    std::string bytes{};   ///< write
    std::size_t size = 0;  ///< resize
};

using Content = std::optional<std::string>;  ///< none: there is no such file

void applyChange(Content& content, const Change& change) {
    switch (change.kind) {
        case Change::Kind::make:
            if (!content) content.emplace();
            break;
        case Change::Kind::remove:
            content.reset();
            break;
        case Change::Kind::resize:
            if (content) content->resize(change.size);
            break;
        case Change::Kind::write:
            if (!content) break;
            if (content->size() < change.offset + change.bytes.size()) content->resize(change.offset + change.bytes.size());
            content->replace(change.offset, change.bytes.size(), change.bytes);
            break;
    }
}

/// The parts of a write that a disk keeps or loses as a whole.
std::vector<Change> sectorsOf(const Change& change) {
    if (change.kind != Change::Kind::write) return {change};
    std::vector<Change> sectors;
    for (std::size_t at = 0; at < change.bytes.size();) {
        const std::size_t room = sectorSize - (change.offset + at) % sectorSize;
        const std::size_t take = std::min(room, change.bytes.size() - at);
        sectors.push_back({Change::Kind::write, change.offset + at, change.bytes.substr(at, take)});
        at += take;
    }
    return sectors;
}

struct Handle;

struct Inode {
    Content content{};              ///< as processes see it
    Content durable{};              ///< as it stood at the last sync
    std::vector<Change> changes{};  ///< since then
    std::map<const Handle*, int> locks{};

    void change(Change what) {
        applyChange(content, what);
        changes.push_back(std::move(what));
    }
    void sync() {
        durable = content;
        changes.clear();
    }
    /// The directory is synced: whether there is such a file, not what is in it.
    void syncName() {
        const auto isName = [](const Change& one) { return one.kind == Change::Kind::make || one.kind == Change::Kind::remove; };
        const auto last = std::find_if(changes.rbegin(), changes.rend(), isName);
        if (last == changes.rend()) return;
        const bool removedBefore = std::any_of(changes.begin(), changes.end(), [](const auto& one) { return one.kind == Change::Kind::remove; });
        if (removedBefore) durable.reset();
        applyChange(durable, *last);
        if (removedBefore)
            changes.erase(changes.begin(), last.base());
        else
            std::erase_if(changes, isName);
    }
};

}  // namespace

struct SimVfs::State {
    mutable std::mutex mutex{};
    std::string name{};
    sqlite3_vfs vfs{};
    std::map<std::string, std::shared_ptr<Inode>> files{};
    Judge judge{};
    std::uint64_t effects = 0;
    std::uint64_t life = 1;  ///< handles of an earlier life are dead
    bool dead = false;
    const plugin::Clock* clock = nullptr;
    int lastError = 0;

    Inode& file(const std::string& path) {
        auto& inode = files[path];
        if (!inode) inode = std::make_shared<Inode>();
        return *inode;
    }
    Fate fate(Effect effect, const std::string& path) {
        if (dead) return Fate::dead;
        ++effects;
        const auto answer = judge ? judge(effect, effects, path) : Fate::pass;
        dead = answer == Fate::dead;
        lastError = answer == Fate::full ? ENOSPC : answer == Fate::pass ? 0 : EIO;
        return answer;
    }
};

namespace {

/// What SQLite allocates for an open file.
struct Handle : sqlite3_file {
    SimVfs::State* state;
    std::shared_ptr<Inode>* inode;
    std::string* path;
    std::uint64_t life;
    bool deleteOnClose;
    bool syncsNames;  ///< with its next sync, as SQLite's own VFS does for a new log or journal
};

Handle& handleOf(sqlite3_file* file) { return *static_cast<Handle*>(file); }
SimVfs::State& stateOf(sqlite3_vfs* vfs) { return *static_cast<SimVfs::State*>(vfs->pAppData); }
bool alive(const Handle& handle) { return !handle.state->dead && handle.life == handle.state->life; }

int failure(SimVfs::Fate fate, int ioError) { return fate == SimVfs::Fate::full ? SQLITE_FULL : ioError; }

int closeFile(sqlite3_file* file) {
    auto& handle = handleOf(file);
    const std::lock_guard lock(handle.state->mutex);
    (*handle.inode)->locks.erase(&handle);
    if (handle.deleteOnClose) handle.state->files.erase(*handle.path);
    delete handle.inode;
    delete handle.path;
    return SQLITE_OK;
}

int readFile(sqlite3_file* file, void* into, int amount, sqlite3_int64 offset) {
    auto& handle = handleOf(file);
    const std::lock_guard lock(handle.state->mutex);
    if (!alive(handle)) return SQLITE_IOERR_READ;
    const auto& content = (*handle.inode)->content;
    const std::size_t size = content ? content->size() : 0, from = static_cast<std::size_t>(offset), wanted = static_cast<std::size_t>(amount);
    const std::size_t there = from < size ? std::min(wanted, size - from) : 0;
    if (there > 0) std::memcpy(into, content->data() + from, there);
    if (there == wanted) return SQLITE_OK;
    std::memset(static_cast<char*>(into) + there, 0, wanted - there);
    return SQLITE_IOERR_SHORT_READ;
}

int writeFile(sqlite3_file* file, const void* from, int amount, sqlite3_int64 offset) {
    auto& handle = handleOf(file);
    const std::lock_guard lock(handle.state->mutex);
    if (!alive(handle)) return SQLITE_IOERR_WRITE;
    const auto fate = handle.state->fate(SimVfs::Effect::write, *handle.path);
    if (fate == SimVfs::Fate::dead) return SQLITE_IOERR_WRITE;
    const std::size_t size = static_cast<std::size_t>(amount) / (fate == SimVfs::Fate::pass ? 1 : 2);
    if (size > 0) (*handle.inode)->change({Change::Kind::write, static_cast<std::size_t>(offset), {static_cast<const char*>(from), size}});
    return fate == SimVfs::Fate::pass ? SQLITE_OK : failure(fate, SQLITE_IOERR_WRITE);
}

int truncateFile(sqlite3_file* file, sqlite3_int64 size) {
    auto& handle = handleOf(file);
    const std::lock_guard lock(handle.state->mutex);
    if (!alive(handle)) return SQLITE_IOERR_TRUNCATE;
    const auto fate = handle.state->fate(SimVfs::Effect::truncate, *handle.path);
    if (fate != SimVfs::Fate::pass) return failure(fate, SQLITE_IOERR_TRUNCATE);
    (*handle.inode)->change({Change::Kind::resize, 0, {}, static_cast<std::size_t>(size)});
    return SQLITE_OK;
}

int syncFile(sqlite3_file* file, int) {
    auto& handle = handleOf(file);
    const std::lock_guard lock(handle.state->mutex);
    if (!alive(handle)) return SQLITE_IOERR_FSYNC;
    const auto fate = handle.state->fate(SimVfs::Effect::sync, *handle.path);
    if (fate != SimVfs::Fate::pass) return failure(fate, SQLITE_IOERR_FSYNC);
    (*handle.inode)->sync();
    if (std::exchange(handle.syncsNames, false))
        for (auto& [path, inode] : handle.state->files) inode->syncName();
    return SQLITE_OK;
}

int sizeOfFile(sqlite3_file* file, sqlite3_int64* size) {
    auto& handle = handleOf(file);
    const std::lock_guard lock(handle.state->mutex);
    if (!alive(handle)) return SQLITE_IOERR_FSTAT;
    const auto& content = (*handle.inode)->content;
    *size = content ? static_cast<sqlite3_int64>(content->size()) : 0;
    return SQLITE_OK;
}

/// Shared with shared; one reserved beside shared; pending lets nobody new in; exclusive with nobody.
bool compatible(int mine, int theirs) {
    if (theirs == SQLITE_LOCK_NONE) return true;
    if (mine == SQLITE_LOCK_SHARED) return theirs < SQLITE_LOCK_PENDING;
    if (mine == SQLITE_LOCK_RESERVED) return theirs < SQLITE_LOCK_RESERVED;
    return false;
}

int lockFile(sqlite3_file* file, int level) {
    auto& handle = handleOf(file);
    const std::lock_guard lock(handle.state->mutex);
    if (!alive(handle)) return SQLITE_IOERR_LOCK;
    auto& locks = (*handle.inode)->locks;
    const auto mine = locks.find(&handle);
    if (mine != locks.end() && mine->second >= level) return SQLITE_OK;
    for (const auto& [other, theirs] : locks)
        if (other != &handle && !compatible(level, theirs)) return SQLITE_BUSY;
    locks[&handle] = level;
    return SQLITE_OK;
}

int unlockFile(sqlite3_file* file, int level) {
    auto& handle = handleOf(file);
    const std::lock_guard lock(handle.state->mutex);
    if (level == SQLITE_LOCK_NONE)
        (*handle.inode)->locks.erase(&handle);
    else
        (*handle.inode)->locks[&handle] = level;
    return SQLITE_OK;
}

int reservedLock(sqlite3_file* file, int* reserved) {
    auto& handle = handleOf(file);
    const std::lock_guard lock(handle.state->mutex);
    const auto& locks = (*handle.inode)->locks;
    *reserved = std::any_of(locks.begin(), locks.end(), [](const auto& entry) { return entry.second >= SQLITE_LOCK_RESERVED; });
    return SQLITE_OK;
}

int control(sqlite3_file*, int, void*) { return SQLITE_NOTFOUND; }
int sectors(sqlite3_file*) { return static_cast<int>(sectorSize); }
/// What SQLite takes for granted on Linux: a write damages nothing beside it.
int characteristics(sqlite3_file*) { return SQLITE_IOCAP_POWERSAFE_OVERWRITE; }

const sqlite3_io_methods methods = {1,          closeFile,    readFile, writeFile, truncateFile,    syncFile, sizeOfFile, lockFile,
                                    unlockFile, reservedLock, control,  sectors,   characteristics, {},       {},         {},
                                    {},         {},           {}};

int openFile(sqlite3_vfs* vfs, const char* path, sqlite3_file* file, int flags, int* flagsOut) {
    auto& state = stateOf(vfs);
    auto& handle = handleOf(file);
    file->pMethods = nullptr;
    const std::lock_guard lock(state.mutex);
    if (state.dead) return SQLITE_CANTOPEN;
    static std::uint64_t anonymous = 0;
    const std::string name = path != nullptr ? path : "temporary-" + std::to_string(++anonymous);
    auto& inode = state.file(name);
    const bool made = !inode.content;
    if (made) {
        if ((flags & SQLITE_OPEN_CREATE) == 0) return SQLITE_CANTOPEN;
        inode.change({Change::Kind::make});
    }
    handle.state = &state;
    handle.inode = new std::shared_ptr<Inode>(state.files[name]);
    handle.path = new std::string(name);
    handle.life = state.life;
    handle.deleteOnClose = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
    handle.syncsNames = made && (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL)) != 0;
    file->pMethods = &methods;
    if (flagsOut != nullptr) *flagsOut = flags;
    return SQLITE_OK;
}

int removeFile(sqlite3_vfs* vfs, const char* path, int durably) {
    auto& state = stateOf(vfs);
    const std::lock_guard lock(state.mutex);
    const auto found = state.files.find(path);
    if (state.dead) return SQLITE_IOERR_DELETE;
    if (found == state.files.end() || !found->second->content) return SQLITE_IOERR_DELETE_NOENT;
    const auto fate = state.fate(SimVfs::Effect::remove, path);
    if (fate != SimVfs::Fate::pass) return failure(fate, SQLITE_IOERR_DELETE);
    found->second->change({Change::Kind::remove});
    if (durably != 0) found->second->sync();
    return SQLITE_OK;
}

int accessFile(sqlite3_vfs* vfs, const char* path, int, int* answer) {
    auto& state = stateOf(vfs);
    const std::lock_guard lock(state.mutex);
    const auto found = state.files.find(path);
    *answer = found != state.files.end() && found->second->content.has_value();
    return SQLITE_OK;
}

int fullPath(sqlite3_vfs*, const char* path, int size, char* into) {
    sqlite3_snprintf(size, into, "%s", path);
    return SQLITE_OK;
}

/// SQLite asks its default VFS for chance, not this one.
int noRandomness(sqlite3_vfs*, int size, char* into) {
    std::memset(into, 0, static_cast<std::size_t>(size));
    return size;
}

/// Waiting for a lock never helps where one thread is all there is.
int noSleep(sqlite3_vfs*, int microseconds) { return microseconds; }

int milliseconds(sqlite3_vfs* vfs, sqlite3_int64* julian) {
    constexpr sqlite3_int64 unixEpoch = 210866760000000;
    const auto& state = stateOf(vfs);
    const auto since = state.clock != nullptr ? state.clock->wall().time_since_epoch() : std::chrono::system_clock::duration{};
    *julian = unixEpoch + std::chrono::duration_cast<std::chrono::milliseconds>(since).count();
    return SQLITE_OK;
}

int days(sqlite3_vfs* vfs, double* julian) {
    sqlite3_int64 exact = 0;
    milliseconds(vfs, &exact);
    *julian = static_cast<double>(exact) / 86'400'000.0;
    return SQLITE_OK;
}

int lastError(sqlite3_vfs* vfs, int, char*) { return stateOf(vfs).lastError; }

/// What a disk may hold of a file after the power went.
Content remains(const Inode& inode, plugin::Random& chance) {
    Content content = inode.durable;
    const bool prefix = chance.fraction() < 0.5;
    const double kept = chance.fraction();
    for (const auto& change : inode.changes)
        for (const auto& sector : sectorsOf(change)) {
            const bool keep = chance.fraction() < kept;
            if (prefix && !keep && chance.fraction() < 0.25) return content;
            if (prefix || keep) applyChange(content, sector);
        }
    return content;
}

}  // namespace

SimVfs::SimVfs() : state_(std::make_unique<State>()) {
    static std::atomic<unsigned> number = 0;
    state_->name = "simulation-" + std::to_string(++number);
    auto& vfs = state_->vfs;
    vfs.iVersion = 2;
    vfs.szOsFile = sizeof(Handle);
    vfs.mxPathname = 512;
    vfs.zName = state_->name.c_str();
    vfs.pAppData = state_.get();
    vfs.xOpen = openFile;
    vfs.xDelete = removeFile;
    vfs.xAccess = accessFile;
    vfs.xFullPathname = fullPath;
    vfs.xRandomness = noRandomness;
    vfs.xSleep = noSleep;
    vfs.xCurrentTime = days;
    vfs.xCurrentTimeInt64 = milliseconds;
    vfs.xGetLastError = lastError;
    if (sqlite3_vfs_register(&vfs, 0) != SQLITE_OK) throw std::runtime_error("SQLite does not take the simulator's VFS");
}

SimVfs::~SimVfs() { sqlite3_vfs_unregister(&state_->vfs); }

const std::string& SimVfs::name() const { return state_->name; }
void SimVfs::useClock(const plugin::Clock& clock) { state_->clock = &clock; }

void SimVfs::judge(Judge judge) {
    const std::lock_guard lock(state_->mutex);
    state_->judge = std::move(judge);
}

std::uint64_t SimVfs::effects() const {
    const std::lock_guard lock(state_->mutex);
    return state_->effects;
}

void SimVfs::kill() {
    const std::lock_guard lock(state_->mutex);
    ++state_->life;
    state_->dead = false;
    for (auto& [path, inode] : state_->files) inode->locks.clear();
}

void SimVfs::crash(plugin::Random* chance) {
    kill();
    const std::lock_guard lock(state_->mutex);
    for (auto& [path, inode] : state_->files) {
        auto after = std::make_shared<Inode>();
        after->content = chance != nullptr ? remains(*inode, *chance) : inode->durable;
        after->durable = after->content;
        inode = std::move(after);
    }
}

bool SimVfs::exists(const std::string& file) const {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->files.find(file);
    return found != state_->files.end() && found->second->content.has_value();
}

std::string SimVfs::content(const std::string& file) const {
    const std::lock_guard lock(state_->mutex);
    const auto found = state_->files.find(file);
    return found != state_->files.end() && found->second->content ? *found->second->content : std::string{};
}

void SimVfs::replace(const std::string& file, std::string content) {
    const std::lock_guard lock(state_->mutex);
    auto& inode = state_->file(file);
    inode.content = std::move(content);
    inode.sync();
}

void SimVfs::remove(const std::string& file) {
    const std::lock_guard lock(state_->mutex);
    auto& inode = state_->file(file);
    inode.content.reset();
    inode.sync();
}

}  // namespace simulation
