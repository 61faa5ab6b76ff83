#include "auth/command_output.h"

#include "auth/spawn.h"
#include "plugin/contract/handle.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <stop_token>
#include <system_error>
#include <utility>

namespace auth {

namespace {

using plugin::Code;
using plugin::Error;
using plugin::Handle;
using plugin::Reaction;
using plugin::Result;

constexpr int patienceSeconds = 10;
constexpr std::size_t maxOutput = 65'536;

Error failed(const std::string& program, const std::string& why, Reaction reaction = Reaction::askOperator) {
    return Error{reaction, Code::configSecretSource, "the command " + program + " " + why};
}

Error stopped(const std::string& program) {
    return Error{Reaction::retryLater, Code::channelStopped, "the command " + program + " was ended: the service is stopping"};
}

std::string reason(int error) { return std::generic_category().message(error); }

/// A program that runs. What is left of it when this goes is killed, with all it has started.
class Child {
public:
    explicit Child(pid_t id) : id_(id) {}
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child() {
        if (!ended_) end();
    }
    void end() {
        ::kill(-id_, SIGKILL);
        wait();
    }
    /// How it ended; nothing: nobody can tell, since SIGCHLD is ignored.
    std::optional<int> wait() {
        int status = 0;
        pid_t answer = 0;
        do answer = ::waitpid(id_, &status, 0);
        while (answer < 0 && errno == EINTR);
        ended_ = true;
        if (answer != id_) return std::nullopt;
        return status;
    }

private:
    pid_t id_;
    bool ended_ = false;
};

struct Wiped {
    std::array<char, 4096>& piece;
    ~Wiped() { OPENSSL_cleanse(piece.data(), piece.size()); }
};

/// What ends the wait for a program: a timer, and the word that nobody waits any more.
struct Over {
    int timer, told;
};

/// Everything up to the end of the output; nothing: the wait is over. `tooMuch` when it is more than any secret.
std::optional<Secret> readAll(int output, Over over, bool& tooMuch) {
    SecretBuilder all(1024);
    std::array<char, 4096> piece;
    const Wiped wiped{piece};
    for (std::size_t total = 0;;) {
        std::array<pollfd, 3> wait{pollfd{output, POLLIN, 0}, pollfd{over.timer, POLLIN, 0}, pollfd{over.told, POLLIN, 0}};
        if (::poll(wait.data(), wait.size(), -1) < 0) continue;  // interrupted
        if (wait[1].revents != 0 || wait[2].revents != 0) return std::nullopt;
        const auto count = ::read(output, piece.data(), piece.size());
        if (count < 0) continue;  // interrupted
        if (count == 0) return all.finish();
        total += static_cast<std::size_t>(count);
        tooMuch = total > maxOutput;
        if (tooMuch) return all.finish();
        all.add({piece.data(), static_cast<std::size_t>(count)});
    }
}

/// It may close its output long before it ends. False: the wait is over.
bool hasEnded(int child, Over over) {
    for (;;) {
        std::array<pollfd, 3> wait{pollfd{child, POLLIN, 0}, pollfd{over.timer, POLLIN, 0}, pollfd{over.told, POLLIN, 0}};
        if (::poll(wait.data(), wait.size(), -1) < 0) continue;  // interrupted
        if (wait[0].revents != 0) return true;
        return false;
    }
}

}  // namespace

Result<Secret> commandOutput(const std::vector<std::string>& words, std::stop_token stop) {
    const auto& program = words.front();
    if (stop.stop_requested()) return stopped(program);
    int ends[2] = {-1, -1};
    if (::pipe2(ends, O_CLOEXEC) != 0) return failed(program, "cannot be run: " + reason(errno), Reaction::retryLater);
    const Handle output(ends[0]);
    Handle theirs(ends[1]);
    const Handle timer(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC));
    const Handle told(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (told.get() < 0) return failed(program, "cannot be run: " + reason(errno), Reaction::retryLater);
    const itimerspec patience{{0, 0}, {patienceSeconds, 0}};
    if (timer.get() < 0 || ::timerfd_settime(timer.get(), 0, &patience, nullptr) != 0)
        return failed(program, "cannot be run: " + reason(errno), Reaction::retryLater);

    const Over over{timer.get(), told.get()};
    const std::stop_callback tell(stop, [end = told.get()] { static_cast<void>(::eventfd_write(end, 1)); });

    pid_t id = -1;
    if (const int error = spawn({.words = words, .output = theirs.get()}, id); error != 0) return failed(program, "cannot be run: " + reason(error));
    Child child(id);
    const Handle process(static_cast<int>(::syscall(SYS_pidfd_open, id, 0)));
    theirs.close();

    bool tooMuch = false;
    auto all = readAll(output.get(), over, tooMuch);
    if (tooMuch) return failed(program, "wrote more than " + std::to_string(maxOutput) + " octets: that is no secret");
    const bool ended = all && (process.get() < 0 || hasEnded(process.get(), over));
    if (!ended && stop.stop_requested()) return stopped(program);
    if (!ended) return failed(program, "was not done after " + std::to_string(patienceSeconds) + " s and was ended", Reaction::retryLater);
    const auto status = child.wait();
    if (!status) return failed(program, "ended, but nobody can tell how: SIGCHLD is ignored");
    if (WIFSIGNALED(*status)) return failed(program, "was ended by signal " + std::to_string(WTERMSIG(*status)));
    if (WEXITSTATUS(*status) != 0) return failed(program, "ended with status " + std::to_string(WEXITSTATUS(*status)));
    return std::move(*all);
}

}  // namespace auth
