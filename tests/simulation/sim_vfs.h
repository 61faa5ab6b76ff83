#pragma once

#include "plugin/contract/clock.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace simulation {

/// Files for SQLite that live in memory and know what a power cut leaves of them. Registered with SQLite under a name of its own for as
/// long as it lives; connections to it are closed before. Thread-safe, but kill(), crash() and the settings belong to one thread.
///
/// What it models: bytes written stay in a log of changes until the file's xSync; a new name is durable with the file's first sync, a
/// removed one when SQLite asks for that, and all names with the first sync of a new log or journal (as SQLite's own VFS does it). It has no shared
/// memory: open databases with SqliteOptions::exclusive.
class SimVfs {
public:
    enum class Effect { write, sync, truncate, remove };
    /// What becomes of an effect. full: half of a write arrives, then "no space left". ioError: half of a write arrives, then EIO; a sync
    /// that fails has made nothing durable. dead: the process ended just before: nothing happens any more on any open file.
    enum class Fate { pass, full, ioError, dead };

    SimVfs();
    SimVfs(const SimVfs&) = delete;
    SimVfs& operator=(const SimVfs&) = delete;
    ~SimVfs();

    const std::string& name() const;
    /// What SQLite takes for the time; else always the same moment.
    void useClock(const plugin::Clock& clock);

    /// Asked before every effect, with its number (from 1, never reset) and its file. Called under the lock.
    using Judge = std::function<Fate(Effect effect, std::uint64_t number, const std::string& file)>;
    void judge(Judge judge);
    std::uint64_t effects() const;  ///< so many have been asked about

    /// The process ends: files stay as they were written, open handles answer errors from now on and hold no locks.
    void kill();
    /// The machine ends too. Without `chance` exactly what was synced remains; with it also some of what was not: now a prefix, now any
    /// subset, of sectors rather than of writes.
    void crash(plugin::Random* chance = nullptr);

    /// Direct access for tests, in place of a file system.
    bool exists(const std::string& file) const;
    std::string content(const std::string& file) const;
    void replace(const std::string& file, std::string content);  ///< durably; also makes it
    void remove(const std::string& file);                        ///< durably

    struct State;

private:
    std::unique_ptr<State> state_;
};

}  // namespace simulation
