#pragma once

#include "plugin/contract/result.h"

#include <unistd.h>

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace plugin::host {

/// Owns a file descriptor; -1 is none.
class Handle {
public:
    explicit Handle(int fd = -1) noexcept : fd_(fd) {}
    Handle(Handle&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Handle& operator=(Handle&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Handle() {
        if (fd_ >= 0) ::close(fd_);
    }
    int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ >= 0; }

private:
    int fd_;
};

/// The small files of the data directory and the pid file. All block; all errors are storeDataDirectory (or storeDiskFull) and name the path.
/// Nothing if there is no such file; an error above 64 KiB.
Result<std::optional<std::string>> readSmallFile(const std::string& path);
/// Either the old or the new content is there, whatever happens, and the new one is durable when this answers.
Result<void> replaceFile(const std::string& path, std::string_view content, unsigned mode = 0600);
/// Names made, changed and removed in it are durable.
Result<void> syncDirectory(const std::string& path);
/// From errno, as the files' edge turns it into an Error.
Error fileError(int number, const std::string& path, const char* what);

}  // namespace plugin::host
