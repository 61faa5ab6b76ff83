#pragma once

#include "tests/servers/process.h"

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace servers {

/// Squid as an ordinary process on a free port: an HTTP proxy that digs tunnels, spoken to in clear or with TLS. Throws std::runtime_error when it
/// does not start.
class Squid {
public:
    struct Options {
        std::map<std::string, std::string> users{};  ///< name → password, asked for by Basic; empty: whoever comes
        std::map<std::string, std::string> hosts{};  ///< name → address, known to the proxy alone
        std::vector<std::uint16_t> denied{};         ///< ports nobody is let through to: 403
        std::string address = "127.0.0.1";
        std::string certificate{}, key{};  ///< PEM; with them it is spoken to with TLS, and in no other way
    };
    /// What it writes lies below `directory`.
    Squid(const std::filesystem::path& directory, const Options& options);
    ~Squid() { stop(); }
    Squid(const Squid&) = delete;
    Squid& operator=(const Squid&) = delete;

    std::uint16_t port() const { return port_; }
    void stop();
    /// A line for each tunnel that has ended or was not dug: "TCP_TUNNEL/200 CONNECT 127.0.0.1:993 user"
    std::string log() const { return readFile(directory_ / "access.log"); }

private:
    void configure(const Options& options) const;

    std::filesystem::path directory_;
    std::uint16_t port_ = 0;
    std::unique_ptr<Process> process_{};
};

}  // namespace servers
