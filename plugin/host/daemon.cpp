#include "plugin/host/daemon.h"

#include "plugin/contract/exit_status.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace plugin::host {

namespace {

/// The parent's part: one octet means "up"; the end of the pipe means the child is gone, and how tells its status. One that ended in order before it
/// was up had been told to.
[[noreturn]] void waitForChild(pid_t child, Handle report) {
    char octet = 0;
    ssize_t count = 0;
    do count = ::read(report.get(), &octet, 1);
    while (count < 0 && errno == EINTR);
    if (count == 1) ::_exit(0);
    int status = 0;
    while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (!WIFEXITED(status)) ::_exit(exits::software);
    ::_exit(WEXITSTATUS(status) == exits::ok ? exits::tempFail : WEXITSTATUS(status));
}

}  // namespace

Result<Daemon> Daemon::fork() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return fileError(errno, "a pipe", "cannot be made");
    Handle read(ends[0]), write(ends[1]);
    const pid_t child = ::fork();
    if (child < 0) return fileError(errno, "the background process", "cannot be started");
    if (child > 0) {
        write = Handle();
        waitForChild(child, std::move(read));
    }
    ::setsid();
    return Daemon(std::move(write));
}

void Daemon::up() {
    const Handle nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
    if (nothing)
        for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(nothing.get(), stream);
    static_cast<void>(::chdir("/"));  // so that no file system is kept in use; it always can be
    const char octet = 1;
    while (::write(parent_.get(), &octet, 1) < 0 && errno == EINTR) {
    }
    parent_ = Handle();
}

Result<PidFile> PidFile::write(std::string path) {
    if (auto written = replaceFile(path, std::to_string(::getpid()) + "\n", 0644); !written) return written.error();
    return PidFile(std::move(path));
}

PidFile::~PidFile() {
    if (!path_.empty()) ::unlink(path_.c_str());
}

}  // namespace plugin::host
