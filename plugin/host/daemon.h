#pragma once

#include "plugin/contract/result.h"
#include "plugin/host/small_files.h"

#include <string>

namespace plugin::host {

/// Goes to the background, before any thread is started and after all paths are absolute. The parent waits until the child is up (and
/// leaves with 0) or has failed (and leaves with the child's status); standard error stays open for the child's messages until then.
class Daemon {
public:
    /// Answers in the child only; the parent leaves from within. Error: fork failed, we are still in the foreground.
    static Result<Daemon> fork();
    /// The child: it is up. Gives up standard input, output and error and changes to "/".
    void up();

private:
    explicit Daemon(Handle parent) : parent_(std::move(parent)) {}
    Handle parent_;
};

/// Holds the process id for scripts while it lives: made whole, readable by all, removed at the end.
class PidFile {
public:
    static Result<PidFile> write(std::string path);
    PidFile(PidFile&& other) noexcept : path_(std::exchange(other.path_, {})) {}
    PidFile& operator=(PidFile&& other) noexcept {
        std::swap(path_, other.path_);
        return *this;
    }
    ~PidFile();

private:
    explicit PidFile(std::string path) : path_(std::move(path)) {}
    std::string path_;
};

}  // namespace plugin::host
