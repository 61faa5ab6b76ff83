#pragma once

#include "tests/servers/process.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>

namespace servers {

/// DavMail as an ordinary process on a free port of loopback: IMAP in front, EWS behind; it knows Exchange and not us. Throws std::runtime_error when
/// it does not start.
class Davmail {
public:
    /// What it writes lies below `directory`. endpoint  where it asks: "http://127.0.0.1:1234/EWS/Exchange.asmx"
    Davmail(const std::filesystem::path& directory, const std::string& endpoint);
    ~Davmail() { process_->stop(); }
    Davmail(const Davmail&) = delete;
    Davmail& operator=(const Davmail&) = delete;

    std::uint16_t port() const { return port_; }
    std::string log() const { return readFile(directory_ / "davmail.log"); }

private:
    std::filesystem::path directory_;
    std::uint16_t port_ = 0;
    std::unique_ptr<Process> process_{};
};

}  // namespace servers
