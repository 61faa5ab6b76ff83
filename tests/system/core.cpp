#include "tests/system/core.h"

#include "tests/servers/base64.h"
#include "tests/servers/process.h"

#include <catch2/catch.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <stdexcept>

namespace systemtest {

namespace {

/// What stands around a find, for people.
std::string around(const std::string& bytes, std::size_t at) {
    constexpr std::size_t before = 60, length = 160;
    auto text = bytes.substr(at - std::min(at, before), length);
    std::replace_if(
        text.begin(), text.end(), [](char c) { return c < 0x20 || c == 0x7f; }, '.');
    return text;
}

struct Mapping {
    unsigned long begin = 0, end = 0;
    std::string line{};
    bool writable = false;
};

bool isStopped(const std::filesystem::path& thread) {
    const auto stat = servers::readFile(thread / "stat");
    return stat.substr(stat.rfind(')')).starts_with(") T");
}

/// While it lasts, no thread of the process does anything, as when a core file is written: what is mapped stays so.
class Stopped {
public:
    explicit Stopped(pid_t process) : process_(process) {
        REQUIRE(::kill(process_, SIGSTOP) == 0);
        const std::filesystem::directory_iterator threads("/proc/" + std::to_string(process_) + "/task");
        for (const auto& thread : threads) REQUIRE(servers::eventually([&] { return isStopped(thread.path()); }, std::chrono::seconds{30}));
    }
    Stopped(const Stopped&) = delete;
    Stopped& operator=(const Stopped&) = delete;
    ~Stopped() { ::kill(process_, SIGCONT); }

private:
    pid_t process_;
};

/// All of it, or the test fails: what was not looked through is not clean.
std::string read(int memory, const Mapping& mapping) {
    std::string bytes(mapping.end - mapping.begin, '\0');
    for (std::size_t at = 0; at < bytes.size();) {
        const auto got = ::pread(memory, bytes.data() + at, bytes.size() - at, static_cast<off_t>(mapping.begin + at));
        INFO(mapping.line << ": " << (got < 0 ? std::strerror(errno) : "short") << " behind " << at << " octets");
        REQUIRE(got > 0);
        at += static_cast<std::size_t>(got);
    }
    return bytes;
}

}  // namespace

void addToken(Secrets& secrets, const std::string& name, std::string_view token) {
    const auto part = std::min<std::size_t>(16, token.size());
    if (part < 15) throw std::logic_error("a token too short to be told from chance: " + name);
    secrets[name + ", beginning"] = token.substr(0, part);
    secrets[name + ", middle"] = token.substr((token.size() - part) / 2, part);
    secrets[name + ", end"] = token.substr(token.size() - part);
    for (std::size_t shift = 0; shift < 3; ++shift) {  // what stands before it decides how its octets fall into groups of three
        const auto text = servers::base64(std::string(shift, ' ').append(token));
        secrets[name + ", Base64 " + std::to_string(shift)] = text.substr(4, part);
    }
}

std::vector<std::string> foundInCore(pid_t process, const Secrets& secrets) {
    std::vector<std::string> found;
    const Stopped stopped(process);
    const auto root = "/proc/" + std::to_string(process);
    std::ifstream maps(root + "/smaps");
    const int memory = ::open((root + "/mem").c_str(), O_RDONLY | O_CLOEXEC);
    REQUIRE(memory >= 0);
    Mapping mapping;
    std::uint64_t searched = 0;
    for (std::string line; std::getline(maps, line);) {
        unsigned long from = 0, to = 0;
        char rights[5] = "";
        if (std::sscanf(line.c_str(), "%lx-%lx %4s", &from, &to, rights) == 3) mapping = {from, to, line, rights[0] == 'r' && rights[1] == 'w'};
        if (!line.starts_with("VmFlags:") || !mapping.writable || line.find(" dd") != std::string::npos) continue;
        const auto bytes = read(memory, mapping);
        searched += bytes.size();
        for (const auto& [name, secret] : secrets)
            if (const auto at = bytes.find(secret); at != std::string::npos) found.push_back(name + " in " + mapping.line + ": " + around(bytes, at));
    }
    ::close(memory);
    REQUIRE(searched > 1'000'000);
    return found;
}

std::vector<std::string> foundInFiles(const std::filesystem::path& folder, const Secrets& secrets) {
    std::vector<std::string> found;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        if (!entry.is_regular_file()) continue;
        const auto bytes = servers::readFile(entry.path());
        for (const auto& [name, secret] : secrets)
            if (const auto at = bytes.find(secret); at != std::string::npos)
                found.push_back(name + " in " + entry.path().string() + ": " + around(bytes, at));
    }
    return found;
}

}  // namespace systemtest
