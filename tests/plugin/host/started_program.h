#pragma once

#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace fakes {

/// The built program as a child process; killed at the end if it is still there.
class Program {
public:
    explicit Program(std::vector<std::string> arguments, const std::vector<std::string>& environment = {}, const std::string& folder = "/") {
        int out[2], error[2];
        if (::pipe(out) != 0 || ::pipe(error) != 0) throw std::runtime_error("pipe failed");
        arguments.insert(arguments.begin(), POSTERN_PROGRAM);
        std::vector<char*> values;
        for (auto& each : arguments) values.push_back(each.data());
        values.push_back(nullptr);
        id_ = ::fork();
        if (id_ == 0) {
            ::dup2(out[1], STDOUT_FILENO);
            ::dup2(error[1], STDERR_FILENO);
            for (const int end : {out[0], out[1], error[0], error[1]}) ::close(end);
            for (const auto& each : environment) ::putenv(const_cast<char*>(each.c_str()));
            if (::chdir(folder.c_str()) == 0) ::execv(values[0], values.data());
            ::_exit(127);
        }
        ::close(out[1]);
        ::close(error[1]);
        readers_.emplace_back([this, end = out[0]] { collect(end, output_); });
        readers_.emplace_back([this, end = error[0]] { collect(end, error_); });
    }
    Program(const Program&) = delete;
    Program& operator=(const Program&) = delete;
    ~Program() {
        if (!ended_) {
            ::kill(id_, SIGKILL);
            wait();
        }
    }

    pid_t id() const { return id_; }
    void signal(int number) const { ::kill(id_, number); }
    /// Until standard error has this text; a failure when the program ends without it.
    void awaitError(const std::string& text) {
        std::unique_lock lock(mutex_);
        change_.wait(lock, [&] { return error_.find(text) != std::string::npos || open_ == 0; });
        if (error_.find(text) == std::string::npos) throw std::runtime_error("the program ended without \"" + text + "\": " + error_);
    }
    /// Its exit status; 1000 and the signal's number if a signal ended it. All it wrote has been read then.
    int wait() {
        if (!ended_) {
            ::waitpid(id_, &status_, 0);
            readers_.clear();  // joins: the pipes are at their ends
            ended_ = true;
        }
        return WIFEXITED(status_) ? WEXITSTATUS(status_) : 1000 + WTERMSIG(status_);
    }
    std::string output() const { return taken(output_); }
    std::string error() const { return taken(error_); }

private:
    std::string taken(const std::string& text) const {
        const std::lock_guard lock(mutex_);
        return text;
    }
    void collect(int end, std::string& into) {
        char piece[4096];
        for (;;) {
            const auto count = ::read(end, piece, sizeof piece);
            const std::lock_guard lock(mutex_);
            if (count > 0)
                into.append(piece, static_cast<std::size_t>(count));
            else
                --open_;
            change_.notify_all();
            if (count <= 0) break;
        }
        ::close(end);
    }

    pid_t id_ = -1;
    int status_ = 0;
    bool ended_ = false;
    mutable std::mutex mutex_{};
    std::condition_variable change_{};
    std::string output_{}, error_{};
    int open_ = 2;
    std::vector<std::jthread> readers_{};
};

/// Whether a file disappears; gives up long after any honest program would have removed it.
inline bool gone(const std::string& path) {
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (std::filesystem::exists(path)) {
        if (std::chrono::steady_clock::now() > until) return false;
        std::this_thread::yield();
    }
    return true;
}

}  // namespace fakes
