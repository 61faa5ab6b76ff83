#pragma once

#include "tests/servers/tls_server.h"

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

namespace systemtest {

/// An IMAP server that hands out exactly the octets it was given, as no real one does: with NUL, bare LF and all. Plain TCP, one folder INBOX,
/// read only. Strict: a command an excellent client would not send is refused and kept in violations().
class ExactServer {
public:
    /// Message i has UID i + 1. `mails` outlives the server.
    explicit ExactServer(const std::vector<std::string>& mails);

    std::uint16_t port() const { return server_.port(); }
    static std::string user() { return "exact@example.test"; }
    static std::string password() { return "exact password"; }
    static std::uint64_t validity() { return 1'790'000'001; }
    std::vector<std::string> violations() const;
    int sessions() const { return server_.accepted(); }

private:
    using Stream = servers::TlsServer::Stream;
    class Session;
    void serve(Stream& stream);
    void violation(const std::string& what);

    const std::vector<std::string>& mails_;
    mutable std::mutex mutex_{};
    std::vector<std::string> violations_{};
    servers::TlsServer server_;
};

}  // namespace systemtest
