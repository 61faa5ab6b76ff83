#include "tests/servers/process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace servers {

namespace fs = std::filesystem;

namespace {

[[noreturn]] void becomeChild(const Process::Command& command, std::vector<char*>& words, pid_t parent) {
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (::getppid() != parent) ::_exit(127);  // it went before the line above
    const int in = ::open("/dev/null", O_RDONLY);
    const int out = ::open(command.output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    const int err = command.error == command.output ? ::dup(out) : ::open(command.error.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (in < 0 || out < 0 || err < 0 || ::chdir(command.directory.c_str()) != 0) ::_exit(126);
    ::dup2(in, 0);
    ::dup2(out, 1);
    ::dup2(err, 2);
    ::close_range(3, ~0U, 0);
    for (const auto& [name, value] : command.environment) ::setenv(name.c_str(), value.c_str(), 1);
    ::execvp(words.front(), words.data());
    ::_exit(127);
}

/// Of the program it runs now; the figure wait4() gives begins with ours, from before exec.
/// Of the program alone: between fork and exec the child still has this process' memory and its program.
long highWater(pid_t id) {
    std::error_code gone;
    const auto program = std::filesystem::read_symlink("/proc/" + std::to_string(id) + "/exe", gone);
    if (gone || program == std::filesystem::read_symlink("/proc/self/exe")) return 0;
    const auto status = readFile("/proc/" + std::to_string(id) + "/status");
    const auto found = status.find("VmHWM:");
    return found == std::string::npos ? 0 : std::stol(status.substr(found + 6));
}

}  // namespace

Process::Process(const Command& command) {
    std::vector<std::string> copies = command.words;
    std::vector<char*> words;
    for (auto& copy : copies) words.push_back(copy.data());
    words.push_back(nullptr);
    const pid_t parent = ::getpid();
    id_ = ::fork();
    if (id_ < 0) throw std::runtime_error(std::string{"fork: "} + std::strerror(errno));
    if (id_ == 0) becomeChild(command, words, parent);
}

Process::~Process() {
    if (id_ > 0 && !ended_) stop();
}

Process::Process(Process&& other) noexcept : id_(std::exchange(other.id_, -1)), ended_(other.ended_), peakMemory_(other.peakMemory_) {}

Process& Process::operator=(Process&& other) noexcept {
    std::swap(id_, other.id_);
    std::swap(ended_, other.ended_);
    std::swap(peakMemory_, other.peakMemory_);
    return *this;
}

bool Process::running() { return !wait(Milliseconds{0}); }

void Process::signal(int number) {
    if (id_ > 0 && !ended_) ::kill(id_, number);
}

std::optional<Ended> Process::wait(Milliseconds atMost) {
    eventually(
        [this] {
            if (ended_ || id_ <= 0) return true;
            int status = 0;
            peakMemory_ = std::max(peakMemory_, highWater(id_));
            const pid_t answer = ::waitpid(id_, &status, WNOHANG);
            if (answer == 0) return false;
            ended_ = answer < 0            ? Ended{}
                     : WIFSIGNALED(status) ? Ended{0, WTERMSIG(status), peakMemory_}
                                           : Ended{WEXITSTATUS(status), 0, peakMemory_};
            return true;
        },
        atMost);
    return ended_;
}

Ended Process::stop(Milliseconds atMost) {
    signal(SIGTERM);
    if (auto ended = wait(atMost)) return *ended;
    signal(SIGKILL);
    return wait(std::chrono::seconds{10}).value_or(Ended{});
}

Outcome run(const std::vector<std::string>& words, const fs::path& directory, Milliseconds atMost) {
    TemporaryDirectory place;
    Process process{{words, place / "out", place / "err", directory}};
    const auto ended = process.wait(atMost);
    Outcome outcome{0, readFile(place / "out"), readFile(place / "err"), 0};
    if (!ended) {
        std::string line;
        for (const auto& word : words) line += word + " ";
        throw std::runtime_error("still running after its time: " + line + "\n" + outcome.output + outcome.error);
    }
    outcome.peakMemory = ended->peakMemory;
    outcome.status = ended->signal ? 128 + ended->signal : ended->status;
    return outcome;
}

std::uint16_t freePort(const std::string& address) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    socklen_t length = sizeof at;
    const bool bound = ::inet_pton(AF_INET, address.c_str(), &at.sin_addr) == 1 && ::bind(fd, reinterpret_cast<sockaddr*>(&at), length) == 0 &&
                       ::getsockname(fd, reinterpret_cast<sockaddr*>(&at), &length) == 0;
    ::close(fd);
    if (!bound) throw std::runtime_error("no free port on " + address);
    return ntohs(at.sin_port);
}

bool answers(std::uint16_t port, const std::string& address) {
    const int descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    const bool connected =
        ::inet_pton(AF_INET, address.c_str(), &at.sin_addr) == 1 && ::connect(descriptor, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0;
    ::close(descriptor);
    return connected;
}

std::string readFile(const fs::path& path) {
    std::ifstream file{path, std::ios::binary};
    std::ostringstream bytes;
    bytes << file.rdbuf();
    return bytes.str();
}

void writeFile(const fs::path& path, std::string_view bytes) {
    std::ofstream file{path, std::ios::binary | std::ios::trunc};
    file.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    file.close();
    if (!file) throw std::runtime_error("cannot write " + path.string());
}

}  // namespace servers
