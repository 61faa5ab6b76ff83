#pragma once

#include "tests/plugin/host/host_fakes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace fakes {

/// A program that gives a secret, for ${command:...}. While it is slow it waits until it is let go on.
class SecretGiver {
public:
    SecretGiver(const Folder& folder, const std::string& secret)
        : program_(folder / "giver.sh"), slow_(folder / "slow"), begun_(folder / "begun"), gate_(folder / "gate") {
        if (::mkfifo(gate_.c_str(), 0600) != 0) throw std::runtime_error("mkfifo failed");
        held_ = ::open(gate_.c_str(), O_RDWR | O_CLOEXEC);  // at both ends, so that nobody waits for somebody to open it
        write(program_,
              "#!/bin/sh\nif [ -e '" + slow_ + "' ]; then echo $$ >> '" + begun_ + "'; read line < '" + gate_ + "'; fi\necho '" + secret + "'\n");
        std::filesystem::permissions(program_, std::filesystem::perms::owner_all);
    }
    SecretGiver(const SecretGiver&) = delete;
    SecretGiver& operator=(const SecretGiver&) = delete;
    ~SecretGiver() { ::close(held_); }

    std::string source() const { return "${command:" + program_ + "}"; }
    void beSlow() const { write(slow_, ""); }
    void beQuick() const { std::filesystem::remove(slow_); }
    /// How many have begun to wait since the beginning.
    std::size_t begun() const {
        const auto text = content(begun_);
        return static_cast<std::size_t>(std::count(text.begin(), text.end(), '\n'));
    }
    void letGoOn() const {
        if (::write(held_, "\n", 1) != 1) throw std::runtime_error("write failed");
    }

private:
    std::string program_, slow_, begun_, gate_;
    int held_ = -1;
};

}  // namespace fakes
