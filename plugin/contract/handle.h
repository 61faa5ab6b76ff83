#pragma once

#include <utility>

namespace plugin {

/// Owns a file descriptor; -1: none. Closing one leaves errno as it was.
class Handle {
public:
    Handle() noexcept = default;
    explicit Handle(int fd) noexcept : fd_(fd) {}
    Handle(Handle&& other) noexcept : fd_(other.release()) {}
    Handle& operator=(Handle other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Handle() { close(); }

    int get() const noexcept { return fd_; }
    explicit operator bool() const noexcept { return fd_ >= 0; }
    /// Whoever takes it closes it.
    int release() noexcept { return std::exchange(fd_, -1); }
    void close() noexcept;

private:
    int fd_ = -1;
};

}  // namespace plugin
