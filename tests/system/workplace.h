#pragma once

#include "tests/servers/dovecot.h"
#include "tests/servers/identity_provider.h"
#include "tests/servers/imap_client.h"
#include "tests/servers/process.h"
#include "tests/servers/sha256.h"

#include <Poco/JSON/Object.h>

#include <chrono>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace systemtest {

/// The servers of one test binary, started at the first use and ended with the program. Every scenario takes mailboxes of its own.
class Surroundings {
public:
    static Surroundings& get();
    inline static std::chrono::seconds tokenLifetime{3600};  ///< of the provider's; a binary that wants another one sets it before the first use
    const servers::CertificateFiles& certificates() const { return certificates_; }
    const servers::IdentityProvider& provider() const { return provider_; }
    const servers::Dovecot& mailServer() const { return mailServer_; }
    std::string newUser();  ///< a mailbox nobody has used yet
    servers::ImapClient reader(const std::string& user) const { return {mailServer_.imapPort(), user, mailServer_.readerPassword()}; }

private:
    Surroundings();
    servers::TemporaryDirectory place_;
    servers::CertificateFiles certificates_;
    servers::IdentityProvider provider_;
    servers::Dovecot mailServer_;
    unsigned users_ = 0;
};

/// What lies in a spool under one delivery id.
struct Delivered {
    std::string bytes;
    std::string metadata;  ///< the .json file, "" when there is none
};

/// A directory in which the program works: conf/, data/, spool/.
class Workplace {
public:
    Workplace();
    const std::filesystem::path& path() const { return directory_.path(); }
    std::filesystem::path data() const { return path() / "data"; }
    std::filesystem::path spool(const std::string& mailbox) const { return path() / "spool" / mailbox; }

    /// Writes the configuration: server.data, truststore "test" and sink "spool" are always there, `lines` come on top.
    void configure(const std::string& lines);
    std::filesystem::path file(const std::string& name, std::string_view bytes) const;  ///< written into the directory
    /// `postern WORDS --config ...` to its end.
    servers::Outcome postern(std::vector<std::string> words, servers::Milliseconds atMost = std::chrono::seconds{120}) const;
    /// The same, in the background; what it says is in log().
    servers::Process start(std::vector<std::string> words) const;
    std::string log() const { return servers::readFile(path() / "log"); }

    /// By id. Fails the test on names that are neither <id>.eml nor <id>.json nor temporary.
    std::map<std::string, Delivered> delivered(const std::string& mailbox) const;
    std::size_t countDelivered(const std::string& mailbox) const;  ///< complete .eml files at this moment

private:
    servers::TemporaryDirectory directory_;
};

/// credential.<name>.* with the secret in the header (client app-basic).
std::string basicCredential(const Workplace& place, const std::string& name);
/// credential.<name>.* with the secret in the body (client "app/post: 1").
std::string bodyCredential(const Workplace& place, const std::string& name);
/// mailbox.<alias>.* at the test's mail server over TLS, delivering to sink "spool", start = all.
std::string mailbox(const std::string& alias, const std::string& user, const std::string& credential);
/// The text with the line `key = …` taken out, and `key = value` added.
std::string replaced(std::string text, const std::string& key, const std::string& value);

/// Mails of many shapes, the same for the same numbers: plain, multipart, 8-bit, long lines, no body, dots and "From " at line begins.
std::vector<servers::ImapClient::Mail> someMails(const std::string& series, std::size_t count);

std::vector<std::string> sortedBytes(const std::vector<servers::Held>& held);
std::vector<std::string> sortedBytes(const std::map<std::string, Delivered>& delivered);
using servers::sha256;
Poco::JSON::Object::Ptr json(const std::string& text);

}  // namespace systemtest
