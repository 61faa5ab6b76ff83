#pragma once

#include "tests/servers/eventually.h"

#include <stdlib.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>

namespace servers {

/// A directory of its own under /tmp (short: socket names live in it), removed with everything in it. World-readable, because a mail server that was
/// started by root works as somebody else.
class TemporaryDirectory {
public:
    TemporaryDirectory() {
        std::string name = "/tmp/postern-test.XXXXXX";
        if (!::mkdtemp(name.data())) throw std::runtime_error("mkdtemp " + name + ": " + std::strerror(errno));
        path_ = name;
        ::chmod(path_.c_str(), 0755);
    }
    ~TemporaryDirectory() {
        std::error_code ignored;  // a server that is just ending may still be writing
        for (int attempt = 0; attempt < 20 && std::filesystem::exists(path_, ignored); ++attempt) {
            std::filesystem::remove_all(path_, ignored);
            if (ignored) pauseForPolling();
        }
    }
    TemporaryDirectory(const TemporaryDirectory&) = delete;
    TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
    const std::filesystem::path& path() const { return path_; }
    std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

private:
    std::filesystem::path path_;
};

}  // namespace servers
