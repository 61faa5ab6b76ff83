#pragma once

#include "tests/servers/process.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace servers {

/// Dante as an ordinary process on a free port: a SOCKS proxy, version 5 and 4 (4 without names: Dante has no 4A). Users and names of its own it has
/// in a mount namespace, where /etc/passwd and its like are others. Throws std::runtime_error when it does not start.
class Dante {
public:
    struct Options {
        std::map<std::string, std::string> users{};  ///< name → password (RFC 1929); empty: whoever comes
        std::map<std::string, std::string> hosts{};  ///< name → IPv4 address, known to the proxy alone
        std::vector<std::uint16_t> denied{};         ///< ports its rules let nobody through to
        std::string address = "127.0.0.1";
    };
    /// What it writes lies below `directory`.
    Dante(const std::filesystem::path& directory, const Options& options);
    ~Dante() { stop(); }
    Dante(const Dante&) = delete;
    Dante& operator=(const Dante&) = delete;

    /// Whether it can have users and names here; without, only those of the machine.
    static bool canHaveItsOwn();

    std::uint16_t port() const { return port_; }
    void stop();
    /// Lines like "info: pass(1): tcp/connect [: username%user@127.0.0.1.40000 ..." for each tunnel, and "block(..." for what its rules refuse.
    std::string log() const { return readFile(directory_ / "log"); }

private:
    void configure(const Options& options) const;
    std::vector<std::string> words(const Options& options) const;

    std::filesystem::path directory_;
    std::uint16_t port_ = 0;
    std::unique_ptr<Process> process_{};
};

}  // namespace servers
