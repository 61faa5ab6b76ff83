#pragma once

#include "plugin/contract/disk.h"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace simulation {

/// A disk in memory that forgets as a real one does. One file system; no real file is touched. One seed, one behaviour.
///
/// What survives:
/// - kill(): the process ends. Names and bytes stay as they are; files without a name are gone; handles are dead.
/// - crash(): the power goes. Besides, each change that was not durable is there, not there, or (bytes) there in part, as the seed says:
///   a file's bytes beyond what sync() or syncFiles() took are kept, cut, or zeros; each published or removed name is so or not, one
///   independent of the other.
/// After either the disk answers nobody until restart(): what is left of the old process can do no harm.
///
/// Failures are as bad as the kernel's: a failed append() leaves part of the bytes; after a failed sync() or syncFiles() the bytes concerned
/// never become durable any more though a later syncFiles() says yes (the file's own sync() keeps failing); a failed publish(), remove()
/// or syncNames() may have done its work all the same. A failed directory() has done nothing.
/// Thread-safe; the hook is called with the disk locked and may call its members.
class SimDisk final : public plugin::Disk {
public:
    enum class Operation { directory, create, append, syncFile, setMode, readAt, syncFiles, publish, syncNames, open, exists, remove, list };
    struct Step {
        std::uint64_t number;  ///< of this disk's life, from 1
        Operation operation;
        const std::string& directory;
        std::string_view name;  ///< "" where the operation has none
    };
    /// Called before each operation; an Error is its answer. kill() and crash() in it end the process before the operation.
    using Hook = std::function<std::optional<plugin::Error>(const Step&)>;

    explicit SimDisk(std::uint64_t seed = 1);
    ~SimDisk() override;

    plugin::Result<std::shared_ptr<plugin::Directory>> directory(const std::string& path, bool make, unsigned mode = 0700) override;

    void setHook(Hook hook);
    /// The n-th operation from now (1 = the next) fails, once. 0: none.
    void failOperation(std::uint64_t n, plugin::Error error = ioError());
    /// Every operation of this kind fails until heal().
    void failEvery(Operation operation, plugin::Error error = ioError());
    void heal();                            ///< no failures any more, and no hook
    void setCapacity(std::uint64_t bytes);  ///< of all files together; append() past it: sinkDiskFull
    void setSyncsTogether(bool together);   ///< what Directory::syncsTogether answers
    std::uint64_t operations() const;       ///< so far
    std::uint64_t count(Operation operation) const;
    std::uint64_t used() const;  ///< bytes of all files, those without a name included

    void kill();
    void crash();
    void restart();
    bool isAlive() const;

    /// For assertions; never fail, count as no operation.
    std::vector<std::string> directories() const;
    std::map<std::string, std::string> files(const std::string& directory) const;  ///< name to bytes, as a reader sees them now
    /// Only the names that are there after any crash, with the bytes that are.
    std::map<std::string, std::string> durableFiles(const std::string& directory) const;
    std::optional<std::string> read(const std::string& directory, std::string_view name) const;
    std::optional<unsigned> mode(const std::string& directory, std::string_view name) const;
    /// What another program does: durably.
    void put(const std::string& directory, std::string_view name, std::string bytes);
    void take(const std::string& directory, std::string_view name);

    static plugin::Error ioError();    ///< retryLater, sinkUnavailable
    static plugin::Error fullError();  ///< retryLater, sinkDiskFull

    struct World;

private:
    std::shared_ptr<World> world_;
};

}  // namespace simulation
