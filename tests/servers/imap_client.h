#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace servers {

/// A message as a server holds it.
struct Held {
    std::uint64_t uid = 0;
    std::string flags;     ///< as sent, without the parentheses
    std::string received;  ///< INTERNALDATE as sent: "22-Nov-2026 17:31:33 +0000"
    std::string bytes;
};

/// A second opinion about a mailbox, sharing no code with the program: plain TCP, LOGIN, one command at a time, blocking (30 s at most).
/// Throws std::runtime_error with the server's text on anything but OK. Folder names as they are on the wire (modified UTF-7).
class ImapClient {
public:
    ImapClient(std::uint16_t port, const std::string& user, const std::string& password);
    ~ImapClient();
    ImapClient(ImapClient&&) noexcept;

    struct Mail {
        std::string bytes;
        std::string received{};  ///< INTERNALDATE; now when empty
        std::string flags{};     ///< without the parentheses
    };
    /// Puts messages in, with as few round trips as it takes.
    void append(const std::string& folder, const std::vector<Mail>& mails);
    void append(const std::string& folder, const std::string& bytes) { append(folder, {Mail{bytes}}); }
    /// Everything in a folder, by UID, without setting \Seen.
    std::vector<Held> fetch(const std::string& folder);
    std::uint64_t validity(const std::string& folder);  ///< UIDVALIDITY
    /// Any command without a literal; the untagged lines of its answer.
    std::string command(const std::string& words);

private:
    class Connection;
    std::unique_ptr<Connection> connection_;
};

}  // namespace servers
