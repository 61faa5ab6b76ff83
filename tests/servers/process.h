#pragma once

#include "tests/servers/eventually.h"
#include "tests/servers/temporary_directory.h"

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace servers {

/// How a process ended.
struct Ended {
    int status = 0;       ///< its exit status; 0 when a signal ended it
    int signal = 0;       ///< the signal that ended it, else 0
    long peakMemory = 0;  ///< kB, as last seen while it was waited for
};

/// A child of ours, ended by its process id at the latest with this object. It dies with us too. Throws std::runtime_error when it cannot be started.
class Process {
public:
    struct Command {
        std::vector<std::string> words;                       ///< the program (looked up in PATH) and its arguments
        std::filesystem::path output;                         ///< standard output goes here, from the start of the file
        std::filesystem::path error;                          ///< standard error; may be the same file
        std::filesystem::path directory = ".";                ///< working directory
        std::map<std::string, std::string> environment = {};  ///< added to ours
    };
    explicit Process(const Command& command);
    ~Process();
    Process(Process&& other) noexcept;
    Process& operator=(Process&& other) noexcept;

    pid_t id() const { return id_; }
    bool running();
    void signal(int number);
    /// Waits until it ends; nothing when it has not within `atMost`.
    std::optional<Ended> wait(Milliseconds atMost);
    /// SIGTERM, and SIGKILL when it has not ended within `atMost`.
    Ended stop(Milliseconds atMost = std::chrono::seconds{10});

private:
    pid_t id_ = -1;
    std::optional<Ended> ended_{};
    long peakMemory_ = 0;
};

struct Outcome {
    int status = 0;       ///< exit status; 128 + signal when a signal ended it
    std::string output;   ///< standard output, whole
    std::string error;    ///< standard error, whole
    long peakMemory = 0;  ///< kB
};

/// Runs a program to its end. Throws std::runtime_error, with what it said, when it has not ended within `atMost`.
Outcome run(const std::vector<std::string>& words, const std::filesystem::path& directory = ".", Milliseconds atMost = std::chrono::seconds{60});

/// A port of that IPv4 address nobody listens at, for a program that has to be told one.
std::uint16_t freePort(const std::string& address);
/// Something on this machine accepts connections at the port of that IPv4 address.
bool answers(std::uint16_t port, const std::string& address = "127.0.0.1");

std::string readFile(const std::filesystem::path& path);  ///< "" when there is none
void writeFile(const std::filesystem::path& path, std::string_view bytes);

}  // namespace servers
