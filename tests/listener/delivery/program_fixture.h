#pragma once

#include "listener/delivery/exec.h"
#include "listener/message/sha256.h"
#include "plugin/contract/text.h"
#include "plugin/runtime/posix_disk.h"
#include "tests/auth/channel/world.h"
#include "tests/listener/delivery/spool_fixture.h"
#include "tests/servers/temporary_directory.h"

#include <sys/stat.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>

namespace running {

namespace fs = std::filesystem;

/// A directory with scripts, in which they leave what they have to tell.
class Scripts {
public:
    /// Its first lines go to this directory. Answers the path.
    std::string script(const std::string& body, const std::string& name = "script") const {
        const auto file = at(name);
        std::ofstream(file) << "#!/bin/sh\ncd " << path_ << " || exit 99\n" << body << "\n";
        fs::permissions(file, fs::perms::owner_all);
        return file;
    }
    std::string at(const std::string& name) const { return path_ + "/" + name; }
    bool has(const std::string& name) const { return fs::exists(at(name)); }
    std::string read(const std::string& name) const {
        std::ifstream file(at(name), std::ios::binary);
        REQUIRE(file);
        std::ostringstream text;
        text << file.rdbuf();
        return text.str();
    }
    std::size_t count(const std::string& beginning) const {
        std::size_t found = 0;
        for (const auto& entry : fs::directory_iterator(path_)) found += entry.path().filename().string().starts_with(beginning) ? 1U : 0U;
        return found;
    }

private:
    servers::TemporaryDirectory directory_{};  // not in /dev/shm: nothing may be executed there on many machines
    std::string path_ = directory_.path().string();
};

/// No child of ours is there, not even as a zombie.
inline bool hasNoChild() {
    siginfo_t info{};
    return ::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
}

/// A zombie of somebody else is gone: reaping it is not our task.
inline bool isGone(const std::string& process) {
    std::ifstream file("/proc/" + process + "/stat");
    std::string text;
    if (!std::getline(file, text)) return true;
    const auto state = text.find(") ");
    return state == text.npos || text[state + 2] == 'Z' || text[state + 2] == 'X';
}

inline std::vector<std::string> wordsOf(const std::string& text) {
    std::istringstream words(text);
    return {std::istream_iterator<std::string>(words), {}};
}

/// Waits for what another process does, as long as that may take on a busy machine.
template <class Condition>
plugin::Task<bool> happens(Condition condition) {
    auto& loop = co_await plugin::thisLoop();
    const auto latest = loop.clock().steady() + std::chrono::seconds(60);
    while (!condition()) {
        if (loop.clock().steady() > latest) co_return false;
        auto moment = plugin::sleepUntil(loop.clock().steady() + std::chrono::milliseconds(5), {});
        co_await moment;
    }
    co_return true;
}

inline std::string bytesOfAllKinds(std::size_t size) {
    std::string bytes("\0\r\n.\r\n\n\r\xff\x1a\x04", 11);
    std::uint32_t state = 7;
    while (bytes.size() < size) bytes += static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
    bytes.resize(size);
    return bytes;
}

inline listener::Content inMemory(const std::string& bytes) {
    return listener::Content(std::make_shared<const std::string>(bytes), listener::sha256(bytes));
}

/// A staged message whose disk fails it.
class BadFile final : public plugin::File {
public:
    enum class Trouble { readError, shorter, otherBytes };
    BadFile(std::size_t size, std::size_t goodUpTo, Trouble trouble) : size_(size), goodUpTo_(goodUpTo), trouble_(trouble) {}
    plugin::Result<void> append(std::string_view) override { return {}; }
    plugin::Result<void> sync() override { return {}; }
    plugin::Result<std::size_t> readAt(std::uint64_t offset, std::span<char> into) const override {
        const bool isBad = offset + into.size() > goodUpTo_;
        if (isBad && trouble_ == Trouble::readError)
            return plugin::Error{plugin::Reaction::retryLater, plugin::Code::sinkUnavailable, "/staging: cannot read a file: Input/output error"};
        if (isBad && trouble_ == Trouble::shorter) return std::size_t{0};
        std::ranges::fill(into, isBad ? '\0' : 'x');
        return into.size();
    }
    std::uint64_t size() const override { return size_; }

private:
    std::size_t size_, goodUpTo_;
    Trouble trouble_;
};

}  // namespace running
