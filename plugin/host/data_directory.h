#pragma once

#include "plugin/contract/clock.h"
#include "plugin/contract/result.h"
#include "plugin/host/small_files.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace plugin::host {

/// What an instance knows of itself beside its database (instance.json): so that a lost database is noticed.
struct Instance {
    std::string id;  ///< 32 hexadecimal digits
    Wall created;
    bool clean = false;               ///< the last process that ran came to its end
    std::optional<Wall> stateLost{};  ///< when the database in use was begun because the one before was lost; kept for good
};

/// server.data: a directory of ours alone (0700). All members block.
///
///     postern.lock  held by `run`; its text is the process id        postern.db     (plugin/store)
///     instance.json see Instance                                     admin.token, admin.address
///     staging/      large messages on their way                      postern.db.damaged-<time>  moved aside, for people
class DataDirectory {
public:
    /// Made with its parents where it is missing. `path` is absolute. Errors: storeDataDirectory.
    static Result<DataDirectory> open(std::string path);

    const std::string& path() const { return path_; }
    std::string file(const std::string& name) const { return path_ + "/" + name; }

    /// For `run`: no two processes work here. Errors: storeLocked (retryLater), naming the process that does. Held until release() or the
    /// end of this process and of those forked from it.
    Result<void> lock();
    Result<void> noteProcess();  ///< writes this process' id into the lock; again after a fork
    void release();
    bool locked() const { return static_cast<bool>(lock_); }

    /// Makes staging/ and empties it: what lies there belongs to no process any more. Only under the lock.
    Result<void> prepareStaging();

    /// Nothing: this directory never had an instance. `damaged` is set when the file is there but cannot be understood.
    Result<std::optional<Instance>> instance(bool& damaged) const;
    Result<void> write(const Instance& instance) const;

    /// Content of admin.token (64 hexadecimal digits), made from `random` if it is missing.
    Result<std::string> adminToken(Random& random) const;
    Result<void> writeAdminAddress(const std::string& address) const;
    void removeAdminAddress() const noexcept;

private:
    explicit DataDirectory(std::string path) : path_(std::move(path)) {}
    std::string path_;
    Handle lock_{};
};

}  // namespace plugin::host
