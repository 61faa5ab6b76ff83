#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace auth {

/// Owns a file descriptor; -1: none.
class Handle {
public:
    Handle() = default;
    explicit Handle(int fd) : fd_(fd) {}
    Handle(Handle&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Handle& operator=(Handle&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Handle() { close(); }
    int get() const { return fd_; }
    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }

private:
    int fd_ = -1;
};

/// A program to be run, without a shell.
struct Spawn {
    std::vector<std::string> words;                                   ///< its path and what follows; never empty
    std::optional<std::map<std::string, std::string>> environment{};  ///< none: ours
    int input = -1, output = -1;                                      ///< descriptors; -1: /dev/null
};

/// Starts it in a process group of its own, with no signal blocked or ignored and no descriptor but 0 to 2 (2 is /dev/null). Blocks until it is
/// executed, which takes as long as its file system does. Answers an errno, 0 with `child` set.
int spawn(const Spawn& program, pid_t& child);

}  // namespace auth
