#pragma once

#include "auth/secret_memory.h"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace listener::imap {

/// How literals may be sent (RFC 7888).
enum class Literals {
    synchronising,  ///< announce, wait for "+", send
    minus,          ///< LITERAL-: up to 4096 octets need no wait
    plus,           ///< LITERAL+: none does
};

/// One command as it goes over the wire. May carry a password or a token: its octets stand where no core file holds them, and are wiped at the end.
class Command {
public:
    /// A token may have 16 KiB, its Base64 a third more; nothing else we send comes near. Servers must be told nothing longer.
    static constexpr std::size_t lineLimit = 64 * 1024;

    /// `expected`: octets
    explicit Command(std::string_view tag, Literals literals = Literals::synchronising, std::size_t expected = 256);
    Command(Command&&) noexcept = default;
    Command& operator=(Command&&) = delete;

    Command& word(std::string_view raw);  ///< a blank and `raw` as it is: ASCII without control octets
    /// A blank and `text` as quoted string, or as literal where it has what quotes cannot hold. Not for text with NUL: no IMAP4rev1 string has one.
    Command& string(std::string_view text);

    /// A blank and all of them in parentheses.
    Command& list(const std::vector<std::string>& texts);

    const std::string& tag() const { return tag_; }
    Command& end();  ///< the last CRLF
    /// What to send, piece by piece; between two pieces a continuation of the server is to be waited for. Views into this command.
    std::vector<std::string_view> pieces() const;

private:
    void put(std::string_view text);

    std::string tag_;
    Literals literals_;
    std::basic_string<char, std::char_traits<char>, auth::SecretAllocator<char>> bytes_;
    std::vector<std::size_t> waits_{};  ///< where in bytes_
};

}  // namespace listener::imap
