#pragma once

#include "tests/servers/identity_provider.h"
#include "tests/servers/process.h"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace servers {

/// Dovecot as an ordinary process on free ports of this machine (tests/servers/dovecot). Users alice, bob, carol, demo @example.test.
class Dovecot {
public:
    /// `directory` must already hold `certificates/`.
    Dovecot(const std::filesystem::path& directory, std::uint16_t introspectionPort);
    ~Dovecot();

    std::uint16_t imapPort() const { return imapPort_; }              ///< without TLS
    std::uint16_t imapsPort() const { return imapsPort_; }            ///< TLS, name localhost
    std::string readerPassword() const { return "reader-password"; }  ///< PLAIN sign-in of every user
    std::filesystem::path maildir(const std::string& user) const { return directory_ / "mail" / user; }
    std::string log() const { return readFile(directory_ / "dovecot.log"); }

    /// `doveadm WORDS`. Throws std::runtime_error when it fails.
    std::string doveadm(std::vector<std::string> words) const;
    /// Messages in a folder, as doveadm counts them.
    std::size_t count(const std::string& user, const std::string& folder) const;

private:
    std::filesystem::path directory_;
    std::unique_ptr<Process> process_;
    std::uint16_t imapPort_ = 0;
    std::uint16_t imapsPort_ = 0;
};

}  // namespace servers
